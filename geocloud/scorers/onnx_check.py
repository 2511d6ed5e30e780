"""An ONNX file from a stranger, checked before anything of it is run: what it may hold, and how large it becomes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geocloud.errors import MissingExtraError, ModelError
from geocloud.scorers.onnx_cost import Shape, cost_of

MAX_BYTES = 1 << 30
MAX_NODES = 20_000
MAX_VALUES, MAX_HELD = 1 << 27, 1 << 29
"""Values of one array while the network runs, 64 planes of 1448 x 1448 pixels; and of all that are needed at once."""
MAX_CONSTANT_VALUES = 256
"""Values of a constant that is worked out here: sizes and axes have a few."""
MAX_COST = 1 << 42
"""Multiplications for one tile, or what takes as long: minutes of a core. A U-Net of 30 million weights takes 2^39."""
DOMAINS = {"": "ai.onnx", "ai.onnx": "ai.onnx"}
"""Sets of operators that are run: not ONNX's trees, which may go round in circles."""
REFUSED = {
    **dict.fromkeys(("Loop", "Scan", "If", "SequenceMap"), "has branches or loops"),
    **dict.fromkeys(
        ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"),
        "gives other scores in each run",
    ),
    **dict.fromkeys(("RoiAlign", "MaxRoiPool"), "takes a time that depends on its pixels"),
}
"""Operators and what speaks against them."""
ARITHMETIC = {
    *("Shape", "Size", "Constant", "Gather", "Slice", "Concat", "Unsqueeze", "Squeeze", "Cast", "Identity", "Flatten"),
    *("Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Abs", "Neg", "Floor", "Ceil", "Sqrt", "Equal", "Less"),
    *("Greater", "And", "Or", "Not", "Where", "ConstantOfShape", "Expand", "Reshape", "Transpose", "NonZero", "Range"),
    *("ReduceProd", "ReduceMax", "ReduceMin", "ReduceSum", "ScatterND", "Tile", "Split"),
}
"""Operators that sizes are computed by, which are worked out here on small constants."""
FLOATS = {1: "float32", 10: "float16", 11: "float64"}
"""Numbers of TensorProto.DataType that a tile is given in."""
NOT_NUMBERS = (0, 8, 14, 15)
"""Those of undefined, text and complex numbers."""
Array = NDArray[Any]


def check_onnx(path: Path, inputs: Shape, output: str = "") -> tuple[bytes, Shape]:
    """The file for onnxruntime, its input fixed to a shape, and the shape of its output.

    Args:
        path: the file.
        inputs: what the network is given.
        output: name of the output that is read; empty: its only one.

    Raises:
        ModelError: it is no ONNX file, is not whole in itself, holds what is not run, does not take the input, or the
        size of any array in it is unknown or too large. MissingExtraError: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", f"the model {path}") from error
    proto = _read(path)
    graph = proto.graph
    _check_whole(path, proto)
    names = [value.name for value in graph.input if value.name not in {one.name for one in graph.initializer}]
    if len(names) != 1:
        raise ModelError(f"{path} takes {len(names)} inputs; a model takes one, the bands of a tile")
    given = next(value for value in graph.input if value.name == names[0])
    _fix_input(path, given, inputs)
    outputs = [value.name for value in graph.output]
    chosen = output or outputs[0] if len(outputs) == 1 or output in outputs else ""
    if not chosen:
        raise ModelError(f"{path} has the outputs {plain(', '.join(outputs))}; its card names one as output_name")
    sizes = _Sizes(path, proto, onnx)
    shape = sizes.shape_of(chosen)
    if sizes.kind_of(chosen) in NOT_NUMBERS:
        raise ModelError(f"{path} gives texts or complex numbers; a model gives plain ones")
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    return proto.SerializeToString(), shape


def _read(path: Path) -> Any:  # noqa: ANN401 - onnx has no complete annotations
    """The parsed file; no other file is opened."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise ModelError(f"{path} is no file; give the path of an ONNX file")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path} has {size} bytes, a model has at most {MAX_BYTES}")
        proto = onnx.ModelProto.FromString(path.read_bytes())
    except (DecodeError, OSError, RecursionError) as error:
        raise ModelError(f"{path} is no ONNX file that can be read ({str(error).splitlines()[0]})") from error
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(f"{path} is no ONNX file: it holds no network")
    return proto


def _check_whole(path: Path, proto: Any) -> None:  # noqa: ANN401
    """ModelError for weights in other files, operators of others, branches, and more nodes than a network has."""
    graph = proto.graph
    if len(graph.node) > MAX_NODES:
        raise ModelError(f"{path} has {len(graph.node)} operators, a model has at most {MAX_NODES}")
    if proto.functions or proto.training_info:
        raise ModelError(f"{path} has functions or training of its own; export the network for inference, in one graph")
    if graph.sparse_initializer:
        raise ModelError(f"{path} has sparse weights, which may become any size; save it with plain ones")
    for node in graph.node:
        _check_node(path, node)
    for tensor in _tensors(graph):
        _check_tensor(path, tensor)


def _check_node(path: Path, node: Any) -> None:  # noqa: ANN401
    """ModelError for an operator that is not run."""
    if node.domain not in DOMAINS:
        raise ModelError(f"{path} uses operators of {node.domain[:60]!r}; only ONNX's own are run, no code of others")
    if node.op_type in REFUSED:
        raise ModelError(f"{path} {REFUSED[node.op_type]} ({node.op_type}); export the network without")
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
        raise ModelError(f"{path} drops values as in training (Dropout); export it for inference")
    if any(one.g.node or one.graphs or one.HasField("sparse_tensor") for one in node.attribute):
        raise ModelError(f"{path} has a graph or a sparse array inside its {plain(node.op_type)}; export it without")


def _check_tensor(path: Path, tensor: Any) -> None:  # noqa: ANN401
    """ModelError for an array whose values are not in the file."""
    if tensor.data_location or tensor.external_data:
        raise ModelError(
            f"{path} keeps weights in another file ({_location(tensor)}), and no other file is opened; "
            "save it as one file (onnx.save with save_as_external_data=False)"
        )
    stored = max(len(tensor.raw_data), *(len(getattr(tensor, name)) for name in _FIELDS))
    if any(size < 0 for size in tensor.dims) or math.prod(tensor.dims) > 8 * stored:
        raise ModelError(f"{path} has an array of the shape {list(tensor.dims)[:8]} without its values")


_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


def _location(tensor: Any) -> str:  # noqa: ANN401
    return next((plain(entry.value) for entry in tensor.external_data if entry.key == "location"), "unnamed")


def plain(text: str) -> str:
    """A file's own word in a sentence: short, and without line ends and codes that a terminal obeys."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:80])


def _tensors(graph: Any) -> Iterator[Any]:  # noqa: ANN401
    """All arrays in the file; graphs inside operators were refused before."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _fix_input(path: Path, given: Any, shape: Shape) -> None:  # noqa: ANN401
    """Give the input its shape; ModelError where the file says another."""
    if given.type.tensor_type.elem_type not in FLOATS:
        raise ModelError(f"{path} does not take tiles of {', '.join(FLOATS.values())}; export it with such an input")
    dims = given.type.tensor_type.shape.dim
    said = [dim.dim_value or "any" for dim in dims]
    if len(said) != len(shape) or any(one not in ("any", size) for one, size in zip(said, shape, strict=True)):
        raise ModelError(f"{path} takes tiles of the shape {said}, its card says {list(shape)}: bands, patch or layout")
    for dim, size in zip(dims, shape, strict=True):
        dim.dim_value = size


class _Sizes:
    """The shape of every array in a graph, in one pass from the input; small whole numbers are worked out with it."""

    def __init__(self, path: Path, proto: Any, onnx: Any) -> None:  # noqa: ANN401
        """ModelError for the first array whose size is unknown or too large."""
        self._path, self._onnx = path, onnx
        self._opsets = {DOMAINS.get(one.domain, one.domain): one.version for one in proto.opset_import}
        self._ir_version = proto.ir_version
        self._types: dict[str, Any] = {value.name: value.type for value in proto.graph.input}
        self._known: dict[str, Array] = {}
        self._constant: set[str] = {""}
        self._folded = 0
        self._given = {"", *self._types, *(tensor.name for tensor in proto.graph.initializer)}
        for tensor in proto.graph.initializer:
            with self._named(f"its weights {tensor.name}"):
                self._take(tensor)
        uses = Counter(name for node in proto.graph.node for name in node.input)
        held, cost = 0, 0
        for node in proto.graph.node:
            with self._named(node.op_type):
                self._add(node)
                held += sum(self._size(name) for name in node.output if name)
                self._bound(node, held, MAX_HELD)
                cost += cost_of(node, self.shape_of)
                if cost > MAX_COST:
                    raise ModelError(
                        f"{path} needs more than {MAX_COST:.1e} multiplications for one tile, at "
                        f"{plain(node.op_type)}; take a smaller patch or network"
                    )
                for name in node.input:  # an array that is needed no more is given back
                    uses[name] -= 1
                    held -= 0 if uses[name] or name in self._given else self._size(name)

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """ModelError for whatever onnx raises of a graph that is none."""
        try:
            yield
        except ModelError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            sentence = f"{self._path} is no valid network at {plain(what)} ({plain(reason[-1])})"
            raise ModelError(sentence) from error

    def _take(self, tensor: Any) -> None:  # noqa: ANN401
        """Note an array of the file, its values where they are few."""
        self._types[tensor.name] = self._onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        self._constant.add(tensor.name)
        if math.prod(tensor.dims) <= MAX_CONSTANT_VALUES:
            self._known[tensor.name] = self._onnx.numpy_helper.to_array(tensor)

    def _size(self, name: str) -> int:
        """Values of an array."""
        return math.prod(self.shape_of(name))

    def kind_of(self, name: str) -> int:
        """Its number in TensorProto.DataType."""
        return int(self._types[name].tensor_type.elem_type)

    def shape_of(self, name: str) -> Shape:
        """Of an array."""
        if name not in self._types:
            raise ModelError(f"{self._path} names an output {plain(name)!r} that nothing computes")
        return tuple(dim.dim_value for dim in self._types[name].tensor_type.shape.dim)

    def _add(self, node: Any) -> None:  # noqa: ANN401
        """Shapes of a node's outputs, and their values where its inputs are small constants."""
        domain = DOMAINS[node.domain]
        schema = self._onnx.defs.get_schema(node.op_type, self._opsets[domain], "" if domain == "ai.onnx" else domain)
        inputs = [name for name in node.input if name]
        values = self._values(node, inputs)
        if values is None:
            types = {name: self._types[name] for name in inputs}
            data = {
                name: self._onnx.numpy_helper.from_array(self._known[name]) for name in inputs if name in self._known
            }
            opsets = [self._onnx.helper.make_opsetid(name, version) for name, version in self._opsets.items()]
            found = self._onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=opsets, ir_version=self._ir_version
            )
            for name in (name for name in node.output if name):
                self._keep(node, name, found.get(name))
        else:
            for name, value in zip(node.output, values, strict=False):
                kind = self._onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
                self._types[name] = self._onnx.helper.make_tensor_type_proto(kind, value.shape)
                if value.size <= MAX_CONSTANT_VALUES:
                    self._known[name] = value
        if all(name in self._constant for name in inputs):
            self._constant.update(node.output)
            self._folded += sum(self._size(name) for name in node.output if name)
            self._bound(node, self._folded)

    def _values(self, node: Any, inputs: list[str]) -> list[Array] | None:  # noqa: ANN401
        """A node's outputs; None where they depend on the tile, or are not small."""
        if node.op_type == "Shape" and not node.attribute and inputs:
            return [np.array(self.shape_of(inputs[0]), dtype=np.int64)]
        if node.op_type not in ARITHMETIC or not all(name in self._known for name in inputs):
            return None
        if self._length(node, inputs) > MAX_CONSTANT_VALUES:
            return None
        from onnx.reference import ReferenceEvaluator

        given: Mapping[str, Array] = {name: self._known[name] for name in inputs}
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(self._alone(node, given)).run(None, dict(given))
        results: list[Array] = [np.asarray(value) for value in found]
        return results

    def _length(self, node: Any, inputs: list[str]) -> int:  # noqa: ANN401
        """Values that the node would make, of those that make more than they are given."""
        given = [self._known[name] for name in inputs]
        if node.op_type == "ConstantOfShape":
            return math.prod(int(size) for size in given[0])
        if node.op_type == "Expand":
            return given[0].size * math.prod(max(1, int(size)) for size in given[1])
        if node.op_type == "Tile":
            return given[0].size * math.prod(int(size) for size in given[1])
        if node.op_type == "Range":
            start, limit, step = (float(value.item()) for value in given[:3])
            return int(min(max(0.0, (limit - start) / step), 1e18)) if step else MAX_CONSTANT_VALUES + 1
        try:
            return math.prod(np.broadcast_shapes(*(value.shape for value in given)))
        except ValueError:  # they are not combined value by value
            return 0

    def _alone(self, node: Any, given: Mapping[str, Array]) -> Any:  # noqa: ANN401
        """A model of one node."""
        helper = self._onnx.helper
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in given.items()
        ]
        outputs = [self._onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "one", inputs, outputs)
        opsets = [helper.make_opsetid("", self._opsets["ai.onnx"])]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self._ir_version)

    def _keep(self, node: Any, name: str, found: Any) -> None:  # noqa: ANN401
        """Note the type of an array; ModelError where its size is unknown or too large."""
        known = found is not None and found.HasField("tensor_type") and found.tensor_type.HasField("shape")
        dims = found.tensor_type.shape.dim if known else ()
        if not known or any(not dim.HasField("dim_value") for dim in dims):
            raise ModelError(
                f"{self._path} does not tell before it runs how large the output of its {plain(node.op_type)} is; "
                "export it for tiles of one size"
            )
        self._types[name] = found
        self._bound(node, math.prod(dim.dim_value for dim in dims))

    def _bound(self, node: Any, values: int, most: int = MAX_VALUES) -> None:  # noqa: ANN401
        if values > most or values < 0:
            raise ModelError(
                f"{self._path} makes {values} values at once by its {plain(node.op_type)}, at most {most} are made; "
                "take a smaller patch"
            )

"""Checks of an untrusted ONNX file before any of it is run: what it holds, and how large its arrays become."""

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
"""Largest number of values of one array while the network runs (64 planes of 1448 x 1448 pixels), and of all arrays in
memory at once."""
MAX_CONSTANT_VALUES = 256
"""Largest number of values of a constant that is computed here: sizes and axes have a few."""
MAX_COST = 1 << 42
"""Most multiplications for one tile, or operations that take as long: minutes of a core. A U-Net of 30 million weights
takes 2^39."""
DOMAINS = {"": "ai.onnx", "ai.onnx": "ai.onnx"}
"""Domains of operators that are run. ONNX's trees are not among them, because they may hold cycles."""
REFUSED = {
    **dict.fromkeys(("Loop", "Scan", "If", "SequenceMap"), "has branches or loops"),
    **dict.fromkeys(
        ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"),
        "gives other scores in each run",
    ),
    **dict.fromkeys(("RoiAlign", "MaxRoiPool"), "takes a time that depends on its pixels"),
}
"""Operators that are refused, and why."""
ARITHMETIC = {
    *("Shape", "Size", "Constant", "Gather", "Slice", "Concat", "Unsqueeze", "Squeeze", "Cast", "Identity", "Flatten"),
    *("Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Abs", "Neg", "Floor", "Ceil", "Sqrt", "Equal", "Less"),
    *("Greater", "And", "Or", "Not", "Where", "ConstantOfShape", "Expand", "Reshape", "Transpose", "NonZero", "Range"),
    *("ReduceProd", "ReduceMax", "ReduceMin", "ReduceSum", "ScatterND", "Tile", "Split"),
}
"""Operators from which networks compute sizes; on small constants they are evaluated here."""
FLOATS = {1: "float32", 10: "float16", 11: "float64"}
"""Data types of the input, by their numbers in TensorProto.DataType."""
NOT_NUMBERS = (0, 8, 14, 15)
"""Numbers in TensorProto.DataType of undefined, text and complex types."""
Array = NDArray[Any]


def check_onnx(path: Path, inputs: Shape, output: str = "") -> tuple[bytes, Shape]:
    """The content of the file for onnxruntime, with its input fixed to a shape, and the shape of its output.

    Args:
        path: the file.
        inputs: shape of the input.
        output: name of the output that is read; empty: the only one.

    Raises:
        ModelError: the file is not ONNX, refers to other files, holds operators that are refused, or does not take the
            input; or the size of an array is unknown or too large.
        MissingExtraError: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", f"the model {path}") from error
    proto = _read(path)
    graph = proto.graph
    _check_whole(path, proto)
    names = [value.name for value in graph.input if value.name not in {weights.name for weights in graph.initializer}]
    if len(names) != 1:
        raise ModelError(f"{path} takes {len(names)} inputs; a model takes one, the bands of a tile")
    tile = next(value for value in graph.input if value.name == names[0])
    _fix_input(path, tile, inputs)
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
    """The parsed file; no other file is opened. ModelError if it cannot be read or holds no network."""
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
    """ModelError for weights in other files, operators of other domains, branches, or too many nodes."""
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
    """ModelError for an operator that is refused."""
    if node.domain not in DOMAINS:
        raise ModelError(f"{path} uses operators of {node.domain[:60]!r}; only ONNX's own are run, no code of others")
    if node.op_type in REFUSED:
        raise ModelError(f"{path} {REFUSED[node.op_type]} ({node.op_type}); export the network without")
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
        raise ModelError(f"{path} drops values as in training (Dropout); export it for inference")
    if any(entry.g.node or entry.graphs or entry.HasField("sparse_tensor") for entry in node.attribute):
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
    """Path of the other file in which an array is stored, for an error message."""
    return next((plain(entry.value) for entry in tensor.external_data if entry.key == "location"), "unnamed")


def plain(text: str) -> str:
    """Text from a file, safe to print: at most 80 characters, without line ends and control codes."""
    return "".join(character if character.isprintable() else "?" for character in text[:80])


def _tensors(graph: Any) -> Iterator[Any]:  # noqa: ANN401
    """All arrays in the file. Graphs inside operators were refused before."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _fix_input(path: Path, tile: Any, shape: Shape) -> None:  # noqa: ANN401
    """Set the shape of the input; ModelError if the file gives another shape or type."""
    if tile.type.tensor_type.elem_type not in FLOATS:
        raise ModelError(f"{path} does not take tiles of {', '.join(FLOATS.values())}; export it with such an input")
    dims = tile.type.tensor_type.shape.dim
    stated = [dim.dim_value or "any" for dim in dims]
    if len(stated) != len(shape) or any(side not in ("any", size) for side, size in zip(stated, shape, strict=True)):
        raise ModelError(
            f"{path} takes tiles of the shape {stated}, its card says {list(shape)}: bands, patch or layout"
        )
    for dim, size in zip(dims, shape, strict=True):
        dim.dim_value = size


class _Sizes:
    """The shapes of all arrays of a graph, inferred in one pass from the input; small constants are evaluated too."""

    def __init__(self, path: Path, proto: Any, onnx: Any) -> None:  # noqa: ANN401
        """ModelError for the first array whose size is unknown or too large."""
        self._path, self._onnx = path, onnx
        self._opsets = {DOMAINS.get(entry.domain, entry.domain): entry.version for entry in proto.opset_import}
        self._ir_version = proto.ir_version
        self._types: dict[str, Any] = {value.name: value.type for value in proto.graph.input}
        self._known: dict[str, Array] = {}
        self._constant: set[str] = {""}
        self._folded = 0
        self._kept = {"", *self._types, *(tensor.name for tensor in proto.graph.initializer)}
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
                for name in node.input:  # an array is freed after its last use, unless it is an input or a weight
                    uses[name] -= 1
                    held -= 0 if uses[name] or name in self._kept else self._size(name)

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Turn any exception of onnx, about an invalid graph, into a ModelError that names the place in the graph."""
        try:
            yield
        except ModelError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            sentence = f"{self._path} is no valid network at {plain(what)} ({plain(reason[-1])})"
            raise ModelError(sentence) from error

    def _take(self, tensor: Any) -> None:  # noqa: ANN401
        """Note the type of an array of the file, and its values if they are few."""
        self._types[tensor.name] = self._onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        self._constant.add(tensor.name)
        if math.prod(tensor.dims) <= MAX_CONSTANT_VALUES:
            self._known[tensor.name] = self._onnx.numpy_helper.to_array(tensor)

    def _size(self, name: str) -> int:
        """Number of values of an array."""
        return math.prod(self.shape_of(name))

    def kind_of(self, name: str) -> int:
        """Data type of an array, as its number in TensorProto.DataType."""
        return int(self._types[name].tensor_type.elem_type)

    def shape_of(self, name: str) -> Shape:
        """Shape of an array; ModelError if no operator computes it."""
        if name not in self._types:
            raise ModelError(f"{self._path} names an output {plain(name)!r} that nothing computes")
        return tuple(dim.dim_value for dim in self._types[name].tensor_type.shape.dim)

    def _add(self, node: Any) -> None:  # noqa: ANN401
        """Note the shapes of a node's outputs, and their values if its inputs are small constants."""
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
            inferred = self._onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=opsets, ir_version=self._ir_version
            )
            for name in (name for name in node.output if name):
                self._keep(node, name, inferred.get(name))
        else:
            for name, value in zip(node.output, values, strict=False):
                dtype = self._onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
                self._types[name] = self._onnx.helper.make_tensor_type_proto(dtype, value.shape)
                if value.size <= MAX_CONSTANT_VALUES:
                    self._known[name] = value
        if all(name in self._constant for name in inputs):
            self._constant.update(node.output)
            self._folded += sum(self._size(name) for name in node.output if name)
            self._bound(node, self._folded)

    def _values(self, node: Any, inputs: list[str]) -> list[Array] | None:  # noqa: ANN401
        """Values of a node's outputs; None if they depend on the tile or are not few."""
        if node.op_type == "Shape" and not node.attribute and inputs:
            return [np.array(self.shape_of(inputs[0]), dtype=np.int64)]
        if node.op_type not in ARITHMETIC or not all(name in self._known for name in inputs):
            return None
        if self._length(node, inputs) > MAX_CONSTANT_VALUES:
            return None
        from onnx.reference import ReferenceEvaluator

        constants: Mapping[str, Array] = {name: self._known[name] for name in inputs}
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(self._model_of(node, constants)).run(None, dict(constants))
        values: list[Array] = [np.asarray(value) for value in results]
        return values

    def _length(self, node: Any, inputs: list[str]) -> int:  # noqa: ANN401
        """Number of values that a node would make from constants, if it may make more than it gets."""
        constants = [self._known[name] for name in inputs]
        if node.op_type == "ConstantOfShape":
            return math.prod(int(size) for size in constants[0])
        if node.op_type == "Expand":
            return constants[0].size * math.prod(max(1, int(size)) for size in constants[1])
        if node.op_type == "Tile":
            return constants[0].size * math.prod(int(size) for size in constants[1])
        if node.op_type == "Range":
            start, limit, step = (float(value.item()) for value in constants[:3])
            return int(min(max(0.0, (limit - start) / step), 1e18)) if step else MAX_CONSTANT_VALUES + 1
        try:
            return math.prod(np.broadcast_shapes(*(value.shape for value in constants)))
        except ValueError:  # the operator does not combine its inputs value by value
            return 0

    def _model_of(self, node: Any, constants: Mapping[str, Array]) -> Any:  # noqa: ANN401
        """A model of one node, whose inputs have the types and shapes of these constants."""
        helper = self._onnx.helper
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in constants.items()
        ]
        outputs = [self._onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "one", inputs, outputs)
        opsets = [helper.make_opsetid("", self._opsets["ai.onnx"])]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self._ir_version)

    def _keep(self, node: Any, name: str, inferred: Any) -> None:  # noqa: ANN401
        """Note the inferred type of an array; ModelError if its size is unknown or too large."""
        known = inferred is not None and inferred.HasField("tensor_type") and inferred.tensor_type.HasField("shape")
        dims = inferred.tensor_type.shape.dim if known else ()
        if not known or any(not dim.HasField("dim_value") for dim in dims):
            raise ModelError(
                f"{self._path} does not tell before it runs how large the output of its {plain(node.op_type)} is; "
                "export it for tiles of one size"
            )
        self._types[name] = inferred
        self._bound(node, math.prod(dim.dim_value for dim in dims))

    def _bound(self, node: Any, values: int, most: int = MAX_VALUES) -> None:  # noqa: ANN401
        """ModelError if a node makes more values than are allowed, or a negative number of them."""
        if values > most or values < 0:
            raise ModelError(
                f"{self._path} makes {values} values at once by its {plain(node.op_type)}, at most {most} are made; "
                "take a smaller patch"
            )

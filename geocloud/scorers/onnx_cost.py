"""Bounds how much a node of an ONNX graph computes, from the shapes of its arrays, so that no file runs for ever."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Shape = tuple[int, ...]
SLOW = 16
"""A value that is read or written costs as much as this many multiplications of a (vectorised) matrix product."""
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
"""Operator -> which of its inputs are the weights."""
_PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul", "Gemm")
_POOLS = ("MaxPool", "AveragePool", "LpPool")
_RECURRENT = ("RNN", "GRU", "LSTM")


def cost_of(node: Any, shape_of: Callable[[str], Shape]) -> int:  # noqa: ANN401 - onnx has no complete annotations
    """Multiplications, or what takes as long, that a node needs at most.

    Args:
        node: an onnx.NodeProto.
        shape_of: from the name of an array to its shape, which must be known.
    """
    import onnx

    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    inputs, outputs = ([shape_of(name) if name else () for name in names] for names in (node.input, node.output))
    moved = sum(math.prod(shape) for shape in (*inputs, *outputs))
    return SLOW * moved + _products(node.op_type, attributes, inputs, sum(math.prod(shape) for shape in outputs))


def _products(kind: str, attributes: Mapping[str, Any], inputs: list[Shape], made: int) -> int:
    """Multiplications of a node: by operator, attributes, shapes of the inputs, and number of values made."""
    if kind in _CONVOLUTIONS:
        weights = math.prod(inputs[_CONVOLUTIONS[kind]][1:])
        cost = (math.prod(inputs[0]) if kind == "ConvTranspose" else made) * weights
    elif kind in _PRODUCTS:
        cost = made * inputs[0][0 if attributes.get("transA") else -1]
    elif kind in _RECURRENT:
        cost = math.prod(inputs[0][:2]) * sum(math.prod(shape) for shape in inputs[1:3])
    elif kind == "Einsum":
        cost = _einsum(attributes["equation"].decode(), inputs)
    elif kind == "Attention":
        cost = 2 * math.prod(inputs[0]) * inputs[1][-2]
    elif kind in ("DFT", "STFT"):
        cost = SLOW * made * max(inputs[0])
    elif kind in _POOLS:
        cost = SLOW * made * math.prod(attributes["kernel_shape"])
    else:
        cost = SLOW * made * attributes["size"] if kind == "LRN" else 0
    return cost


def _einsum(equation: str, inputs: list[Shape]) -> int:
    """The product of the sizes of all axes; if some axes have no names, that of all inputs' sizes, which is no less."""
    if "..." in equation:
        return math.prod(math.prod(shape) for shape in inputs)
    axes: dict[str, int] = {}
    for letters, shape in zip(equation.replace(" ", "").partition("->")[0].split(","), inputs, strict=True):
        axes |= dict(zip(letters, shape, strict=True))
    return math.prod(axes.values())

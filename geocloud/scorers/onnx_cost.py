"""How much a node of an ONNX graph computes, from the shapes of what it is given: no file may keep a core for ever."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Shape = tuple[int, ...]
SLOW = 16
"""A value that is read or made costs as much as so many multiplications of a matrix product, which are vectorised."""
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
"""Operator and the place of its weights."""
_PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul", "Gemm")
_POOLS = ("MaxPool", "AveragePool", "LpPool")
_RECURRENT = ("RNN", "GRU", "LSTM")


def cost_of(node: Any, shape_of: Callable[[str], Shape]) -> int:  # noqa: ANN401 - onnx has no complete annotations
    """Multiplications, or what takes as long, that a node needs at most; its arrays' shapes are known."""
    import onnx

    values = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    given, made = ([shape_of(name) if name else () for name in names] for names in (node.input, node.output))
    moved = sum(math.prod(shape) for shape in (*given, *made))
    return SLOW * moved + _products(node.op_type, values, given, sum(math.prod(shape) for shape in made))


def _products(kind: str, values: Mapping[str, Any], given: list[Shape], made: int) -> int:
    """Multiplications, by operator, its attributes, its inputs' shapes, and how many values it makes."""
    if kind in _CONVOLUTIONS:
        weights = math.prod(given[_CONVOLUTIONS[kind]][1:])
        found = (math.prod(given[0]) if kind == "ConvTranspose" else made) * weights
    elif kind in _PRODUCTS:
        found = made * given[0][0 if values.get("transA") else -1]
    elif kind in _RECURRENT:
        found = math.prod(given[0][:2]) * sum(math.prod(shape) for shape in given[1:3])
    elif kind == "Einsum":
        found = _einsum(values["equation"].decode(), given)
    elif kind == "Attention":
        found = 2 * math.prod(given[0]) * given[1][-2]
    elif kind in ("DFT", "STFT"):
        found = SLOW * made * max(given[0])
    elif kind in _POOLS:
        found = SLOW * made * math.prod(values["kernel_shape"])
    else:
        found = SLOW * made * values["size"] if kind == "LRN" else 0
    return found


def _einsum(equation: str, given: list[Shape]) -> int:
    """The product of all its axes; where some have no names, of all its inputs' sizes, which is more."""
    if "..." in equation:
        return math.prod(math.prod(shape) for shape in given)
    axes: dict[str, int] = {}
    for letters, shape in zip(equation.replace(" ", "").partition("->")[0].split(","), given, strict=True):
        axes |= dict(zip(letters, shape, strict=True))
    return math.prod(axes.values())

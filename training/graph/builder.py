"""A thin layer over `onnx.helper`, so that building a graph reads like the formula that it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 21
IR_VERSION: Final = 10  # onnx's own default is newer than onnxruntime reads

_TYPES: Final = {np.float32: TensorProto.FLOAT, np.int64: TensorProto.INT64}


@dataclass(slots=True)
class Graph:
    """A graph in the making: every operation adds one node, whose result has a name."""

    _nodes: list[onnx.NodeProto] = field(default_factory=list)
    _constants: list[onnx.TensorProto] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def input(self, name: str) -> Value:
        """The input of that name."""
        return Value(self, name)

    def constant(self, value: NDArray[np.generic] | float) -> Value:
        """An array as it is, or a number in single precision."""
        array = np.asarray(value, order="C") if isinstance(value, np.ndarray) else np.array(value, np.float32)
        name = f"constant_{next(self._numbers)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return Value(self, name)

    def apply(self, operator: str, *inputs: Value, **attributes: int | str | list[int] | onnx.GraphProto) -> Value:
        """Add an operation of ONNX."""
        name = f"{operator.lower()}_{next(self._numbers)}"
        node = helper.make_node(operator, [value.name for value in inputs], [name], name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._nodes.append(node)
        return Value(self, name)

    def parts(
        self, operator: str, inputs: Sequence[Value], number: int, **attributes: int | onnx.GraphProto
    ) -> list[Value]:
        """Add an operation of ONNX with several results."""
        names = [f"{operator.lower()}_{next(self._numbers)}" for _ in range(number)]
        node = helper.make_node(operator, [value.name for value in inputs], names, names[0])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._nodes.append(node)
        return [Value(self, name) for name in names]

    def only_if(
        self, condition: Value, then: Callable[[], Sequence[Value]], otherwise: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """What `then` builds, computed only where `condition` holds; elsewhere as many values from `otherwise`."""
        taken, left = self._body(then), self._body(otherwise)
        return self.parts("If", [condition], len(taken.output), then_branch=taken, else_branch=left)

    def for_each(self, values: Sequence[Value], then: Callable[[Sequence[Value]], Value]) -> Value:
        """What `then` builds of the entries along the first axis of all of the values, one after the other, stacked.

        What it works with stays in the processor's cache where a whole batch would not.
        """
        entries = [Value(self, f"entry_{next(self._numbers)}") for _ in values]
        given = [helper.make_tensor_value_info(entry.name, TensorProto.FLOAT, None) for entry in entries]
        body = self._body(lambda: [then(entries)], given)
        return self.apply("Scan", *values, body=body, num_scan_inputs=len(values))

    def joined(self, values: Sequence[Value], axis: int) -> Value:
        """End to end along an axis."""
        return self.apply("Concat", *values, axis=axis)

    def stacked(self, values: Sequence[Value]) -> Value:
        """Side by side along a new last axis."""
        return self.joined([value.unsqueezed(-1) for value in values], axis=-1)

    def filled(self, shape: Value, number: float) -> Value:
        """A tensor of a shape that holds one number everywhere."""
        return self.apply("Expand", self.constant(number), shape)

    def output(self, name: str, value: Value) -> None:
        """Call a value an output."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name))

    def serialized(self, *, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> bytes:
        """The model, checked, as bytes: the same graph gives the same bytes."""
        body = helper.make_graph(self._nodes, "recsys", inputs, outputs, self._constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION, producer_name="recsys")
        onnx.checker.check_model(model, full_check=True)
        serialized: bytes = model.SerializeToString(deterministic=True)
        return serialized

    def _body(self, build: Callable[[], Sequence[Value]], given: Sequence[onnx.ValueInfoProto] = ()) -> onnx.GraphProto:
        """What `build` adds, as a graph within this one, of whose values it can make use."""
        outside = self._nodes, self._constants
        self._nodes, self._constants = [], []
        results = build()
        outputs = [helper.make_tensor_value_info(result.name, TensorProto.FLOAT, None) for result in results]
        body = helper.make_graph(self._nodes, results[0].name, given, outputs, self._constants)
        self._nodes, self._constants = outside
        return body


@dataclass(frozen=True, slots=True)
class Value:
    """The result of an operation. Arithmetic adds operations to the graph of the left operand."""

    graph: Graph
    name: str

    def __add__(self, other: Value) -> Value:
        return self.graph.apply("Add", self, other)

    def __sub__(self, other: Value) -> Value:
        return self.graph.apply("Sub", self, other)

    def __mul__(self, other: Value) -> Value:
        return self.graph.apply("Mul", self, other)

    def __truediv__(self, other: Value) -> Value:
        return self.graph.apply("Div", self, other)

    def __matmul__(self, other: Value) -> Value:
        return self.graph.apply("MatMul", self, other)

    def at_least(self, smallest: float) -> Value:
        """The value, or `smallest` where that is larger."""
        return self.graph.apply("Max", self, self.graph.constant(smallest))

    def at_most(self, largest: float) -> Value:
        """The value, or `largest` where that is smaller."""
        return self.graph.apply("Min", self, self.graph.constant(largest))

    def within(self, bound: float) -> Value:
        """The value, brought between -bound and bound."""
        return self.graph.apply("Clip", self, self.graph.constant(-bound), self.graph.constant(bound))

    def plus(self, number: float) -> Value:
        """The value and a number."""
        return self + self.graph.constant(number)

    def times(self, number: float) -> Value:
        """The value so many times."""
        return self * self.graph.constant(number)

    def log1p(self) -> Value:
        """log(1 + value)."""
        return self.graph.apply("Log", self.plus(1.0))

    def halved_every(self, half_life: float) -> Value:
        """2^(-value / half-life)."""
        return self.graph.apply("Exp", self.times(-float(np.log(2)) / half_life))

    def above(self, number: float) -> Value:
        """1 where the value is larger than a number, else 0."""
        return self.graph.apply("Cast", self.graph.apply("Greater", self, self.graph.constant(number)), to=1)

    def below(self, number: float) -> Value:
        """1 where the value is smaller than a number, else 0."""
        return self.graph.apply("Cast", self.graph.apply("Less", self, self.graph.constant(number)), to=1)

    def rows(self, positions: Value, axis: int = 0) -> Value:
        """The entries at some positions of an axis."""
        return self.graph.apply("Gather", self, positions, axis=axis)

    def plane(self, place: int) -> Value:
        """One position of the axis before the last, which stays with length one."""
        return self.rows(self.graph.constant(np.array([place], np.int64)), axis=-2)

    def split(self, sizes: Sequence[int], axis: int) -> list[Value]:
        """Cut along an axis into parts of those lengths."""
        lengths = self.graph.constant(np.array(sizes, np.int64))
        return self.graph.parts("Split", [self, lengths], len(sizes), axis=axis)

    def size(self, axis: int) -> Value:
        """The length of an axis, as a vector of one."""
        return self.graph.apply("Shape", self, start=axis, end=axis + 1)

    def not_empty(self) -> Value:
        """Whether it has any element."""
        return self.graph.apply("Greater", self.graph.apply("Size", self), self.graph.constant(np.array(0, np.int64)))

    def reshaped(self, shape: Value) -> Value:
        """The same numbers in another shape."""
        return self.graph.apply("Reshape", self, shape)

    def transposed(self, *axes: int) -> Value:
        """With its axes in that order."""
        return self.graph.apply("Transpose", self, perm=list(axes))

    def unsqueezed(self, axis: int) -> Value:
        """With a new axis of length one."""
        return self.graph.apply("Unsqueeze", self, self._axis(axis))

    def squeezed(self, axis: int) -> Value:
        """Without an axis of length one."""
        return self.graph.apply("Squeeze", self, self._axis(axis))

    def sum_over_last(self) -> Value:
        """The sum over the last axis, which stays with length one."""
        return self.graph.apply("ReduceSum", self, self._axis(-1), keepdims=1)

    def sum_over(self, axis: int) -> Value:
        """The sum over an axis, which goes."""
        return self.graph.apply("ReduceSum", self, self._axis(axis), keepdims=0)

    def squares_over_last(self) -> Value:
        """The sum of the squares over the last axis, which stays with length one."""
        return self.graph.apply("ReduceSumSquare", self, self._axis(-1), keepdims=1)

    def most_over_last(self) -> Value:
        """The largest over the last axis, which stays with length one."""
        return self.graph.apply("ReduceMax", self, self._axis(-1), keepdims=1)

    def least_over_last(self) -> Value:
        """The smallest over the last axis, which stays with length one."""
        return self.graph.apply("ReduceMin", self, self._axis(-1), keepdims=1)

    def _axis(self, axis: int) -> Value:
        return self.graph.constant(np.array([axis], np.int64))


def tensor(name: str, dtype: type[np.float32 | np.int64], shape: Sequence[str]) -> onnx.ValueInfoProto:
    """Declare an input or output whose dimensions are free, and named."""
    return helper.make_tensor_value_info(name, _TYPES[dtype], shape)

"""Parts of an ONNX model as models of their own, without the onnx package.

The file stays as it is: its hash is the encoder's revision. A part is cut out of it in memory, by
the few fields of ONNX's protobuf messages that say what is connected with what (onnx.proto); all
others are unknown here, and protobuf keeps unknown fields as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
FLOAT = 1  # TensorProto.DataType


class OnnxGraph:
    """A model's bytes, to be cut."""

    def __init__(self, model: bytes) -> None:
        self._model = _message_type("Model").FromString(model)
        self._graph = self._model.graph
        self._made_by = {name: node for node in self._graph.node for name in node.output}

    def inputs_of(self, operation: str) -> list[str]:
        """The first input of every node of this operation, in the order of the graph."""
        return [node.input[0] for node in self._graph.node if node.op_type == operation]

    def outputs_from(self, operation: str, source: str) -> list[str]:
        """What nodes of this operation make of `source`."""
        return [
            node.output[0]
            for node in self._graph.node
            if node.op_type == operation and node.input[0] == source
        ]

    def readers_of(self, name: str) -> list[Any]:
        """The nodes that read a tensor; each has `op_type`, `input`, `output`."""
        return [node for node in self._graph.node if name in node.input]

    def between(self, inputs: Mapping[str, int], outputs: Sequence[str]) -> bytes:
        """The model that calculates `outputs` from `inputs` (name to data type).

        Inputs may be tensors from inside of the graph; what only they need is left out.

        Raises:
            ValueError: there is no such tensor, or more than these inputs is needed.
        """
        needed = self._needed(inputs, outputs)
        part = type(self._model)()
        part.CopyFrom(self._model)
        graph = part.graph
        del graph.node[:], graph.initializer[:], graph.input[:], graph.output[:]
        known = {one.name: one for one in self._graph.input}
        for name, data_type in inputs.items():
            value = graph.input.add()
            if name in known:
                value.CopyFrom(known[name])
            else:
                value.name = name
                value.type.tensor_type.elem_type = data_type
        for name in outputs:
            graph.output.add().name = name
        graph.node.extend(node for node in self._graph.node if needed.intersection(node.output))
        graph.initializer.extend(one for one in self._graph.initializer if one.name in needed)
        bytes_made: bytes = part.SerializeToString()
        return bytes_made

    def _needed(self, inputs: Mapping[str, int], outputs: Sequence[str]) -> set[str]:
        weights = {one.name for one in self._graph.initializer}
        needed: set[str] = set()
        open_ends = list(outputs)
        while open_ends:
            name = open_ends.pop()
            if name in needed or name in inputs or not name:  # "" stands for an input left out
                continue
            needed.add(name)
            if name in weights:
                continue
            if name not in self._made_by:
                raise ValueError(f"the graph has no tensor {name!r}, or it is another input")
            open_ends += self._made_by[name].input
        return needed


@cache
def _message_type(name: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="viewfinder/onnx_part.proto", package="part")
    _describe(file, "Model", graph=(7, "Graph", False))
    _describe(
        file,
        "Graph",
        node=(1, "Node", True),
        initializer=(5, "Tensor", True),
        input=(11, "Value", True),
        output=(12, "Value", True),
    )
    _describe(file, "Node", input=(1, "", True), output=(2, "", True), op_type=(4, "", False))
    _describe(file, "Tensor", name=(8, "", False))
    _describe(file, "Value", name=(1, "", False), type=(2, "Type", False))
    _describe(file, "Type", tensor_type=(1, "TensorType", False))
    tensor_type = file.message_type.add(name="TensorType")
    tensor_type.field.add(
        name="elem_type", number=1, type=_Field.TYPE_INT32, label=_Field.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"part.{name}"))


def _describe(
    file: descriptor_pb2.FileDescriptorProto, message: str, **fields: tuple[int, str, bool]
) -> None:
    """Fields: number, the message type or "" for a string, whether it is repeated."""
    described = file.message_type.add(name=message)
    for name, (number, kind, is_repeated) in fields.items():
        field = described.field.add(name=name, number=number)
        field.label = _Field.LABEL_REPEATED if is_repeated else _Field.LABEL_OPTIONAL
        field.type = _Field.TYPE_MESSAGE if kind else _Field.TYPE_STRING
        if kind:
            field.type_name = f".part.{kind}"

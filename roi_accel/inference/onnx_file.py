"""What an ONNX file may not ask for, found in its bytes before ONNX Runtime sees them.

A network may not make the process read other files or load compiled code. ONNX Runtime reads a
tensor's external data from the working folder even where the network was given as bytes, and an
execution provider loads what an EPContext node names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 512 << 20
"""Largest network that is opened; the largest published saliency networks are half as large."""

MAX_FIELDS = 1_000_000
"""Fields that are walked through; a network has some dozens for each of its nodes."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_LENGTH = {_FIXED64: 8, _FIXED32: 4}
_TAG_BYTES, _VARINT_BYTES = 5, 10
_UINT32 = 0xFFFFFFFF
_FOREIGN_CODE = b"EPContext"


class NotSelfContainedError(ValueError):
    """The network is damaged, too intricate, or asks for something outside its file."""


@dataclass(frozen=True)
class _Message:
    """A message type of onnx.proto: which of its fields hold messages, and which are forbidden."""

    children: Mapping[int, str] = field(default_factory=dict)
    external: frozenset[int] = frozenset()
    operator: int = 0


_SCHEMA: Mapping[str, _Message] = {
    "Model": _Message({7: "Graph", 20: "Training", 25: "Function"}),
    "Training": _Message({1: "Graph", 2: "Graph"}),
    "Graph": _Message({1: "Node", 5: "Tensor", 15: "SparseTensor"}),
    "Function": _Message({7: "Node", 11: "Attribute"}),
    "Node": _Message({5: "Attribute"}, operator=4),
    "Attribute": _Message(
        {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"}
    ),
    "SparseTensor": _Message({1: "Tensor", 2: "Tensor"}),
    "Tensor": _Message(external=frozenset({13, 14})),
}
"""The part of onnx.proto (IR version 13) on the way to tensors and operators."""


def check_self_contained(content: bytes) -> None:
    """Refuse a network, `content` being its whole file, that reaches beyond it.

    Raises
    ------
    NotSelfContainedError
        A tensor's data lie in another file, a node loads a provider's compiled code, or the bytes
        are not a protobuf message of at most `MAX_FIELDS` fields.
    """
    left = MAX_FIELDS
    waiting = [("Model", 0, len(content))]
    while waiting:
        kind, start, end = waiting.pop()
        message = _SCHEMA[kind]
        for number, wire, value, stop in _fields(content, start, end):
            left -= 1
            if not left:
                msg = f"it has more than {MAX_FIELDS} fields, which no network needs"
                raise NotSelfContainedError(msg)
            # A data_location of 0 means the file itself; that is a varint, and its value is 0.
            # guard: network-external-data
            if number in message.external and (wire == _BYTES or value):
                msg = "the data of a tensor lie in another file, and only one file is read"
                raise NotSelfContainedError(msg)
            if wire != _BYTES:
                continue
            if number == message.operator and content[value:stop] == _FOREIGN_CODE:
                msg = "an EPContext node would load compiled code from outside"
                raise NotSelfContainedError(msg)
            child = message.children.get(number)
            if child is not None:
                waiting.append((child, value, stop))


def _fields(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, wire type, value or start of the bytes, end) for each field of a message."""
    at = start
    while at < end:
        tag, at = _varint(content, at, end, _TAG_BYTES)
        number, wire = (tag & _UINT32) >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(content, at, end, _VARINT_BYTES)
        elif wire == _BYTES:
            length, value = _varint(content, at, end, _VARINT_BYTES)
            at = value + length
        elif wire in _FIXED_LENGTH:
            value, at = at, at + _FIXED_LENGTH[wire]
        else:  # Groups, which onnx.proto has never had.
            msg = f"it holds no ONNX field at byte {at}"
            raise NotSelfContainedError(msg)
        if at > end:
            msg = f"a field ends beyond the {end} bytes that it has"
            raise NotSelfContainedError(msg)
        yield number, wire, value, at


def _varint(content: bytes, at: int, end: int, longest: int) -> tuple[int, int]:
    """Return a base-128 number and the offset after it."""
    value = 0
    for place in range(longest):
        if at + place >= end:
            break
        byte = content[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says more bytes follow
            return value, at + place + 1
    msg = f"it holds no number at byte {at}"
    raise NotSelfContainedError(msg)

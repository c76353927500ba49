"""Safetensors headers: what tensors a checkpoint holds, without reading one. Pure; sources bring the bytes.

A file is eight bytes of header length, a JSON header, and the data. Every number in the header is checked against the
file and against the other numbers, as the format's own reader does, before anything rests on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Any, TypeAlias

from vram_engine.model.reference import CheckpointFacts, StoredTensors
from vram_engine.sources.names import shown

INDEX = "model.safetensors.index.json"
SUFFIX = ".safetensors"
PREFIX_BYTES = 8

# The format allows 100 MB. Real shards of a few thousand tensors take well under 1 MiB.
LONGEST_HEADER = 32 * 2**20
LONGEST_INDEX = 32 * 2**20
MOST_HEADER_BYTES = 64 * 2**20
MOST_FILES = 2000
_MOST_TENSORS = 1_000_000
_MOST_KINDS = 100_000
_LONGEST_METADATA = 2**20

DTYPE_BITS = MappingProxyType(
    {
        **dict.fromkeys(("F4",), 4),
        **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
        **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
        **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
        **dict.fromkeys(("I32", "U32", "F32"), 32),
        **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
    }
)

_NAME = re.compile(r'[ \t\r\n]*"([^"]{1,512})"[ \t\r\n]*:[ \t\r\n]*')
_TENSOR = re.compile(r"\{[^{}]{0,1000}\}")
# As the format's own writer puts it, which is all there is in practice: read without a JSON parser, five times as fast.
_PLAIN_TENSOR = re.compile(
    r'\{"dtype":"(\w{1,20})","shape":\[((?:[1-9]\d{0,17}(?:,[1-9]\d{0,17}){0,15})?)\],'
    r'"data_offsets":\[(\d{1,18}),(\d{1,18})\]\}',
    re.ASCII,
)
_NEXT = re.compile(r"[ \t\r\n]*([,}])")
_EMPTY = re.compile(r"\{[ \t\r\n]*\}[ \t\r\n]*")
_BLANK = re.compile(r"[ \t\r\n]*")
_INDEXED = re.compile(rb':\s*"([^"\\/]{1,200}\.safetensors)"')
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors", re.ASCII)
_METADATA = "__metadata__"
_DECODER = json.JSONDecoder()


class MalformedError(Exception):
    """A file is not what its format promises; the message is a sentence about it."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one file as read, and how many bytes of data the file has behind it."""

    file: str
    text: bytes
    body_bytes: int


# Dtype, shape and offsets of a tensor as a header states them, unchecked.
_Description: TypeAlias = tuple[Any, Any, Any]


@dataclass(slots=True)
class _Collected:
    """Names seen so far in all files, and tensors counted by what they have in common."""

    names: set[str] = field(default_factory=set)
    kinds: dict[tuple[str, str, tuple[int, ...]], list[int]] = field(default_factory=dict)

    def add(self, file: str, name: str, dtype: str, shape: tuple[int, ...], size: int) -> None:
        if name in self.names:
            raise MalformedError(f"{file} holds {shown(name)}, which the checkpoint has already")
        self.names.add(name)
        counted = self.kinds.setdefault((without_later_numbers(name), dtype, shape), [0, 0])
        counted[0] += 1
        counted[1] += size
        if len(self.kinds) > _MOST_KINDS or len(self.names) > _MOST_TENSORS:
            raise MalformedError(f"{file} names more tensors than any model has")


def header_length(prefix: bytes, file: str, file_bytes: int) -> int:
    """The length of a header in bytes, from a file's first eight; raises MalformedError for one that cannot be."""
    if len(prefix) < PREFIX_BYTES or file_bytes < PREFIX_BYTES:
        raise MalformedError(f"{file} is too short to be a safetensors file")
    length = int.from_bytes(prefix[:PREFIX_BYTES], "little")
    if length > file_bytes - PREFIX_BYTES:
        raise MalformedError(f"{file} is shorter than the header it declares: truncated, or no safetensors file")
    if not 2 <= length <= LONGEST_HEADER:
        raise MalformedError(f"{file} declares a header of {length:,} bytes, which is not read")
    return length


def checkpoint_facts(headers: Iterable[Header]) -> CheckpointFacts:
    """The tensors of all files together; raises MalformedError for the first thing that contradicts itself."""
    collected = _Collected()
    files = read = 0
    for header in headers:
        files += 1
        read += len(header.text)
        if read > MOST_HEADER_BYTES:
            raise MalformedError(f"the headers of the checkpoint are longer than is read, with {header.file} at last")
        _read_header(header, collected)
    kinds = sorted(collected.kinds.items())
    tensors = tuple(StoredTensors(name, dtype, shape, count, size) for (name, dtype, shape), (count, size) in kinds)
    return CheckpointFacts("safetensors", tensors, files)


def _read_header(header: Header, collected: _Collected) -> None:
    ranges: list[tuple[int, int]] = []
    for name, described in _entries(header):
        dtype, shape, start, end = _tensor(header, name, described)
        ranges.append((start, end))
        collected.add(header.file, name, dtype, shape, end - start)
    reached = 0
    for start, end in sorted(ranges):
        if start != reached:
            raise MalformedError(f"{header.file}: its tensors overlap or leave holes at byte {min(start, reached):,}")
        reached = end
    if reached != header.body_bytes:
        raise MalformedError(
            f"{header.file} should hold {reached:,} bytes of tensors and holds {header.body_bytes:,}: "
            "truncated, or changed while it was read"
        )


def _entries(header: Header) -> Iterator[tuple[str, _Description]]:
    """Names and descriptions one at a time, so that a hostile header costs no more memory than its own bytes."""
    try:
        text = header.text.decode("utf-8")
    except UnicodeDecodeError:
        raise _no_header(header) from None
    if _EMPTY.fullmatch(text):
        return
    at, comma, has_metadata = 1, ",", False
    if not text.startswith("{"):
        raise _no_header(header)
    while comma == ",":
        name, at = _name(header, text, at)
        if name == _METADATA and not has_metadata:
            at, has_metadata = _after_metadata(header, text, at), True
        else:
            found = _TENSOR.match(text, at)
            if found is None:
                raise _no_header(header)
            at = found.end()
            yield name, _description(header, found[0])
        following = _NEXT.match(text, at)
        if following is None:
            raise _no_header(header)
        comma, at = following[1], following.end()
    if not _BLANK.fullmatch(text, at):
        raise _no_header(header)


def _name(header: Header, text: str, at: int) -> tuple[str, int]:
    found = _NAME.match(text, at)
    if found is None:
        raise _no_header(header)
    try:
        name = found[1] if "\\" not in found[1] else str(json.loads(f'"{found[1]}"'))
    except ValueError:
        raise _no_header(header) from None
    if not name.isprintable():
        raise _no_header(header)
    return name, found.end()


def _after_metadata(header: Header, text: str, at: int) -> int:
    try:
        value, length = _DECODER.raw_decode(text[at : at + _LONGEST_METADATA])
    except (ValueError, RecursionError):
        raise _no_header(header) from None
    if not isinstance(value, dict):
        raise _no_header(header)
    return at + length


def _description(header: Header, text: str) -> _Description:
    plain = _PLAIN_TENSOR.fullmatch(text)
    if plain is not None:
        return plain[1], _numbers(plain[2]), (int(plain[3]), int(plain[4]))
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise _no_header(header) from None
    if sorted(key for key, _ in pairs) != ["data_offsets", "dtype", "shape"]:
        raise _no_header(header)
    values = dict(pairs)
    return values["dtype"], values["shape"], values["data_offsets"]


@lru_cache(maxsize=1024)
def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",")) if text else ()


def _no_header(header: Header) -> MalformedError:
    return MalformedError(f"{header.file} has no valid safetensors header")


def _tensor(header: Header, name: str, described: _Description) -> tuple[str, tuple[int, ...], int, int]:
    """Dtype, shape and byte range of one tensor, which must agree with each other and with the file."""
    dtype, shape, offsets = described
    bits = DTYPE_BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise MalformedError(f"{header.file} stores {shown(name)} in an unknown dtype")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise MalformedError(f"{header.file} gives {shown(name)} an impossible shape or place")
    start, end = offsets
    if not start <= end <= header.body_bytes:
        raise MalformedError(f"{header.file} puts {shown(name)} outside the file")
    if (end - start) * 8 != prod(shape) * bits:
        raise MalformedError(f"{header.file} gives {shown(name)} a size that is not that of its shape")
    return str(dtype), tuple(shape), start, end


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(type(size) is int and 0 <= size < 2**63 for size in value)


def without_later_numbers(name: str) -> str:
    """A tensor's name with ``*`` for every number but the first: experts of a layer become one name."""
    parts = name.split(".")
    numbered = [position for position, part in enumerate(parts) if part.isdecimal()]
    for position in numbered[1:]:
        parts[position] = "*"
    return ".".join(parts)


def weight_files(names: Collection[str], index: bytes | None) -> tuple[str, ...]:
    """The safetensors files of a directory that vLLM loads: those its index names, else all of them.

    Raises MalformedError when one is missing (vLLM's ``filter_duplicate_safetensors_files`` refuses then too).
    """
    present = {name for name in names if name.endswith(SUFFIX) and "/" not in name and "\\" not in name}
    if index is not None:
        indexed = {name.decode("utf-8", "replace") for name in _INDEXED.findall(index)}
        missing = sorted(indexed - present)
        if missing:
            raise MalformedError(
                f"{len(missing)} of {len(indexed)} files of weights are missing, {shown(missing[0])} first"
            )
        present = indexed
    if len(present) > MOST_FILES:
        raise MalformedError(f"{len(present):,} files of weights are more than are read")
    return tuple(sorted(present))


def is_one_set(files: Collection[str]) -> bool:
    """Whether ``files`` are one file, or all shards of one checkpoint by their names; an index then adds nothing."""
    shards = [found.groups() for found in map(_SHARD.fullmatch, files) if found is not None]
    if len(shards) < len(files):
        return len(files) == 1
    return len({(stem, of) for stem, _, of in shards}) == 1 and all(len(files) == int(of) for _, _, of in shards)

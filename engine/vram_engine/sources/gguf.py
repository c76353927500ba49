"""GGUF headers: metadata and tensor table, without reading a tensor.

Layout: magic, version, two counts, key-value pairs, tensor infos, padding, data. Every count and length in the file is
spent against the bytes that are there, so that a hostile one ends in a reason.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from vram_engine.model.reference import CheckpointFacts, StoredTensors
from vram_engine.model.spec import Unavailable
from vram_engine.sizing.budget import GIB
from vram_engine.sources.checkpoint import MalformedError, without_later_numbers
from vram_engine.sources.names import GGUF_READ, shown

Scalar = int | float | bool | str

# Tokenizers of real models take some 10 MiB of the header.
_LONGEST_HEADER = 128 * 2**20
_MOST_PAIRS, _MOST_TENSORS, _MOST_TEXTS = 65_536, 1_000_000, 2_000_000
_LONGEST_TEXT, _LONGEST_NAME = 2**20, 512
_MOST_DIMENSIONS = 8
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9

# struct formats of the scalar value types (gguf_metadata_value_type).
_SCALARS: Mapping[int, str] = MappingProxyType(
    {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
)

# ggml type -> name, elements of a block, bytes of a block.
TYPES: Mapping[int, tuple[str, int, int]] = MappingProxyType(
    {
        0: ("F32", 1, 4),
        1: ("F16", 1, 2),
        2: ("Q4_0", 32, 18),
        3: ("Q4_1", 32, 20),
        6: ("Q5_0", 32, 22),
        7: ("Q5_1", 32, 24),
        8: ("Q8_0", 32, 34),
        10: ("Q2_K", 256, 84),
        11: ("Q3_K", 256, 110),
        12: ("Q4_K", 256, 144),
        13: ("Q5_K", 256, 176),
        14: ("Q6_K", 256, 210),
        15: ("Q8_K", 256, 292),
        16: ("IQ2_XXS", 256, 66),
        17: ("IQ2_XS", 256, 74),
        18: ("IQ3_XXS", 256, 98),
        19: ("IQ1_S", 256, 50),
        20: ("IQ4_NL", 32, 18),
        21: ("IQ3_S", 256, 110),
        22: ("IQ2_S", 256, 82),
        23: ("IQ4_XS", 256, 136),
        24: ("I8", 1, 1),
        25: ("I16", 1, 2),
        26: ("I32", 1, 4),
        27: ("I64", 1, 8),
        28: ("F64", 1, 8),
        29: ("IQ1_M", 256, 56),
        30: ("BF16", 1, 2),
        34: ("TQ1_0", 256, 54),
        35: ("TQ2_0", 256, 66),
        39: ("MXFP4", 32, 17),
    }
)


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """A GGUF file: what architecture it names, its scalar metadata, and its tensors."""

    architecture: str
    metadata: Mapping[str, Scalar]
    checkpoint: CheckpointFacts


def described_gguf(path: Path) -> Unavailable:
    """What is in a GGUF file, and that it is not sized; its weights are exact all the same."""
    facts = read_gguf(path)
    if isinstance(facts, Unavailable):
        return facts
    by_type = sorted(facts.checkpoint.bytes_by_dtype.items(), key=lambda item: -item[1])
    kinds = ", ".join(name for name, _ in by_type[:3])
    size = facts.checkpoint.total_bytes / GIB
    return Unavailable(
        f"{shown(path.name)} is a GGUF checkpoint of {size:,.2f} GiB of weights ({facts.architecture}, {kinds}), "
        f"{GGUF_READ}"
    )


def read_gguf(path: Path) -> GgufFacts | Unavailable:
    """The header of a GGUF file, or why it cannot be used."""
    name = shown(path.name)
    try:
        with path.open("rb") as file:
            return _Reader(file, os.fstat(file.fileno()).st_size, name).facts()
    except MalformedError as error:
        return Unavailable(str(error))
    except OSError as error:
        return Unavailable(f"{name} cannot be read: {error.strerror}")


class _Reader:
    """A position in a GGUF header; little-endian numbers, checked against the end of the file."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file: Final = file
        self._size: Final = size
        self._name: Final = name
        self._at = 0

    def facts(self) -> GgufFacts:
        """The whole header."""
        if self._take(4) != b"GGUF":
            raise MalformedError(f"{self._name} is not a GGUF file")
        version = self._number("I")
        if version not in _VERSIONS:
            raise MalformedError(f"{self._name} is GGUF version {version}, of which only 2 and 3 are read")
        tensors, pairs = self._number("Q"), self._number("Q")
        if tensors > _MOST_TENSORS or pairs > _MOST_PAIRS:
            raise self._broken()
        metadata = self._metadata(pairs)
        checkpoint = self._tensors(tensors, metadata)
        return GgufFacts(shown(str(metadata.get("general.architecture", "unknown"))), metadata, checkpoint)

    def _metadata(self, pairs: int) -> dict[str, Scalar]:
        """Scalars and texts by their keys; arrays are walked over."""
        found: dict[str, Scalar] = {}
        for _ in range(pairs):
            key = self._text(_LONGEST_NAME)
            if key in found:
                raise self._broken()
            kind = self._number("I")
            if kind == _ARRAY:
                self._skip_array()
            else:
                found[key] = self._text(_LONGEST_TEXT) if kind == _STRING else self._scalar(kind)
        return found

    def _scalar(self, kind: int) -> Scalar:
        form = _SCALARS.get(kind)
        if form is None:
            raise self._broken()
        value: Scalar = struct.unpack(f"<{form}", self._take(struct.calcsize(form)))[0]
        return value

    def _skip_array(self) -> None:
        kind, count = self._number("I"), self._number("Q")
        form = _SCALARS.get(kind)
        if form is not None:
            self._skip(count * struct.calcsize(form))
        elif kind == _STRING:
            if count > _MOST_TEXTS:
                raise self._broken()
            for _ in range(count):
                self._skip(self._number("Q"))
        else:
            raise self._broken()

    def _tensors(self, count: int, metadata: Mapping[str, Scalar]) -> CheckpointFacts:
        kinds: dict[tuple[str, str, tuple[int, ...]], list[int]] = {}
        ranges: list[tuple[int, int]] = []
        names: set[str] = set()
        for _ in range(count):
            name, dtype, shape, start, size = self._tensor()
            if name in names:
                raise self._broken()
            names.add(name)
            ranges.append((start, start + size))
            counted = kinds.setdefault((without_later_numbers(name), dtype, shape), [0, 0])
            counted[0] += 1
            counted[1] += size
        self._check_places(ranges, metadata.get("general.alignment", 32))
        tensors = tuple(StoredTensors(*kind, *counted) for kind, counted in sorted(kinds.items()))
        return CheckpointFacts("gguf", tensors, 1)

    def _tensor(self) -> tuple[str, str, tuple[int, ...], int, int]:
        name = self._text(_LONGEST_NAME)
        dimensions = self._number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise self._broken()
        # GGUF states the fastest-running dimension first.
        shape = tuple(self._number("Q") for _ in range(dimensions))[::-1]
        kind, start = self._number("I"), self._number("Q")
        if kind not in TYPES:
            raise MalformedError(f"{self._name} stores tensors as ggml type {kind}, which is not known")
        dtype, elements, size = TYPES[kind]
        if (shape[-1] if shape else 1) % elements:
            raise self._broken()
        return name, dtype, shape, start, prod(shape) // elements * size

    def _check_places(self, ranges: list[tuple[int, int]], alignment: Scalar) -> None:
        """Tensors lie one behind the other on aligned places, and inside the file."""
        if not isinstance(alignment, int) or not 0 < alignment <= 2**16:
            raise self._broken()
        data = -(-self._at // alignment) * alignment
        reached = 0
        for start, end in sorted(ranges):
            if start % alignment or start < reached or data + end > self._size:
                raise MalformedError(f"{self._name}: its tensors overlap or lie outside the file (truncated?)")
            reached = end

    def _number(self, form: str) -> int:
        value: int = struct.unpack(f"<{form}", self._take(struct.calcsize(form)))[0]
        return value

    def _text(self, longest: int) -> str:
        length = self._number("Q")
        if length > longest:
            raise self._broken()
        text = self._take(length).decode("utf-8", "replace")
        return text if longest > _LONGEST_NAME or text.isprintable() else shown(text)

    def _take(self, length: int) -> bytes:
        self._pass(length)
        data = self._file.read(length)
        if len(data) < length:
            raise self._broken()
        return data

    def _skip(self, length: int) -> None:
        self._pass(length)
        self._file.seek(length, os.SEEK_CUR)

    def _pass(self, length: int) -> None:
        self._at += length
        if self._at > min(self._size, _LONGEST_HEADER):
            raise self._broken()

    def _broken(self) -> MalformedError:
        return MalformedError(f"{self._name} has no valid GGUF header (truncated?)")

"""The catalogue of GPUs, and which of them a text means."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from vram_engine.facts.hardware_text import CardText, bare, card_texts, forms, is_slice, normal
from vram_engine.facts.tables import table
from vram_engine.hardware import Gpu

_GIB = 2**30

# Half the difference that drivers and boards make to one card's total, for a card nobody reported yet.
_UNSEEN_BAND_GIB = 0.15

# A size as sold and a size as written differ by this much at most (B200: 180 and 192, T4: 16 and 15).
_SIZE_TOLERANCE = 0.08


@dataclass(frozen=True, slots=True)
class _CudaTotal:
    """Total GiB as CUDA reports it, with the extremes where somebody reported any."""

    typical: float
    low: float | None = None
    high: float | None = None

    def bytes(self) -> tuple[int, int, int]:
        """Typical, lowest and highest total in bytes."""
        low = self.typical - _UNSEEN_BAND_GIB if self.low is None else self.low
        high = self.typical + _UNSEEN_BAND_GIB if self.high is None else self.high
        return round(self.typical * _GIB), round(low * _GIB), round(high * _GIB)


@dataclass(frozen=True, slots=True)
class _Row:
    """A table of gpus.toml as it is written there."""

    name: str
    vendor: str
    architecture: str
    memory_gb: int
    status: str
    source: str
    checked: datetime.date
    capability: str | None = None
    nvml_total_mib: int | None = None
    cuda_total_gib: Mapping[str, float] | None = None
    bandwidth_gbs: float | None = None
    tflops_16bit_dense: float | None = None
    tflops_fp8_dense: float | None = None
    tflops_fp4_dense: float | None = None
    nvlink_gbs: float | None = None
    native_bf16: bool = False
    native_fp8: bool = False
    native_fp4: bool = False
    unified_memory: bool = False
    aftermarket: bool = False
    also_sold_gb: list[int] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class GpuNames:
    """What people call one GPU: a table of gpu_names.toml. Instances map a machine type to its number of GPUs."""

    nvidia_smi: tuple[str, ...] = ()
    gke: tuple[str, ...] = ()
    skypilot: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    instances: Mapping[str, float] = field(default_factory=dict)
    other_instances: Mapping[str, float] = field(default_factory=dict)

    def all(self) -> Iterator[str]:
        """Every name of the card itself."""
        for names in (self.nvidia_smi, self.gke, self.skypilot, self.other, self.plain, self.family):
            yield from names


@dataclass(frozen=True, slots=True)
class GpuMatch:
    """The one GPU a text means; ``count`` is how many, ``None`` where the text does not say."""

    gpu: Gpu
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A text that names hardware, but not one card of known memory. ``reason`` is a sentence for the user.

    ``candidates`` are the cards it may be; none for a slice of a card or for memory that no table can know.
    """

    candidates: tuple[Gpu, ...]
    reason: str


def gpu_by_id(gpu_id: str) -> Gpu | None:
    """The GPU of a catalogue id such as ``h100-sxm-80``."""
    return _gpus().get(gpu_id)


def all_gpus() -> tuple[Gpu, ...]:
    """Every GPU whose memory is known, oldest architecture first."""
    return tuple(_gpus().values())


def gpu_names(gpu_id: str) -> GpuNames:
    """What a GPU is called in drivers, clouds and schedulers. ``KeyError`` for an unknown id."""
    return _names()[gpu_id]


def find_gpu(text: str) -> GpuMatch | Ambiguous | None:
    """The GPU that ``text`` means: an id, a product name, a label, an accelerator or a machine type, with a count.

    ``None`` when nothing of it is known. Two different cards are never chosen between.
    """
    for form in forms(text):
        found = _find_instance(form) or _find_card(form)
        if found is not None:
            return found
    return None


def suggest_gpus(text: str, most: int = 3) -> tuple[str, ...]:
    """Ids of the GPUs whose names come closest to ``text``, best first."""
    import difflib

    keys = [card.keys[-1] for form in forms(text) for card in card_texts(form)]
    close = [near for key in keys for near in difflib.get_close_matches(key, _index(), n=2 * most, cutoff=0.7)]
    ids = dict.fromkeys(gpu_id for near in close for gpu_id in _index()[near] if gpu_id in _gpus())
    return tuple(ids)[:most]


@cache
def _rows() -> Mapping[str, _Row]:
    return MappingProxyType({gpu_id: _Row(**row) for gpu_id, row in table("gpus").items()})


@cache
def _gpus() -> Mapping[str, Gpu]:
    return MappingProxyType(
        {
            gpu_id: _gpu(gpu_id, row, _CudaTotal(**row.cuda_total_gib))
            for gpu_id, row in _rows().items()
            if row.cuda_total_gib is not None
        }
    )


def _gpu(gpu_id: str, row: _Row, total: _CudaTotal) -> Gpu:
    typical, low, high = total.bytes()
    return Gpu(
        id=gpu_id,
        name=row.name,
        vendor=row.vendor,
        capability=_capability(row.capability),
        memory_bytes=typical,
        memory_low=low,
        memory_high=high,
        memory_status=row.status,
        bandwidth_gbs=row.bandwidth_gbs,
        tflops_16bit=row.tflops_16bit_dense,
        tflops_fp8=row.tflops_fp8_dense,
        nvlink_gbs=row.nvlink_gbs,
        native_bf16=row.native_bf16,
        native_fp8=row.native_fp8,
        unified_memory=row.unified_memory,
        source=row.source,
        doubts=tuple(row.doubts),
        architecture=row.architecture,
        memory_gb=row.memory_gb,
        nvml_total_mib=row.nvml_total_mib,
        tflops_fp4=row.tflops_fp4_dense,
        native_fp4=row.native_fp4,
    )


def _capability(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    major, minor = text.split(".")
    return int(major), int(minor)


@cache
def _names() -> Mapping[str, GpuNames]:
    return MappingProxyType({gpu_id: GpuNames(**_frozen(row)) for gpu_id, row in table("gpu_names").items()})


def _frozen(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


@cache
def _index() -> Mapping[str, tuple[str, ...]]:
    """Ids by key; a name counts in full and without the words that tell no cards apart."""
    index: dict[str, dict[str, None]] = {}
    for gpu_id, names in _names().items():
        for name in (gpu_id, *names.all()):
            for key in (normal(name), bare(normal(name))):
                index.setdefault(key, {})[gpu_id] = None
    return MappingProxyType({key: tuple(ids) for key, ids in index.items()})


@cache
def _plain() -> Mapping[str, str]:
    return MappingProxyType(
        {
            key: gpu_id
            for gpu_id, names in _names().items()
            for name in names.plain
            for key in (normal(name), bare(normal(name)))
        }
    )


@cache
def _instances() -> Mapping[str, tuple[str, float]]:
    return MappingProxyType(
        {
            name.casefold(): (gpu_id, count)
            for gpu_id, names in _names().items()
            for name, count in (*names.instances.items(), *names.other_instances.items())
        }
    )


def _find_instance(form: str) -> GpuMatch | Ambiguous | None:
    known, key = _instances(), form.casefold()
    found = known.get(key) or known.get(key.removeprefix("ml."))
    if found is None:
        families = (name for name in known if name.endswith("*") and key.startswith(name[:-1]))
        found = known.get(next(families, ""))
    if found is None:
        return None
    gpu_id, count = found
    if 0 < count < 1:
        return Ambiguous((), f"{form} holds a part of one {_rows()[gpu_id].name}; its memory is not known")
    return GpuMatch(_gpus()[gpu_id], int(count) or None)


def _find_card(form: str) -> GpuMatch | Ambiguous | None:
    if is_slice(form):
        return Ambiguous((), f"{form} is a slice of a GPU; its memory is not known")
    for card in card_texts(form):
        found = _match(card)
        if found is not None:
            return found
    return None


def _match(card: CardText) -> GpuMatch | Ambiguous | None:
    """The card as written: an id, or a name with its size as a part of it or as what decides between sizes."""
    if card.text in _gpus():
        return GpuMatch(_gpus()[card.text], card.count)
    for key in card.keys:
        if key in _plain():
            return GpuMatch(_gpus()[_plain()[key]], card.count)
        if key in _index():
            return _one_of(_index()[key], card, stated=card.memory_gb is not None)
    if card.memory_gb is None:
        return None
    name = normal(card.name)
    named = dict.fromkeys((*_index().get(name, ()), *_index().get(bare(name), ())))
    return _of_size(named, card, card.memory_gb) if named else None


def _of_size(ids: Iterable[str], card: CardText, memory_gb: int) -> GpuMatch | Ambiguous:
    fitting = [gpu_id for gpu_id in ids if abs(_rows()[gpu_id].memory_gb - memory_gb) <= _SIZE_TOLERANCE * memory_gb]
    if fitting:
        return _one_of(fitting, card, stated=True)
    return Ambiguous(_sized(ids), f"no {card.name} with {memory_gb} GB is known")


def _one_of(ids: Iterable[str], card: CardText, *, stated: bool) -> GpuMatch | Ambiguous:
    """The single row among ``ids``. A modified card, or one of a size sold elsewhere, needs its size ``stated``."""
    ids = tuple(ids)
    if len(ids) > 1 and not stated:
        ids = tuple(gpu_id for gpu_id in ids if not _rows()[gpu_id].aftermarket)
    gpus = _sized(ids)
    if len(ids) > 1:
        return Ambiguous(gpus, f"{card.name} may be {_listed([gpu.name for gpu in gpus])}")
    row = _rows()[ids[0]]
    if not gpus:
        return Ambiguous((), f"the memory of {row.name} is set by the system it is in")
    if row.also_sold_gb and not stated:
        sizes = _listed([f"{size} GB" for size in sorted((*row.also_sold_gb, row.memory_gb))], "and")
        return Ambiguous(gpus, f"{card.name} is sold with {sizes}")
    return GpuMatch(gpus[0], card.count)


def _sized(ids: Iterable[str]) -> tuple[Gpu, ...]:
    return tuple(_gpus()[gpu_id] for gpu_id in ids if gpu_id in _gpus())


def _listed(items: list[str], word: str = "or") -> str:
    return f"{', '.join(items[:-1])} {word} {items[-1]}" if len(items) > 1 else "".join(items)

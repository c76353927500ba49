"""The same model from a checkpoint in fewer bits: which GPUs run its format, and what it gives up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vram_engine.facts.catalogue import catalogue_model
from vram_engine.facts.siblings import quantized_siblings
from vram_engine.facts.versions import Version
from vram_engine.model import from_config
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import ModelSpec, Unavailable


@dataclass(frozen=True, slots=True)
class Sibling:
    """A checkpoint of the same model, and what is known of it."""

    ref: ModelRef
    model: FoundModel


# Compute capability from which a format runs on kernels of its own or on Marlin's, for releases since MARLIN_ON_TURING
# and before (get_min_capability of the methods in vllm/model_executor/layers/quantization). 4-bit floats run on older
# GPUs too, unpacked while computing; they are offered only where the GPU has them.
_CAPABILITY: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = MappingProxyType(
    {
        "packed-int": ((7, 5), (8, 0)),
        "int8": ((7, 5), (8, 0)),
        "fp8": ((8, 9), (8, 9)),
        "nvfp4": ((10, 0), (10, 0)),
        "mxfp4": ((10, 0), (10, 0)),
    }
)
MARLIN_ON_TURING = Version(0, 14, 1)
# A cautious floor: earlier releases had kernels for some of these checkpoints only.
_FLOAT4_SINCE = Version(0, 11, 0)
# Products of 8-bit integers have no kernel from Blackwell on.
_NO_INT8_FROM = (10, 0)


def catalogue_siblings(ref: ModelRef | None) -> tuple[Sibling, ...]:
    """The quantized siblings that ship with the engine, fewest bits last; none for a revision, which is of one id."""
    if ref is None or ref.revision is not None:
        return ()
    rows = [row for each in quantized_siblings(ref.name) if (row := catalogue_model(each)) is not None]
    specs = [(row, from_config(row.config, quant_config=row.quant_config, pooling=row.pooling)) for row in rows]
    return tuple(
        Sibling(ModelRef(row.id), FoundModel(spec, "catalogue"))
        for row, spec in specs
        if not isinstance(spec, Unavailable)
    )


def usable(
    siblings: Iterable[Sibling], spec: ModelSpec, capability: tuple[int, int] | None, version: Version
) -> tuple[Sibling, ...]:
    """Those with fewer bits than ``spec`` that this GPU and release run."""
    if capability is None:
        return ()
    return tuple(
        each
        for each in siblings
        if _is_alike(each.model.spec, spec)
        and bits(each.model.spec) < bits(spec)
        and _runs(each.model.spec, capability, version)
    )


def _is_alike(one: ModelSpec, other: ModelSpec) -> bool:
    """Whether two models have one shape, whatever their pages say of each other."""
    return (one.architecture, one.num_layers, one.hidden_size, one.num_attention_heads, one.num_key_value_heads) == (
        other.architecture,
        other.num_layers,
        other.hidden_size,
        other.num_attention_heads,
        other.num_key_value_heads,
    )


def bits(spec: ModelSpec) -> int:
    """Bits of a weight in the checkpoint's main format."""
    weight = _main_format(spec)
    return weight[1] if weight is not None else 16


def _main_format(spec: ModelSpec) -> tuple[str, int] | None:
    stored = spec.quantization
    if stored is None:
        return None
    formats = (stored.default, stored.experts_default, *(weight for _, weight in stored.targets))
    found = next((weight for weight in formats if weight is not None), None)
    return (found.storage, found.bits) if found is not None else None


def _runs(spec: ModelSpec, capability: tuple[int, int], version: Version) -> bool:
    weight = _main_format(spec)
    if weight is None or weight[0] not in _CAPABILITY:
        return False
    storage = weight[0]
    if storage in ("nvfp4", "mxfp4") and version < _FLOAT4_SINCE:
        return False
    if storage == "int8" and capability >= _NO_INT8_FROM:
        return False
    since, before = _CAPABILITY[storage]
    return capability >= (since if version >= MARLIN_ON_TURING else before)

"""The rough estimator: the published rule of thumb, for when only a parameter count is known or when it is asked for.

weights + KV cache + overhead against the memory allowed. Totals are of the tensor-parallel group, which owns ``tp``
GPUs; what is shown per GPU is the group's divided by ``tp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vram_engine.sizing.budget import GIB, Basis, Term

WEIGHT_BYTES = {"float32": Fraction(4), "float16": Fraction(2), "bfloat16": Fraction(2), "auto": Fraction(2)}
QUANTIZED_BYTES = {"int8": Fraction(1), "fp8": Fraction(1), "awq": Fraction(55, 100), "gptq": Fraction(55, 100)}
KV_BYTES = {"fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1, "float16": 2, "bfloat16": 2, "float32": 4}
FRAGMENTATION = 1.15

_OVERHEAD_FLOOR = GIB
_OVERHEAD_PER_EXTRA_RANK = GIB // 4


@dataclass(frozen=True, slots=True)
class Shapes:
    """What the KV cache depends on."""

    layers: int
    kv_heads: int
    head_dim: int

    @property
    def basis(self) -> Basis:
        """How well anything computed from these shapes is known."""
        return "rule of thumb"


@dataclass(frozen=True, slots=True)
class RoughInput:
    """Everything the rule of thumb asks for. Memory is that of one GPU in bytes, ``context`` in tokens."""

    parameters: int
    shapes: Shapes
    gpu_bytes: int
    context: int
    concurrency: int = 1
    dtype: str = "auto"
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.90
    overhead_bytes: int | None = None
    fragmentation: float = FRAGMENTATION


@dataclass(frozen=True, slots=True)
class RoughBudget:
    """The group's terms in bytes; ``kv_per_token`` is for one request and includes fragmentation."""

    asked: RoughInput
    weights: Term
    overhead: Term
    allocatable: int
    kv_per_token: Fraction

    @property
    def available(self) -> int:
        """What is left for the KV cache of the group; negative when the rest alone is too much."""
        return self.allocatable - self.weights.bytes - self.overhead.bytes

    def kv_bytes(self, concurrency: int, context: int) -> int:
        """The KV cache of ``concurrency`` requests of ``context`` tokens, in the group."""
        return round(self.kv_per_token * concurrency * context)


def closed_form(asked: RoughInput) -> RoughBudget:
    """The rough budget of one tensor-parallel group."""
    shapes = asked.shapes
    per_token = 2 * shapes.kv_heads * shapes.head_dim * shapes.layers * kv_bytes_per_value(asked)
    vram = asked.gpu_bytes * asked.tensor_parallel_size
    return RoughBudget(
        asked,
        _weights(asked),
        _overhead(asked, vram),
        round(vram * Fraction(str(asked.gpu_memory_utilization))),
        per_token * Fraction(str(asked.fragmentation)),
    )


def bytes_per_weight(asked: RoughInput) -> Fraction:
    """Bytes of one parameter: the quantization's if there is one, else the dtype's."""
    if asked.quantization is not None:
        return QUANTIZED_BYTES[asked.quantization]
    return WEIGHT_BYTES[asked.dtype]


def kv_bytes_per_value(asked: RoughInput) -> int:
    """Bytes of one number in the KV cache; ``auto`` is that of 16-bit weights, or of fp32 ones."""
    if asked.kv_cache_dtype == "auto":
        return 4 if asked.dtype == "float32" and asked.quantization is None else 2
    return KV_BYTES[asked.kv_cache_dtype]


def _weights(asked: RoughInput) -> Term:
    each = bytes_per_weight(asked)
    because = f"{asked.parameters:,} parameters x {float(each):g} bytes ({asked.quantization or asked.dtype})"
    return Term("weights", round(asked.parameters * each), because, "rule of thumb")


def _overhead(asked: RoughInput, vram: int) -> Term:
    if asked.overhead_bytes is not None:
        return Term("overhead", asked.overhead_bytes, "as the file says", "declared")
    more = _OVERHEAD_PER_EXTRA_RANK * (asked.tensor_parallel_size - 1)
    base = max(_OVERHEAD_FLOOR, vram * 2 // 100)
    because = "the larger of 1 GiB and 2 % of the memory, and 0.25 GiB for each GPU after the first"
    return Term("overhead", base + more, because, "rule of thumb")

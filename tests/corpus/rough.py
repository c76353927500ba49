"""What the published rule of thumb says about a boot, to stand beside the engine's answer."""

from __future__ import annotations

from dataclasses import dataclass

from tests.corpus.cases import Case
from vram_engine.model import from_config
from vram_engine.model.length import default_max_model_len
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.budget import GIB
from vram_engine.sizing.closed_form import RoughInput, Shapes, closed_form

# The rule knows four formats; what is stored in as many bits counts as one of them.
NAMED = {"fp8": "fp8", "awq": "awq", "gptq": "gptq"}
OF_BITS = {4: "awq", 8: "int8"}


@dataclass(frozen=True, slots=True)
class RoughAnswer:
    """GiB per GPU left for the KV cache, the tokens they hold, and whether one request of the length fits."""

    kv: float
    tokens: int
    boots: bool


def rough(case: Case) -> RoughAnswer | None:
    """The rule of thumb for a boot; ``None`` where the model or the GPU is not known."""
    spec = from_config(case.config)
    if case.gpu is None or isinstance(spec, Unavailable):
        return None
    length = case.args.max_model_len or default_max_model_len(spec, case.args.vllm_version)
    group = closed_form(
        RoughInput(
            parameters=spec.parameters,
            shapes=Shapes(spec.num_layers, spec.num_key_value_heads, spec.head_dim),
            gpu_bytes=case.gpu.memory_bytes,
            context=length,
            quantization=_named(spec),
            tensor_parallel_size=case.args.tensor_parallel_size,
            gpu_memory_utilization=case.args.gpu_memory_utilization or 0.90,
        )
    )
    return RoughAnswer(
        kv=group.available / case.args.tensor_parallel_size / GIB,
        tokens=max(0, int(group.available / group.kv_per_token)) if group.kv_per_token else 0,
        boots=group.available >= group.kv_bytes(1, length),
    )


def _named(spec: ModelSpec) -> str | None:
    if spec.quantization is None:
        return None
    weight = spec.quantization.default
    return NAMED.get(spec.quantization.method) or (OF_BITS.get(weight.bits) if weight is not None else None)

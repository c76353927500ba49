"""The profile's schema, version 1, as pydantic models. Imported only when a profile is read: pydantic costs 0.15 s."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from vram_engine.dialects.values import human_int


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, not a boolean")
    return value


def _length(value: object) -> object:
    if isinstance(value, str):
        return human_int(value)
    return _not_bool(value)


Count = Annotated[int, BeforeValidator(_not_bool), Field(ge=1, le=2**53)]
Length = Annotated[int, BeforeValidator(_length), Field(ge=1, le=2**53)]
Amount = Annotated[float, BeforeValidator(_not_bool), Field(gt=0, le=1e6, allow_inf_nan=False)]
Number = Annotated[float, BeforeValidator(_not_bool), Field(allow_inf_nan=False)]


class Section(BaseModel):
    """A section knows its keys and no others."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Model(Section):
    """What is served."""

    id: str | None = None
    revision: str | None = None
    dtype: Literal["auto", "fp16", "bf16", "fp32", "float16", "half", "bfloat16", "float32", "float"] = "auto"
    quantization: Literal["none", "awq", "gptq", "int8", "fp8"] = "none"
    kv_cache_dtype: Literal[
        "auto", "fp16", "bf16", "float16", "bfloat16", "fp8", "fp8_e4m3fn", "fp8_e4m3", "fp8_e5m2"
    ] = "auto"
    max_model_len: Length | None = None
    params_b: Annotated[Amount, Field(le=100_000)] | None = None


class Hardware(Section):
    """What it is served on."""

    gpu_name: str = Field("auto", validation_alias=AliasChoices("gpu_name", "gpu"))
    gpus: Count = 1
    vram_gb: Amount | None = None
    interconnect: Literal["unknown", "pcie", "nvlink"] = "unknown"
    tp_size: Count | None = Field(None, validation_alias=AliasChoices("tp_size", "tensor_parallel_size"))


class Workload(Section):
    """What is asked of it."""

    prompt_tokens: Count = 512
    gen_tokens: Count = 256
    concurrency: Count = 1
    streaming: bool = True
    mode: Literal["balanced", "throughput", "latency"] = "balanced"


class Policy(Section):
    """How careful to be."""

    gpu_memory_utilization: Number = 0.90
    overhead_gb: Annotated[Number, Field(ge=0, le=1e6)] | None = None
    fragmentation_factor: Annotated[Number, Field(ge=1, le=100)] = 1.15
    headroom_gb: Annotated[Number, Field(ge=0, le=1e6)] = 1.0
    estimator: Literal["startup", "closed_form"] | None = None


class Outputs(Section):
    """What to write, and flags to pass on as they are."""

    emit: list[Literal["command", "profile", "compose", "k8s"]] = ["command", "profile"]
    vllm_args: dict[str, object] = {}


class Profile(Section):
    """A whole profile."""

    profile_version: Literal[1]
    model: Model = Model()
    hardware: Hardware = Field(default_factory=lambda: Hardware.model_validate({}))
    workload: Workload = Workload()
    policy: Policy = Policy()
    outputs: Outputs = Outputs()

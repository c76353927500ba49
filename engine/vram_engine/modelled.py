"""Which settings sizing follows, which change nothing here, and which it must admit to not following."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vram_engine.deployment import OWN_SETTINGS, Deployment, Known, Scalar, Setting, Unknown
from vram_engine.engine_variables import unfollowed_variables
from vram_engine.facts.flags import flag, sizing_flags
from vram_engine.facts.versions import NEWEST, Version, parse_version
from vram_engine.model.caches import ChunkedLocal, Mamba, SlidingWindow
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.lora import unfollowed_adapters, unfollowed_targets
from vram_engine.sizing.media_size import unfollowed_sizes
from vram_engine.sizing.offload import unfollowed_offload
from vram_engine.sizing.speculative import unfollowed_speculation
from vram_engine.sizing.towers import unfollowed_limits

# Flags that sizing reads, by the field of EngineArgs that holds them.
MODELLED: Mapping[str, str] = {
    "dtype": "dtype",
    "quantization": "quantization",
    "kv-cache-dtype": "kv_cache_dtype",
    "max-model-len": "max_model_len",
    "block-size": "block_size",
    "tensor-parallel-size": "tensor_parallel_size",
    "pipeline-parallel-size": "pipeline_parallel_size",
    "data-parallel-size": "data_parallel_size",
    "decode-context-parallel-size": "decode_context_parallel_size",
    "enable-expert-parallel": "enable_expert_parallel",
    "max-num-seqs": "max_num_seqs",
    "max-num-batched-tokens": "max_num_batched_tokens",
    "enable-chunked-prefill": "enable_chunked_prefill",
    "enable-prefix-caching": "enable_prefix_caching",
    "enforce-eager": "enforce_eager",
    "gpu-memory-utilization": "gpu_memory_utilization",
    "kv-cache-memory-bytes": "kv_cache_memory_bytes",
    "num-gpu-blocks-override": "num_gpu_blocks_override",
    "disable-sliding-window": "disable_sliding_window",
    "disable-hybrid-kv-cache-manager": "disable_hybrid_kv_cache_manager",
    "language-model-only": "language_model_only",
    "limit-mm-per-prompt": "limit_mm_per_prompt",
    "mm-encoder-tp-mode": "mm_encoder_tp_mode",
    "mm-processor-kwargs": "mm_processor_kwargs",
    "performance-mode": "performance_mode",
    "enable-lora": "enable_lora",
    "max-loras": "max_loras",
    "max-lora-rank": "max_lora_rank",
    "fully-sharded-loras": "fully_sharded_loras",
    "lora-dtype": "lora_dtype",
    "lora-target-modules": "lora_target_modules",
    "cpu-offload-gb": "cpu_offload_gb",
    "mamba-cache-mode": "mamba_cache_mode",
    "speculative-config": "speculative_method",
}

# How far a setting is followed: a reason where the value, the release or the model is beyond it.
_LIMITS: Mapping[str, Callable[[Scalar, Version, ModelSpec], str | None]] = {
    "limit-mm-per-prompt": unfollowed_limits,
    "mm-processor-kwargs": unfollowed_sizes,
    "enable-lora": unfollowed_adapters,
    "lora-target-modules": unfollowed_targets,
    "cpu-offload-gb": unfollowed_offload,
    "speculative-config": unfollowed_speculation,
}

_NAMES_THE_MODEL = frozenset({"model", "model-tag"})

# About the machine, and no part of the sum; a GPU that is not known has its own say.
_SIZES_NOTHING = frozenset({"gpu", "nodes", "shm-bytes"})

# Stands for arguments that cannot be read and may be any.
_HIDES_SETTINGS = frozenset({"more-arguments"})

# Values that change nothing although they are not the flag's default.
_IDLE: Mapping[str, Scalar] = {
    "data-parallel-size-local": 1,
    "prefill-context-parallel-size": 1,
    "optimization-level": 2,
    "offload-backend": "uva",
}

# Flags that change nothing on the GPU from a release on.
_IDLE_SINCE: Mapping[str, Version] = {"kv-offloading-size": Version(0, 24, 0)}

# Flags that size what another flag switches on.
_SWITCH_OF: Mapping[str, str] = {
    "max-lora-cls-labels": "enable-lora",
    "specialize-active-lora": "enable-lora",
    "enable-tower-connector-lora": "enable-lora",
    "enable-mixed-moe-lora-format": "enable-lora",
    "enable-moe-shared-loras": "enable-lora",
    "eplb-config": "enable-eplb",
    "ubatch-size": "enable-dbo",
    "cpu-offload-params": "cpu-offload-gb",
}

# Flags about a kind of layer that not every model has.
_OF_TOWERS = frozenset(
    {
        "enable-mm-embeds",
        "limit-mm-per-prompt",
        "mm-encoder-attn-dtype",
        "mm-encoder-only",
        "mm-encoder-tp-mode",
        "mm-ipc-gpu-memory-gb",
        "mm-processor-device",
        "mm-processor-kwargs",
        "skip-mm-profiling",
        "video-pruning-rate",
    }
)
_OF_EXPERTS = frozenset({"all2all-backend", "enable-eplb", "eplb-config", "moe-backend", "num-redundant-experts"})
_OF_STATES = frozenset(
    {
        "enable-mamba-fine-grained-prefix-cache",
        "enable-mamba-shared-prefix-checkpoint",
        "mamba-block-size",
        "mamba-cache-dtype",
        "mamba-ssm-cache-dtype",
        "replayssm-buffer-len",
        "use-replayssm",
    }
)
# Keeping KV blocks in CPU memory as well takes none of the GPU's; before the release in ``_IDLE_SINCE`` it made vLLM
# allocate all kinds of layers alike.
_OF_SEVERAL_KINDS = frozenset({"kv-offloading-size"})
# Asynchronous scheduling doubles the tokens in flight, for which only windowed layers reserve blocks.
_OF_WINDOWS = frozenset({"async-scheduling", "swa-bounded-replay"})


@dataclass(frozen=True, slots=True)
class Unmodelled:
    """A setting that changes memory in a way that is not computed, or cannot be told."""

    setting: Setting
    reason: str


def unmodelled(deployment: Deployment, spec: ModelSpec | None) -> tuple[Unmodelled, ...]:
    """Settings and variables in force that change memory and are not computed.

    They are never ignored, unless ``spec`` shows that the model has nothing they could act on.
    """
    effective = (deployment.effective(name) for name in deployment.settings)
    checked = (_unmodelled(setting, deployment, spec) for setting in effective if setting is not None)
    variables = unfollowed_variables(deployment, spec, _version(deployment))
    return (
        *(each for each in checked if each is not None),
        *(Unmodelled(each.setting, each.reason) for each in variables),
    )


def _unmodelled(setting: Setting, deployment: Deployment, spec: ModelSpec | None) -> Unmodelled | None:
    name, is_modelled = setting.name, setting.name in MODELLED
    if isinstance(setting.value, Unknown) and name in OWN_SETTINGS and name not in _SIZES_NOTHING:
        return Unmodelled(setting, setting.value.reason)
    if name == "model-store":
        return _of_another_store(setting, setting.value, deployment)
    if name in _NAMES_THE_MODEL or not (is_modelled or name in sizing_flags() or name in _HIDES_SETTINGS):
        return None
    if isinstance(setting.value, Unknown):
        return Unmodelled(setting, setting.value.reason)
    if is_modelled:
        return _as_far_as_followed(setting, setting.value, deployment, spec)
    if _is_idle(name, setting.value, deployment) or (spec is not None and _acts_on_nothing(name, spec)):
        return None
    return Unmodelled(setting, f"{name} changes memory and is not modelled yet")


def _of_another_store(setting: Setting, store: Known | Unknown, deployment: Deployment) -> Unmodelled | None:
    """A model under the same name elsewhere may be another; a path is the same everywhere."""
    model = deployment.text("model") or ""
    if not isinstance(store, Known) or model.startswith(("/", ".")):
        return None
    return Unmodelled(
        setting, f"{setting.spelling} has vLLM take {model} from {store.value}, which is not read and may hold another"
    )


def _as_far_as_followed(
    setting: Setting, value: Known, deployment: Deployment, spec: ModelSpec | None
) -> Unmodelled | None:
    """A setting of ``MODELLED`` whose value, release or model is beyond what is followed."""
    limit = _LIMITS.get(setting.name)
    if limit is None or spec is None or _acts_on_nothing(setting.name, spec):
        return None
    reason = limit(value.value, _version(deployment), spec)
    return None if reason is None else Unmodelled(setting, reason)


def _version(deployment: Deployment) -> Version:
    return min(parse_version(deployment.text("vllm-version") or "") or NEWEST, NEWEST)


def _is_idle(name: str, value: Known, deployment: Deployment) -> bool:
    """Whether a setting changes nothing: by its value, or for want of what switches it on."""
    row = flag(name)
    is_off = value.value is False or value.value in ("", "auto")
    if is_off or value.value == _IDLE.get(name):
        return True
    if (
        row is not None
        and row.default is not None
        and (value.value == row.default or str(value.value) == str(row.default))
    ):
        return True
    since = _IDLE_SINCE.get(name)
    if since is not None and _version(deployment) >= since:
        return True
    switch = _SWITCH_OF.get(name)
    return switch is not None and deployment.value(switch) in (None, False, 0)


def _acts_on_nothing(name: str, spec: ModelSpec) -> bool:
    """Whether a model lacks the kind of layer a flag is about."""
    if name in _OF_TOWERS:
        return not spec.tower
    if name in _OF_EXPERTS:
        return spec.experts is None
    if name in _OF_STATES:
        return not any(isinstance(cache, Mamba) for cache in spec.caches)
    if name in _OF_SEVERAL_KINDS:
        return len({type(cache) for cache in spec.caches}) <= 1
    if name in _OF_WINDOWS:
        return not any(isinstance(cache, SlidingWindow | ChunkedLocal) for cache in spec.caches)
    return False

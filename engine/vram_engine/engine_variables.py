"""Variables of the environment by which vLLM sizes or refuses otherwise: by release, and how far each is followed.

The releases are those of vllm/envs.py, the defaults too. What only serves speed, logging or other machines than GPUs
is not here: it changes no verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vram_engine.deployment import Deployment, Known, Setting, Unknown, Variable
from vram_engine.facts.versions import Version
from vram_engine.model.caches import MLA, ChunkedLocal, SlidingWindow
from vram_engine.model.length import derived_max_model_len
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.attention_workspace import WORKSPACE
from vram_engine.sizing.eras import V0_REMOVED, V1_DEFAULT, release, v2_by_default

ALLOW_LONG = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
ESTIMATE_GRAPHS = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"
USE_V1 = "VLLM_USE_V1"

_FIRST, _NEVER = Version(0, 0, 0), Version(99, 0, 0)
_ON = frozenset({"1", "true"})


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """A variable in force that changes memory in a way that is not computed, as a setting, and why."""

    setting: Setting
    reason: str


@dataclass(frozen=True, slots=True)
class _Situation:
    deployment: Deployment
    spec: ModelSpec
    version: Version

    def number(self, name: str) -> int:
        return self.deployment.integer(name) or 1


@dataclass(frozen=True, slots=True)
class _Row:
    """A variable that is not followed: the releases that read it, for whom it matters, and the values that do not."""

    name: str
    since: Version = _FIRST
    before: Version = _NEVER
    matters: Callable[[_Situation], bool] = lambda _: True
    idle: Callable[[str, _Situation], bool] = lambda value, _: value not in _ON


def is_on(deployment: Deployment, name: str) -> bool | None:
    """Whether a switch is on, as vLLM reads ``1`` and ``true``; None where that cannot be told."""
    variable = deployment.environment.get(name)
    if variable is None:
        return None if deployment.environment_elsewhere else False
    value = variable.value
    return str(value.value).strip().lower() in _ON if isinstance(value, Known) else None


def said(deployment: Deployment, name: str, since: Version, version: Version) -> bool | None:
    """A number that stands for a switch, where it is set and the release reads it; None where vLLM decides."""
    variable = deployment.environment.get(name)
    value = variable.value if variable is not None and version >= since else None
    text = str(value.value).strip() if isinstance(value, Known) else ""
    return {"0": False, "1": True}.get(text)


def estimates_graphs(deployment: Deployment, version: Version) -> bool | None:
    """Whether the estimate of CUDA graphs is to be taken off the KV cache (v1/worker/gpu_worker.py)."""
    return said(deployment, ESTIMATE_GRAPHS, _ESTIMATED_SINCE, version)


def uses_v1(deployment: Deployment, version: Version) -> bool | None:
    """Whether engine V1 is asked for, in the releases that have both (vllm/engine/arg_utils.py)."""
    return said(deployment, USE_V1, V1_DEFAULT, version) if version < V0_REMOVED else None


def unfollowed_variables(deployment: Deployment, spec: ModelSpec | None, version: Version) -> Iterator[Unfollowed]:
    """The variables in force that sizing does not follow; nothing without a model, which has no verdict anyway."""
    if spec is None:
        return
    case = _Situation(deployment, spec, version)
    for row in _ROWS:
        variable = deployment.environment.get(row.name)
        if variable is not None and row.since <= version < row.before and row.matters(case):
            yield from _unfollowed(row, variable, case)
    for name, since in ((ESTIMATE_GRAPHS, _ESTIMATED_SINCE), (USE_V1, V1_DEFAULT)):
        variable = deployment.environment.get(name)
        is_read = version >= since and (name != USE_V1 or version < V0_REMOVED)
        if variable is not None and is_read and isinstance(variable.value, Unknown):
            yield _open(name, variable)
    yield from _length_left_open(case)


def _unfollowed(row: _Row, variable: Variable, case: _Situation) -> Iterator[Unfollowed]:
    if isinstance(variable.value, Unknown):
        yield _open(row.name, variable)
    elif not row.idle(str(variable.value.value).strip().lower(), case):
        setting = Setting(row.name, variable.value, "file", row.name, span=variable.span)
        yield Unfollowed(setting, _REASONS.get(row.name, f"{row.name} changes memory and is not modelled yet"))


def _open(name: str, variable: Variable) -> Unfollowed:
    reason = variable.value.reason if isinstance(variable.value, Unknown) else ""
    return Unfollowed(Setting(name, variable.value, "file", name, span=variable.span), f"{name} is not known: {reason}")


def _length_left_open(case: _Situation) -> Iterator[Unfollowed]:
    """A length that vLLM refuses or not, by a variable that cannot be told."""
    setting = case.deployment.effective("max-model-len")
    asked = case.deployment.integer("max-model-len")
    if setting is None or asked is None or case.spec.shapes_guessed or is_on(case.deployment, ALLOW_LONG) is not None:
        return
    windows = any(isinstance(cache, SlidingWindow) for cache in case.spec.caches)
    without = windows and case.deployment.is_on("disable-sliding-window")
    derived = derived_max_model_len(case.spec, case.version, disable_sliding_window=without)
    if asked > derived:
        more = case.deployment.environment_elsewhere or "its value is not known"
        reason = f"max-model-len {asked:,} is above the model's {derived:,}, which {ALLOW_LONG} may allow: {more}"
        yield Unfollowed(setting, reason)


def _has_experts(case: _Situation) -> bool:
    return case.spec.experts is not None


def _has(kind: type) -> Callable[[_Situation], bool]:
    return lambda case: any(isinstance(cache, kind) for cache in case.spec.caches)


def _is_the_default_runner(value: str, case: _Situation) -> bool:
    return value in ("0", "1") and (value == "1") == v2_by_default(case.spec, case.version)


def _samples_alike(value: str, case: _Situation) -> bool:
    usual = release(case.version).sampler == "flashinfer"
    return value in ("0", "1") and (value == "1") == usual


def _picks_plain_kernels(value: str, case: _Situation) -> bool:
    """Kernels that need no more memory than those that vLLM picks itself."""
    return value.removesuffix("_vllm_v1") in ("flash_attn", "triton_attn") and not _has(MLA)(case)


def _comes_from_a_hub(case: _Situation) -> bool:
    """Files of variables set it too; where a launch does, its own setting says so already."""
    if case.deployment.effective("model-store") is not None:
        return False
    return not str(case.deployment.value("model") or "").startswith(("/", "./", "../", "~"))


_ESTIMATED_SINCE = Version(0, 18, 0)
_MODELSCOPE = "VLLM_USE_MODELSCOPE"
_REASONS = {_MODELSCOPE: "the model comes from ModelScope, which is not read: it may differ there"}

# The first release with each, and the first without it.
_ROWS: tuple[_Row, ...] = (
    _Row("VLLM_USE_V2_MODEL_RUNNER", Version(0, 12, 0), idle=_is_the_default_runner),
    _Row(USE_V1, before=V1_DEFAULT),
    _Row("VLLM_ATTENTION_BACKEND", before=Version(0, 16, 0), idle=_picks_plain_kernels),
    _Row(
        "VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE",
        Version(0, 12, 0),
        idle=lambda value, _: value == str(WORKSPACE),
    ),
    _Row(
        "VLLM_USE_FLASHINFER_SAMPLER",
        matters=lambda case: not v2_by_default(case.spec, case.version),
        idle=_samples_alike,
    ),
    _Row(
        "VLLM_PP_LAYER_PARTITION",
        matters=lambda case: case.number("pipeline-parallel-size") > 1,
        idle=lambda value, _: not value,
    ),
    _Row("VLLM_MLA_DISABLE", matters=_has(MLA)),
    _Row("VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE", matters=_has(ChunkedLocal), idle=lambda *_: False),
    _Row("VLLM_FUSED_MOE_CHUNK_SIZE", before=Version(0, 18, 0), matters=_has_experts, idle=lambda *_: False),
    _Row(
        "VLLM_ENABLE_FUSED_MOE_ACTIVATION_CHUNKING",
        before=Version(0, 18, 0),
        matters=_has_experts,
        idle=lambda value, _: value in _ON,
    ),
    _Row("VLLM_REPLICATE_EMBED", Version(0, 29, 0), matters=lambda case: case.number("tensor-parallel-size") > 1),
    _Row("VLLM_BATCH_INVARIANT", Version(0, 19, 0)),
    _Row("VLLM_USE_BREAKABLE_CUDAGRAPH", Version(0, 22, 0)),
    _Row(
        "VLLM_DP_SIZE",
        matters=lambda case: case.deployment.effective("data-parallel-size") is None,
        idle=lambda value, _: value == "1",
    ),
    _Row("VLLM_MODEL_REDIRECT_PATH", idle=lambda value, _: not value),
    _Row(_MODELSCOPE, matters=_comes_from_a_hub),
)

"""How each vLLM release accounts for memory at start-up, as one frozen table, and which model runner a model gets.

Boundaries are the first release seen with the behaviour in ``v1/worker/gpu_worker.py``, ``worker/worker.py`` (V0),
``config/vllm.py`` (model runner) and ``v1/sample/ops/topk_topp_sampler.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vram_engine.facts.versions import Version
from vram_engine.model.caches_kinds import Mamba
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.engine_args import EngineArgs

Runner = Literal["V0", "V1", "V2"]
Sampler = Literal["sort", "triton", "flashinfer", "gumbel"]
# growth: weights + torch peak + what else grew in this process. device use: torch peak + whatever anyone holds
# outside torch. consumed: the fall of free memory, plus the transient part of the torch peak.
Accounting = Literal["growth", "device use", "consumed"]


@dataclass(frozen=True, slots=True)
class Release:
    """What a range of releases does whatever the model; ``since`` is the first of them."""

    since: Version
    accounting: Accounting
    gpu_memory_utilization: float = 0.90
    communicators_charged: bool = False
    graph_estimate_charged: bool = False
    graph_estimate_made: bool = False
    free_memory_checked: bool = True
    override_checked: bool = False
    null_block: bool = False
    sampler: Sampler = "sort"


RELEASES: tuple[Release, ...] = (
    Release(Version(0, 0, 0), "device use", communicators_charged=True, free_memory_checked=False),
    Release(Version(0, 6, 5), "growth", communicators_charged=True, free_memory_checked=False),
    Release(Version(0, 8, 0), "device use", communicators_charged=True, free_memory_checked=False),
    Release(Version(0, 9, 1), "growth", communicators_charged=True),
    Release(Version(0, 11, 0), "growth"),
    Release(Version(0, 17, 0), "growth", sampler="triton"),
    Release(Version(0, 18, 0), "growth", sampler="triton", graph_estimate_made=True),
    Release(
        Version(0, 20, 0),
        "growth",
        0.92,
        sampler="triton",
        graph_estimate_made=True,
        graph_estimate_charged=True,
    ),
    Release(
        Version(0, 21, 0),
        "growth",
        0.92,
        sampler="flashinfer",
        graph_estimate_made=True,
        graph_estimate_charged=True,
        override_checked=True,
    ),
    Release(
        Version(0, 27, 0),
        "consumed",
        0.92,
        sampler="flashinfer",
        graph_estimate_made=True,
        graph_estimate_charged=True,
        override_checked=True,
    ),
    Release(
        Version(0, 29, 0),
        "consumed",
        0.92,
        sampler="flashinfer",
        graph_estimate_made=True,
        graph_estimate_charged=True,
        override_checked=True,
        null_block=True,
    ),
)

V1_DEFAULT = Version(0, 8, 0)
V0_REMOVED = Version(0, 11, 0)
# Until here V1 refused GPUs older than Ampere and fell back to V0 (``_is_v1_supported_oracle``).
V1_ON_TURING = Version(0, 10, 2)
AMPERE = (8, 0)

# Model runner V2 by default: named architectures first, then every dense model without Mamba layers, then all.
V2_DENSE = Version(0, 25, 0)
V2_ALL = Version(0, 29, 0)
# The method that runner V2 alone speculates by, whatever the model, and since when.
V2_ALONE = ("dspark", Version(0, 25, 0))
# Methods that runner V2 learned, by the first version read with them (``_get_v2_model_runner_unsupported_features``),
# and those that it lacks since it has most.
V2_DRAFTERS: tuple[tuple[Version, frozenset[str]], ...] = (
    (Version(0, 0, 0), frozenset({"eagle", "eagle3", "mtp"})),
    (Version(0, 24, 0), frozenset({"dflash"})),
    (Version(0, 25, 0), frozenset({"dspark"})),
    (Version(0, 29, 0), frozenset({"extract_hidden_states"})),
)
V2_MOST_DRAFTERS = Version(0, 32, 0)
V1_DRAFTERS = frozenset({"suffix", "medusa", "mlp_speculator", "custom_class"})
V2_PROFILES_ENCODERS = Version(0, 27, 0)
V2_ARCHITECTURES: tuple[tuple[Version, frozenset[str]], ...] = (
    (Version(0, 22, 0), frozenset({"Qwen3ForCausalLM"})),
    (
        Version(0, 24, 0),
        frozenset(
            {
                "Qwen3ForCausalLM",
                "DeepseekV2ForCausalLM",
                "Qwen2MoeForCausalLM",
                "GraniteMoeForCausalLM",
                "LlamaForCausalLM",
                "MistralForCausalLM",
            }
        ),
    ),
    (V2_DENSE, frozenset({"DeepseekV2ForCausalLM", "Qwen2MoeForCausalLM", "GraniteMoeForCausalLM"})),
    (
        Version(0, 28, 0),
        frozenset({"DeepseekV2ForCausalLM", "DeepseekV4ForCausalLM", "Qwen2MoeForCausalLM", "GraniteMoeForCausalLM"}),
    ),
)


@dataclass(frozen=True, slots=True)
class Era:
    """The accounting one deployment gets: its release's, narrowed by its model runner.

    ``sampler_state_charged``: the runner keeps penalty counters for every slot and the accounting sees them.
    ``graph_estimate_charged``: an estimate of the CUDA graphs is taken off the KV cache.
    """

    version: Version
    runner: Runner
    accounting: Accounting
    gpu_memory_utilization: float
    communicators_charged: bool
    graph_estimate_charged: bool
    free_memory_checked: bool
    override_checked: bool
    null_block: bool
    sampler: Sampler
    sampler_state_charged: bool
    encoder_profiled: bool


def release(version: Version) -> Release:
    """The row of ``RELEASES`` that a version falls in."""
    return max((row for row in RELEASES if row.since <= version), key=lambda row: row.since)


def era(spec: ModelSpec, args: EngineArgs, capability: tuple[int, int] | None) -> Era:
    """How ``args.vllm_version`` accounts for ``spec`` on a GPU of that compute capability."""
    version = args.vllm_version
    row = release(version)
    runner = model_runner(spec, args, capability)
    v2 = runner == "V2"
    return Era(
        version=version,
        runner=runner,
        accounting="growth" if runner == "V0" and version >= Version(0, 6, 5) else row.accounting,
        gpu_memory_utilization=row.gpu_memory_utilization,
        communicators_charged=row.communicators_charged,
        graph_estimate_charged=_charges_graphs(row, args) and not (v2 and version < V2_ALL),
        free_memory_checked=row.free_memory_checked and runner != "V0",
        override_checked=row.override_checked,
        null_block=row.null_block,
        sampler="gumbel" if v2 else row.sampler,
        sampler_state_charged=v2 and row.accounting == "consumed",
        encoder_profiled=not (v2 and version < V2_PROFILES_ENCODERS),
    )


def _charges_graphs(row: Release, args: EngineArgs) -> bool:
    """As the release does, unless a variable says otherwise where there is an estimate to be charged."""
    if args.estimate_cuda_graphs is None or not row.graph_estimate_made:
        return row.graph_estimate_charged
    return args.estimate_cuda_graphs


def model_runner(spec: ModelSpec, args: EngineArgs, capability: tuple[int, int] | None) -> Runner:
    """The engine and model runner vLLM picks; V0 may be asked for (``use_v2_model_runner``, the V1 oracle)."""
    version = args.vllm_version
    if version < V0_REMOVED:
        return "V1" if _v1_supported(spec, args, capability) else "V0"
    if args.speculative_method == V2_ALONE[0] and version >= V2_ALONE[1]:
        return "V2"
    if not _drafts_on_v2(args):
        return "V1"
    return "V2" if v2_by_default(spec, version) else "V1"


def _drafts_on_v2(args: EngineArgs) -> bool:
    """Whether runner V2 speculates by that method in that release; where it does not, vLLM takes V1."""
    method, version = args.speculative_method, args.vllm_version
    if method is None:
        return True
    if version >= V2_MOST_DRAFTERS:
        return method not in V1_DRAFTERS
    return any(since <= version and method in methods for since, methods in V2_DRAFTERS)


def _v1_supported(spec: ModelSpec, args: EngineArgs, capability: tuple[int, int] | None) -> bool:
    version = args.vllm_version
    if version < V1_DEFAULT or args.use_v1 is False:
        return False
    if version < V1_ON_TURING and capability is not None and capability < AMPERE:
        return False
    return spec.runner == "generate" or version >= V1_ON_TURING


def v2_by_default(spec: ModelSpec, version: Version) -> bool:
    """Whether model runner V2 is used where no variable says which (``use_v2_model_runner``)."""
    if version >= V2_ALL:
        return True
    named = max((row for row in V2_ARCHITECTURES if row[0] <= version), key=lambda row: row[0], default=None)
    if named is None or spec.runner != "generate":
        return False
    if spec.architecture in named[1]:
        return version >= Version(0, 24, 0) or spec.quantization is None
    return version >= V2_DENSE and spec.experts is None and not has_recurrent_state(spec)


def has_recurrent_state(spec: ModelSpec) -> bool:
    """Whether some layers keep a Mamba-like state instead of a KV cache."""
    return any(isinstance(cache, Mamba) for cache in spec.caches)

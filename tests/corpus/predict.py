"""What the engine says about one boot of the corpus, in the words of its log."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.corpus.cases import Case
from vram_engine.model import from_config
from vram_engine.model.length import default_max_model_len
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.cuda_graphs import graphs
from vram_engine.sizing.drafts import with_draft
from vram_engine.sizing.kv_cache import KvLayout, kv_layout
from vram_engine.sizing.lora import unfollowed_adapters
from vram_engine.sizing.media_size import unfollowed_sizes
from vram_engine.sizing.offload import unfollowed_offload
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.speculative import unfollowed_speculation
from vram_engine.sizing.startup import StartupBudget, startup
from vram_engine.sizing.towers import unfollowed_limits
from vram_engine.sizing.weights import weights


@dataclass(frozen=True, slots=True)
class Prediction:
    """GiB per rank of the stage that decides; ``why_not`` says why there is none.

    ``weights`` are with what the allocator adds, as vLLM prints them. ``graphs`` is the estimate that is charged,
    ``captured`` what graphs take in the end. ``unfollowed`` is the setting for which the tool gives no verdict; it is
    sized here as if it were not there. ``needed`` is what one request of the length takes, ``longest`` the longest
    that fits what the log's refusal says is there.
    """

    why_not: str = ""
    unfollowed: str = ""
    weights: float | None = None
    activation: float | None = None
    non_torch: float | None = None
    graphs: float | None = None
    captured: float | None = None
    state: float | None = None
    kv_low: float | None = None
    kv: float | None = None
    kv_high: float | None = None
    tokens: int | None = None
    concurrency: float | None = None
    boots: bool | None = None
    certain: bool = False
    needed: float | None = None
    longest: int | None = None


def predict(case: Case) -> Prediction:
    """The engine's answer with the arguments the log shows and vLLM's defaults for the rest."""
    gpu = case.gpu
    if gpu is None or gpu.capability is None:
        return Prediction("no GPU known")
    spec = from_config(case.config)
    if isinstance(spec, Unavailable):
        return Prediction(spec.reason)
    stages = _weights(case, spec)
    if isinstance(stages, Refusal | Unavailable):
        return Prediction(str(stages))
    length = case.args.max_model_len or default_max_model_len(spec, case.args.vllm_version)
    # What a log says was loaded has the drafting layers in it.
    is_logged = stages[0].basis == "measured"
    with_drafts = stages if is_logged else with_draft(stages, spec, case.args, gpu.capability, length)
    if isinstance(with_drafts, Refusal | Unavailable):
        return Prediction(str(with_drafts))
    budget = startup(spec, case.args, gpu, with_drafts, max_model_len=length, free_bytes=case.free_bytes)
    if isinstance(budget, Unavailable):
        return Prediction(budget.reason)
    return replace(_prediction(case, spec, budget, length), unfollowed=_unfollowed(case, spec))


def _unfollowed(case: Case, spec: ModelSpec) -> str:
    """The first setting of the boot that the tool does not follow, in its own words."""
    version, stated = case.args.vllm_version, case.stated
    found = (
        "speculative-config" in stated and unfollowed_speculation(stated["speculative-config"], version, spec),
        "limit-mm-per-prompt" in stated and unfollowed_limits(stated["limit-mm-per-prompt"], version, spec),
        "mm-processor-kwargs" in stated and unfollowed_sizes(stated["mm-processor-kwargs"], version, spec),
        case.args.cpu_offload_gb and unfollowed_offload(case.args.cpu_offload_gb, version, spec),
        case.args.enable_lora and unfollowed_adapters(True, version, spec),
        "kv-transfer-config" in stated and "kv-transfer-config changes memory and is not modelled yet",
    )
    return next((reason for reason in found if reason), "")


def _weights(case: Case, spec: ModelSpec) -> tuple[Term, ...] | Refusal | Unavailable:
    """Weights from the configuration, or from the log where only a checkpoint's headers would tell them."""
    assert case.gpu is not None
    args = replace(case.args, cpu_offload_gb=0, enable_lora=False)
    derived = weights(spec, args, case.gpu.capability)
    if case.weights_predictable and not isinstance(derived, Refusal | Unavailable):
        return derived
    return _logged_weights(case) or derived


def _logged_weights(case: Case) -> tuple[Term, ...] | None:
    """The loading line of the log."""
    loaded = case.measured.get("model_loading_gib") or case.measured.get("weight_gib")
    if loaded is None or case.args.pipeline_parallel_size != 1:
        return None
    return (Term("weights", round(loaded * GIB), "the log's own", "measured"),)


def _prediction(case: Case, spec: ModelSpec, budget: StartupBudget, length: int) -> Prediction:
    gpu = case.gpu
    assert gpu is not None
    stage = min(budget.stages, key=lambda stage: stage.kv_cache_available.expected)
    parts = {part.name: part.bytes / GIB for part in stage.spent.parts}
    left = budget.kv_cache_available
    captured = graphs(spec, case.args, budget.batch, budget.era, gpu)
    base = Prediction(
        weights=stage.weights.bytes / GIB + parts.get("allocation slack", 0),
        activation=parts.get("activation"),
        non_torch=parts.get("non-torch"),
        graphs=parts.get("CUDA graph estimate"),
        captured=captured.bytes / GIB,
        state=parts.get("sampler state"),
        kv_low=left.low / GIB,
        kv=left.expected / GIB,
        kv_high=left.high / GIB,
    )
    layout = kv_layout(
        spec,
        case.args,
        gpu.capability,
        max_num_batched_tokens=budget.batch.max_num_batched_tokens,
        max_model_len=length,
    )
    if isinstance(layout, Unavailable):
        return base
    return _with_refusal(_with_capacity(base, budget, layout), case, layout, length)


def _with_refusal(base: Prediction, case: Case, layout: KvLayout, length: int) -> Prediction:
    """What vLLM would print when it refuses the length: what one request needs, and the longest that fits."""
    printed = case.measured.get("error_available_kv_gib")
    stages = case.args.pipeline_parallel_size
    longest = None if printed is None else layout.max_model_len_that_fits([int(printed * GIB)] * stages, length)
    return replace(base, needed=max(layout.needed_bytes(length)) / GIB, longest=longest)


def _with_capacity(base: Prediction, budget: StartupBudget, layout: KvLayout) -> Prediction:
    expected = [stage.kv_cache_available.expected for stage in budget.stages]
    low = [stage.kv_cache_available.low for stage in budget.stages]
    high = [stage.kv_cache_available.high for stage in budget.stages]
    boots = min(expected) > 0 and layout.fits(expected)
    return replace(
        base,
        tokens=layout.capacity_tokens(expected),
        concurrency=layout.max_concurrency(expected),
        boots=boots,
        certain=layout.fits(low) == layout.fits(high) == boots,
    )

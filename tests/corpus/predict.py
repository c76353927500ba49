"""What the engine says about one boot of the corpus, in the words of its log."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.corpus.cases import Case
from vram_engine.model import from_config
from vram_engine.model.length import default_max_model_len
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.drafts import with_draft
from vram_engine.sizing.kv_cache import KvLayout, kv_layout
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.startup import StartupBudget, startup
from vram_engine.sizing.weights import weights


@dataclass(frozen=True, slots=True)
class Prediction:
    """GiB per rank of the stage that decides; ``why_not`` says why there is none."""

    why_not: str = ""
    weights: float | None = None
    activation: float | None = None
    non_torch: float | None = None
    graphs: float | None = None
    state: float | None = None
    kv_low: float | None = None
    kv: float | None = None
    kv_high: float | None = None
    tokens: int | None = None
    concurrency: float | None = None
    boots: bool | None = None
    certain: bool = False


def predict(case: Case) -> Prediction:
    """The engine's answer with the arguments the log shows and vLLM's defaults for the rest."""
    gpu = case.gpu
    if gpu is None or gpu.capability is None:
        return Prediction("no GPU known")
    spec = from_config(case.config)
    if isinstance(spec, Unavailable):
        return Prediction(spec.reason)
    stages = weights(spec, case.args, gpu.capability)
    if isinstance(stages, Refusal | Unavailable):
        stages = _measured_weights(case, stages)
        if isinstance(stages, Refusal | Unavailable):
            return Prediction(str(stages))
    length = case.args.max_model_len or default_max_model_len(spec, case.args.vllm_version)
    with_drafts = with_draft(stages, spec, case.args, gpu.capability, length)
    if isinstance(with_drafts, Refusal | Unavailable):
        return Prediction(str(with_drafts))
    budget = startup(spec, case.args, gpu, with_drafts, max_model_len=length, free_bytes=case.free_bytes)
    if isinstance(budget, Unavailable):
        return Prediction(budget.reason)
    return _prediction(case, spec, budget, length)


def _measured_weights(case: Case, reason: Refusal | Unavailable) -> tuple[Term, ...] | Refusal | Unavailable:
    """The loading line of the log where the weights cannot be derived, so that the rest can still be compared."""
    loaded = case.measured.get("model_loading_gib") or case.measured.get("weight_gib")
    if loaded is None or case.args.pipeline_parallel_size != 1:
        return reason
    return (Term("weights", round(loaded * GIB), "the log's own", "measured"),)


def _prediction(case: Case, spec: ModelSpec, budget: StartupBudget, length: int) -> Prediction:
    gpu = case.gpu
    assert gpu is not None
    stage = min(budget.stages, key=lambda stage: stage.kv_cache_available.expected)
    parts = {part.name: part.bytes / GIB for part in stage.spent.parts}
    left = budget.kv_cache_available
    base = Prediction(
        weights=stage.weights.bytes / GIB,
        activation=parts.get("activation"),
        non_torch=parts.get("non-torch"),
        graphs=parts.get("CUDA graph estimate"),
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
    return base if isinstance(layout, Unavailable) else _with_capacity(base, budget, layout)


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

"""The facts of a plan in the words every view uses: headline, rows of the breakdown, what the KV cache buys."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.deployment import Deployment
from vram_engine.estimate import Estimate
from vram_engine.feasibility import Feasibility
from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel
from vram_engine.model.spec import Unavailable
from vram_engine.plan import Plan
from vram_engine.resolution import NoGpu, workload
from vram_engine.sizing.budget import Budget, Term
from vram_engine.sizing.parallelism import Refusal

VERDICT_WORDS = {
    "fits": "fits",
    "at-risk": "at risk",
    "infeasible": "does not fit",
    "unknown": "no verdict",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the breakdown: an amount per GPU in bytes, and why it is that much."""

    name: str
    bytes: int
    because: str
    strong: bool = False


def headline(plan: Plan) -> str:
    """``fits: Qwen3-8B on 1 x L4, vLLM 0.33.0 (assumed)``."""
    parts = [model_words(plan)]
    if isinstance(plan.node, Node):
        gpus = plan.args.tensor_parallel_size * plan.args.pipeline_parallel_size
        parts.append(f"on {gpus} x {plan.node.gpu.name}")
    is_refused = plan.refusals or isinstance(plan.estimate, Refusal)
    verdict = "refused by vLLM" if is_refused else VERDICT_WORDS[plan.verdict]
    return f"{verdict}: {' '.join(parts)}, vLLM {version_words(plan.deployment, plan)}"


def model_words(plan: Plan) -> str:
    """The model's name as the file has it."""
    if plan.ref is not None:
        return plan.ref.name
    billions = plan.deployment.number("params-b")
    return f"a model of {billions:g} B parameters" if billions is not None else "no model"


def version_words(deployment: Deployment, plan: Plan) -> str:
    """The vLLM version sized for, and whether anything said so."""
    asked = deployment.value("vllm-version")
    if asked is None:
        return f"{plan.args.vllm_version} (assumed)"
    if asked != str(plan.args.vllm_version):
        return f"{plan.args.vllm_version} (the newest known; {asked} was {_origin_words(deployment)})"
    found = _origin_words(deployment)
    return str(asked) if found == "asked for" else f"{asked} ({found})"


def _origin_words(deployment: Deployment) -> str:
    """Who says the version: somebody, or a Python environment at hand."""
    said = deployment.effective("vllm-version")
    return f"found in {said.spelling}" if said is not None and said.origin == "detected" else "asked for"


def rows(plan: Plan) -> tuple[Row, ...]:
    """What is needed, what is left and what vLLM reserves, per GPU; empty while there is no budget."""
    if not isinstance(plan.estimate, Estimate) or plan.feasibility is None:
        return ()
    budget, feasibility = plan.estimate.budget, plan.feasibility
    return (
        *(Row(term.name, term.bytes, _because(term)) for term in budget.terms),
        Row("KV cache of the workload", feasibility.required_bytes, _workload_words(plan, budget)),
        Row("required", required_bytes(budget, feasibility), "the sum of the above", strong=True),
        Row("free", feasibility.headroom_bytes, _free_words(feasibility), strong=True),
        Row("reserved by vLLM", budget.requested_bytes, _reserved_words(plan, budget), strong=True),
    )


def required_bytes(budget: Budget, feasibility: Feasibility) -> int:
    """What the deployment needs at least, per GPU."""
    return sum(term.bytes for term in budget.terms) + feasibility.required_bytes


def _because(term: Term) -> str:
    band = ""
    if term.high > term.low:
        band = f" ({term.low / 2**30:.2f} to {term.high / 2**30:.2f})"
    return f"{term.because}{band}"


def _workload_words(plan: Plan, budget: Budget) -> str:
    requests = workload(plan.deployment).concurrency
    noun = "request" if requests == 1 else "requests"
    return f"{requests:,} {noun} of {budget.max_model_len:,} tokens"


def _free_words(feasibility: Feasibility) -> str:
    return f"OOM risk {feasibility.oom_risk}" if feasibility.headroom_bytes >= 0 else "more is needed than there is"


def _reserved_words(plan: Plan, budget: Budget) -> str:
    share = budget.requested_bytes / budget.memory_bytes
    whole = f"{budget.memory_bytes / 2**30:.2f} GiB"
    if isinstance(plan.node, Node) and plan.node.gpu.unified_memory:
        whole += " that the CPU and every other program use too"
    return f"{share:.2f} of {whole}, whatever is required: the rest becomes KV cache"


def kv_words(plan: Plan) -> str:
    """What the KV cache that vLLM reserves would hold."""
    if not isinstance(plan.estimate, Estimate) or plan.feasibility is None:
        return ""
    available = plan.estimate.budget.available.expected
    if available <= 0:
        return "Nothing is left for the KV cache."
    concurrency, length = plan.feasibility.max_concurrency, plan.estimate.budget.max_model_len
    return (
        f"KV cache {available / 2**30:.2f} GiB per GPU = {int(concurrency * length):,} tokens "
        f"= {concurrency:.2f} requests of {length:,}"
    )


def missing(plan: Plan) -> tuple[str, ...]:
    """Why there is no verdict, one sentence each; empty when there is one."""
    reasons = [each.reason for each in plan.unmodelled]
    if isinstance(plan.model, Unavailable):
        reasons.append(plan.model.reason)
    if plan.ref is None and plan.model is None:
        reasons.append("no model is named")
    elif plan.model is None:
        reasons.append("the model is being looked up")
    if isinstance(plan.node, NoGpu):
        reasons.append(plan.node.reason)
    if isinstance(plan.estimate, Unavailable):
        reasons.append(plan.estimate.reason)
    return tuple(reasons)


def refusal_words(plan: Plan) -> tuple[str, ...]:
    """Why vLLM would not start whatever the memory, each a sentence by itself."""
    reasons = [each.message for each in plan.refusals]
    if isinstance(plan.estimate, Refusal) and not plan.refusals:
        reasons.append(plan.estimate.message)
    return tuple(reasons)


def refused_words(plan: Plan) -> tuple[str, ...]:
    """The same for below a line that says "refused by vLLM" already."""
    return tuple(reason.removeprefix("vLLM refuses").removeprefix(":").strip() for reason in refusal_words(plan))


def notes(plan: Plan) -> tuple[str, ...]:
    """What was found, assumed or chosen on the way, one sentence each."""
    found = list(plan.model.notes) if isinstance(plan.model, FoundModel) else []
    found += [words for words in (plan.choices_words, plan.rests_on_assumptions) if words]
    if isinstance(plan.estimate, Estimate):
        found += plan.estimate.budget.notes
        found += _rank_words(plan.estimate.budget)
    return tuple(found)


def _rank_words(budget: Budget) -> list[str]:
    """Every pipeline stage, where there is more than one: the fullest decides for all."""
    if len(budget.ranks) < 2:
        return []
    return [
        f"pipeline stage {rank.pipeline_stage}: {rank.weights_bytes / 2**30:.2f} GiB of weights per GPU"
        + (f", {rank.bytes_per_block:,} bytes a KV block" if rank.bytes_per_block else "")
        for rank in budget.ranks
    ]


def is_sized(plan: Plan) -> bool:
    """Whether the model is known, so that at least its needs can be told."""
    return isinstance(plan.model, FoundModel)

"""The JSON documents of the public interface. What is not known is null, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vram_engine.deployment import Deployment, Known, Setting, Variable
from vram_engine.estimate import Estimate, estimator_of
from vram_engine.facts.catalogue import catalogue
from vram_engine.facts.gpus import all_gpus
from vram_engine.fixing import edits_of
from vram_engine.generate.surroundings import is_secret
from vram_engine.hardware import Gpu, Node
from vram_engine.images import ImageName
from vram_engine.model.reference import FoundModel
from vram_engine.performance import Performance, Range
from vram_engine.plan import Plan, place_of
from vram_engine.ports import Detected
from vram_engine.rules.base import Finding
from vram_engine.sizing.budget import Interval, Term
from vram_engine.sizing.parallelism import Refusal
from vram_engine.text import Span
from vram_engine.view.defaults import defaults
from vram_engine.view.enough import enough
from vram_engine.view.fit_grid import fit_grid
from vram_engine.view.summary import required_bytes
from vram_lsp.checking import Checked
from vram_lsp.detected import catalogue_id

SCHEMA_VERSION = 1


def plan_document(checked: Checked) -> dict[str, Any]:
    """``plan --json``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "deployments": [_deployment(checked, plan) for plan in checked.analysis.plans],
        "findings": _findings(checked),
    }


def check_document(checked: Sequence[Checked]) -> dict[str, Any]:
    """``check --format json``."""
    return {"schema_version": SCHEMA_VERSION, "findings": [each for one in checked for each in _findings(one)]}


def _deployment(checked: Checked, plan: Plan) -> dict[str, Any]:
    deployment, args = plan.deployment, plan.args
    sized = plan.estimate if isinstance(plan.estimate, Estimate) and not plan.unmodelled else None
    feasibility = plan.feasibility if sized is not None else None
    return {
        "file": None if checked.path is None else str(checked.path),
        "name": deployment.name,
        "dialect": None if checked.path is None else deployment.dialect,
        "model": _model(plan),
        "gpu": _gpu(plan),
        "vllm_version": str(args.vllm_version),
        "image": _image(checked, deployment.image),
        "tensor_parallel_size": args.tensor_parallel_size,
        "pipeline_parallel_size": deployment.integer("pipeline-parallel-size") or args.pipeline_parallel_size,
        "max_model_len": sized.budget.max_model_len if sized is not None else args.max_model_len,
        "settings": _settings(checked, plan, sized),
        "environment": {name: _variable(checked, name, each) for name, each in deployment.environment.items()},
        "shares_gpu_with": [peer.name for peer in deployment.peers],
        "estimator": _estimator(plan),
        "verdict": plan.verdict,
        "oom_risk": feasibility.oom_risk if feasibility is not None else None,
        "memory": _memory(sized, plan) if sized is not None else None,
        "kv_cache": _kv_cache(sized, plan) if sized is not None else None,
        "ranks": _ranks(sized),
        "failure": _failure(plan),
        "performance": _performance(plan),
        "recommendations": [
            {
                "title": each.title,
                "settings": dict(each.settings),
                "verdict": each.verdict,
                "headroom_bytes": each.headroom_bytes,
            }
            for each in plan.recommendations
        ],
    }


def _model(plan: Plan) -> dict[str, Any]:
    found = plan.model if isinstance(plan.model, FoundModel) else None
    return {
        "id": plan.ref.name if plan.ref is not None else None,
        "source": found.source if found is not None else None,
        "parameters": found.spec.parameters if found is not None else None,
    }


_GPU_SOURCE = {"settings": "settings", "default": None}


def _gpu(plan: Plan) -> dict[str, Any]:
    gpu = plan.node.gpu if isinstance(plan.node, Node) else None
    said = plan.deployment.effective("gpu") or plan.deployment.effective("gpu-memory-bytes")
    named = gpu is not None and gpu.id != "unnamed"
    return {
        "id": gpu.id if named and gpu is not None else None,
        "name": gpu.name if named and gpu is not None else None,
        "count": plan.node.count if isinstance(plan.node, Node) else plan.deployment.integer("gpus"),
        "memory_bytes": gpu.memory_bytes if gpu is not None else None,
        "source": _GPU_SOURCE.get(said.origin, said.origin) if said is not None else None,
    }


def _estimator(plan: Plan) -> str:
    if isinstance(plan.model, FoundModel):
        return estimator_of(plan.deployment, plan.model.spec)
    return plan.deployment.text("estimator") or "startup"


def _settings(checked: Checked, plan: Plan, sized: Estimate | None) -> dict[str, Any]:
    """Everything that was said, and what vLLM takes where nothing was."""
    said = {name: _setting(checked, plan.deployment, name) for name in plan.deployment.settings}
    chosen = {
        each.name: {"value": each.value, "origin": "default", "range": None}
        for each in (defaults(plan, sized) if sized is not None else ())
    }
    return {**chosen, **said}


def _setting(checked: Checked, deployment: Deployment, name: str) -> dict[str, Any]:
    setting = deployment.effective(name)
    assert setting is not None
    value = {"value": setting.value.value} if isinstance(setting.value, Known) else {"unknown": setting.value.reason}
    # The public origins have one word for what the file's own comments and keys say apart, and none for detection.
    origin = "settings" if setting.origin == "detected" else setting.origin
    return {**value, "origin": origin, "range": _setting_range(checked, setting)}


def _image(checked: Checked, image: ImageName | None) -> dict[str, Any] | None:
    if image is None:
        return None
    parts = {"repository": image.repository, "tag": image.tag or None, "digest": image.digest or None}
    return {**parts, "range": _range(checked, image.span) if image.span is not None else None}


def _variable(checked: Checked, name: str, variable: Variable) -> dict[str, Any]:
    """A variable of the environment; the value of a secret is nobody's business."""
    if is_secret(name, variable):
        value: dict[str, Any] = {"unknown": "it holds a secret"}
    elif isinstance(variable.value, Known):
        value = {"value": variable.value.value}
    else:
        value = {"unknown": variable.value.reason}
    return {**value, "range": _range(checked, variable.span) if variable.span is not None else None}


def _setting_range(checked: Checked, setting: Setting) -> dict[str, Any] | None:
    where = place_of(setting)
    return None if where is None else _range(checked, checked.analysis.span(where))


def _memory(sized: Estimate, plan: Plan) -> dict[str, Any]:
    budget, feasibility = sized.budget, plan.feasibility
    assert feasibility is not None
    return {
        "total_bytes": budget.memory_bytes,
        "requested_bytes": budget.requested_bytes,
        "weights_bytes": budget.weights.bytes,
        "activation_bytes": _bytes(budget.activations),
        "cuda_graph_bytes": _bytes(budget.cuda_graphs),
        "non_torch_bytes": budget.non_torch.bytes,
        "kv_cache_available_bytes": budget.available.expected,
        "kv_cache_required_bytes": feasibility.required_bytes,
        "headroom_bytes": feasibility.headroom_bytes,
        "interval": {"kv_cache_available_bytes": [budget.available.low, budget.available.high]},
        "required_bytes": required_bytes(budget, feasibility),
        "terms": [_term(term) for term in budget.terms],
        "enough": _enough(plan),
    }


def _term(term: Term) -> dict[str, Any]:
    """An amount with its bounds, why it is that much, and its parts."""
    return {
        "name": term.name,
        "bytes": term.bytes,
        "low": term.low,
        "high": term.high,
        "basis": term.basis,
        "because": term.because,
        "parts": [_term(part) for part in term.parts if part.bytes or part.high],
    }


def _enough(plan: Plan) -> dict[str, Any] | None:
    """What would serve the workload: a share of the GPU, and KV cache in bytes."""
    least = enough(plan)
    if least is None:
        return None
    share = None if least.utilization is None else least.utilization / 100
    return {"gpu_memory_utilization": share, "kv_cache_memory_bytes": least.kv_cache_bytes}


def _bytes(term: Term | None) -> int | None:
    return term.bytes if term is not None else None


def _kv_cache(sized: Estimate, plan: Plan) -> dict[str, Any]:
    budget, feasibility = sized.budget, plan.feasibility
    assert feasibility is not None
    per_block = sized.bytes_per_block
    available = max(budget.available.expected, 0)
    return {
        "block_size": budget.block_size,
        "bytes_per_block": per_block,
        "num_blocks": available // per_block if per_block else None,
        "capacity_tokens": int(feasibility.max_concurrency * budget.max_model_len) if per_block else None,
        "max_concurrency": feasibility.max_concurrency if per_block else None,
        "one_request_bytes": feasibility.one_request_bytes,
        "max_model_len_that_fits": feasibility.max_model_len_that_fits,
        "max_concurrency_at_context": feasibility.max_concurrency_at_context,
        "max_context_at_concurrency": feasibility.max_context_at_concurrency,
        "grid": _grid(plan),
    }


def _grid(plan: Plan) -> dict[str, Any] | None:
    grid = fit_grid(plan)
    if grid is None:
        return None
    return {"max_model_len": grid.lengths, "concurrency": grid.concurrencies, "verdicts": grid.cells}


def _ranks(sized: Estimate | None) -> list[dict[str, Any]]:
    if sized is None:
        return []
    return [
        {
            "pipeline_stage": rank.pipeline_stage,
            "weights_bytes": rank.weights_bytes,
            "bytes_per_block": rank.bytes_per_block,
            "terms": [_term(term) for term in rank.terms],
            "kv_cache_available_bytes": _ends(rank.available),
        }
        for rank in sized.budget.ranks
    ]


def _ends(left: Interval | None) -> list[int] | None:
    """Low, expected, high."""
    return None if left is None else [left.low, left.expected, left.high]


def _failure(plan: Plan) -> dict[str, Any] | None:
    if plan.refusals:
        return {"kind": "refused", "message": plan.refusals[0].message}
    if isinstance(plan.estimate, Refusal):
        return {"kind": "refused", "message": plan.estimate.message}
    failure = plan.feasibility.failure if plan.feasibility is not None and not plan.unmodelled else None
    return None if failure is None else {"kind": failure.kind, "message": failure.message}


def _performance(plan: Plan) -> dict[str, Any] | None:
    said = plan.performance
    if not isinstance(said, Performance):
        return None
    return {
        "decode_tokens_per_s_per_request": _range_of(said.decode_per_request),
        "decode_tokens_per_s_total": _range_of(said.decode_total),
        "prefill_tokens_per_s": _range_of(said.prefill),
        "time_to_first_token_ms": _range_of(said.first_token_ms),
        "assumptions": list(said.assumptions),
    }


def _range_of(figure: Range) -> list[float]:
    return [float(f"{end:.4g}") for end in (figure.low, figure.high)]


def _findings(checked: Checked) -> list[dict[str, Any]]:
    return [_finding(checked, finding) for finding in checked.analysis.findings]


def _finding(checked: Checked, finding: Finding) -> dict[str, Any]:
    return {
        "file": None if checked.path is None else str(checked.path),
        "rule": finding.rule,
        "severity": finding.severity,
        "certainty": finding.certainty,
        "message": finding.message,
        "range": _range(checked, checked.analysis.span(finding.where)),
        "fixes": _fixes(checked, finding),
    }


def _fixes(checked: Checked, finding: Finding) -> list[dict[str, Any]]:
    found = []
    for fix in finding.fixes:
        edits = edits_of(checked.analysis, fix, checked.context)
        if edits is not None:
            written = [{"range": _range(checked, edit.span), "new_text": edit.new_text} for edit in edits]
            found.append({"title": fix.title, "safety": fix.safety, "edits": written})
    return found


def _range(checked: Checked, span: Span) -> dict[str, Any]:
    lines = checked.analysis.tree.lines
    ends = {"start": lines.position(span.start, "utf-16"), "end": lines.position(span.end, "utf-16")}
    return {name: {"line": at.line, "character": at.character} for name, at in ends.items()}


def detected_document(detected: Detected) -> dict[str, Any]:
    """``detect --json``."""
    rows = [
        {
            "index": gpu.index,
            "name": gpu.name,
            "id": catalogue_id(gpu),
            "total_bytes": gpu.total_bytes,
            "free_bytes": gpu.free_bytes,
            "compute_capability": _capability(gpu.capability),
            "uuid": gpu.uuid,
            "mig": gpu.mig,
            "nvlink_peers": list(gpu.nvlink_peers),
        }
        for gpu in detected.gpus
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "gpus": rows,
        "driver": detected.driver,
        "problem": detected.problem,
    }


def gpus_document() -> dict[str, Any]:
    """``gpus --json``."""
    return {"schema_version": SCHEMA_VERSION, "gpus": [_gpu_row(gpu) for gpu in all_gpus()]}


def _gpu_row(gpu: Gpu) -> dict[str, Any]:
    return {
        "id": gpu.id,
        "name": gpu.name,
        "vendor": gpu.vendor,
        "memory_bytes": gpu.memory_bytes,
        "memory_status": gpu.memory_status,
        "compute_capability": _capability(gpu.capability),
        "bandwidth_gbs": gpu.bandwidth_gbs,
    }


def _capability(capability: tuple[int, int] | None) -> str | None:
    return None if capability is None else f"{capability[0]}.{capability[1]}"


def models_document() -> dict[str, Any]:
    """``models --json``."""
    rows = [{"id": model.id, "parameters": model.parameters, "source": model.source} for model in catalogue().values()]
    return {"schema_version": SCHEMA_VERSION, "models": rows}

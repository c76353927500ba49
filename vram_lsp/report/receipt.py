"""A receipt as a page for people and as a document for programs. What is not known is null, never 0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vram_engine.estimate import Estimate
from vram_engine.hardware import Node
from vram_engine.plan import Plan
from vram_engine.view.summary import headline, missing, refusal_words
from vram_lsp.receipts import Receipt, Row

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
_GIB = 2**30
_ROUNDING = _GIB // 100


def receipt_document(given: Receipt, log: str, written: Path | None) -> dict[str, Any]:
    """``receipt --json``."""
    boot, plan = given.boot, given.plan
    refusal = boot.refusal
    return {
        "schema_version": SCHEMA_VERSION,
        "log": log,
        "model": plan.ref.name if plan.ref is not None else None,
        "vllm_version": str(boot.version) if boot.version is not None else None,
        "engine": boot.engine,
        "gpu": _gpu(plan),
        "arguments": {name: setting.value for name, setting in _known(plan)},
        "outcome": given.outcome,
        "refusal": None
        if refusal is None
        else {
            "kind": refusal.kind,
            "message": refusal.message,
            "needed_bytes": refusal.needed_bytes,
            "available_bytes": refusal.available_bytes,
            "estimated_max_model_len": refusal.estimated_max_model_len,
        },
        "verdict": plan.verdict,
        "terms": [_term(row) for row in given.rows],
        "kv_cache": _kv_cache(given),
        "notes": [*given.notes, *missing(plan), *refusal_words(plan)],
        "written": None if written is None else str(written),
    }


def _gpu(plan: Plan) -> str | None:
    return plan.node.gpu.id if isinstance(plan.node, Node) and plan.node.gpu.memory_status != "assumed" else None


def _known(plan: Plan) -> Iterator[tuple[str, Any]]:
    for name in plan.deployment.settings:
        setting = plan.deployment.effective(name)
        if setting is not None and plan.deployment.value(name) is not None:
            yield name, setting.value


def _term(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "predicted_bytes": row.expected,
        "interval_bytes": None if row.low is None else [row.low, row.high],
        "measured_bytes": row.measured,
        "difference_bytes": row.difference,
    }


def _kv_cache(given: Receipt) -> dict[str, Any]:
    boot, predicted = given.boot, _capacity(given.plan)
    tokens, concurrency, longest = predicted if predicted is not None else (None, None, None)
    estimated = boot.refusal.estimated_max_model_len if boot.refusal is not None else None
    return {
        "capacity_tokens": {"predicted": tokens, "measured": boot.tokens},
        "max_concurrency": {"predicted": concurrency, "measured": boot.concurrency},
        "max_model_len_that_fits": {"predicted": longest, "measured": estimated},
    }


def _capacity(plan: Plan) -> tuple[int, float, int] | None:
    """Tokens as this release prints them, requests of the longest length, and the longest length that fits."""
    sized, feasibility = plan.estimate, plan.feasibility
    if not isinstance(sized, Estimate) or feasibility is None:
        return None
    tokens = int(feasibility.max_concurrency * sized.budget.max_model_len)
    if sized.layout is not None and sized.layout.capacity_by_blocks and len(sized.layout.bytes_per_block) == 1:
        tokens = sized.layout.capacity_tokens((max(sized.budget.available.expected, 0),))
    return tokens, feasibility.max_concurrency, feasibility.max_model_len_that_fits


def print_receipt(given: Receipt, log: str, written: Path | None) -> None:
    """Predicted against measured, term by term."""
    from vram_lsp.report.terminal import standard_output

    _print(standard_output(), given, log, written)


def receipt_text(given: Receipt, log: str) -> str:
    """The same page as text."""
    from vram_lsp.report.terminal import written_page

    page = written_page()
    with page.capture() as captured:
        _print(page, given, log, None)
    return captured.get()


def _print(page: Console, given: Receipt, log: str, written: Path | None) -> None:
    from rich.table import Column, Table

    page.print(f"{log}: {_outcome_words(given)}")
    page.print(f"predicted: {headline(given.plan)}")
    columns = (Column(name, justify="right") for name in _COLUMNS)
    table = Table("GiB per GPU", *columns, box=None, pad_edge=False)
    for row in given.rows:
        table.add_row(row.name, *_cells(row))
    page.print(table)
    for line in (*_kv_words(given), *given.notes, *missing(given.plan), *refusal_words(given.plan)):
        page.print(line)
    if written is not None:
        page.print(f"written to {written}: this launch is sized with what it measured from now on")


_COLUMNS = ("predicted", "from", "to", "measured", "difference")


def _cells(row: Row) -> tuple[str, ...]:
    amounts = (row.expected, row.low, row.high, row.measured)
    difference = "" if row.difference is None else f"{row.difference / _GIB:+.2f}"
    inside = row.measured is None or row.low is None or row.high is None or _holds(row.low, row.measured, row.high)
    return (*("" if each is None else f"{each / _GIB:.2f}" for each in amounts), difference + ("" if inside else " !"))


def _holds(low: int, measured: int, high: int) -> bool:
    """Whether bounds hold a figure that the log rounds to hundredths of a GiB."""
    return low - _ROUNDING <= measured <= high + _ROUNDING


def _outcome_words(given: Receipt) -> str:
    boot = given.boot
    version = "" if boot.version is None else f"vLLM {boot.version} "
    if boot.refusal is None:
        return f"{version}started"
    return f"{version}did not start: {boot.refusal.message}"


def _kv_words(given: Receipt) -> Iterator[str]:
    for name, pair in _kv_cache(given).items():
        if pair["measured"] is not None or pair["predicted"] is not None:
            figures = f"predicted {_number(pair['predicted'])}, measured {_number(pair['measured'])}"
            yield f"{name.replace('_', ' ')}: {figures}"


def _number(value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"

"""What the command line prints: a document for programs or a page for people, and the exit code that goes with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vram_engine.ports import Detected, DetectedGpu
from vram_lsp.checking import Checked
from vram_lsp.cli import CLEAN, FAILED, FOUND, UsageError
from vram_lsp.detected import catalogue_id
from vram_lsp.report import document

if TYPE_CHECKING:
    from vram_lsp.receipts import Receipt
    from vram_lsp.recommending import Answer


def print_json(value: Any) -> None:
    """One JSON document on stdout, and nothing else."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def show_check(checked: Sequence[Checked], form: str) -> int:
    """The findings of every file; exit 1 for any error or warning."""
    _complain(checked)
    if form == "json":
        print_json(document.check_document(checked))
    elif form == "sarif":
        from vram_lsp.report.annotations import sarif

        print_json(sarif(checked))
    elif form == "github":
        from vram_lsp.report.annotations import github

        for line in github(checked):
            print(line)
    else:
        from vram_lsp.report import terminal

        terminal.print_check(checked)
    return exit_code(checked)


def show_plan(checked: Checked, *, as_json: bool, explain: bool, page: Path | None) -> int:
    """The budget of every deployment of one file; ``page`` is where it goes as a web page."""
    _complain([checked])
    if not checked.analysis.plans:
        raise UsageError(f"{checked.path} holds no vLLM deployment that is understood")
    if page is not None:
        _write_page(checked, page)
    if as_json:
        print_json(document.plan_document(checked))
    else:
        from vram_lsp.report import terminal

        terminal.print_plan(checked, explain=explain)
    return CLEAN


def _write_page(checked: Checked, page: Path) -> None:
    from vram_lsp.report import html

    try:
        page.write_text(html.plan_page(document.plan_document(checked)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{page} cannot be written: {error.strerror or error}") from error


def show_recommendations(checked: Checked, answers: Sequence[Answer], form: str) -> int:
    """The recommendations for every deployment of one file."""
    from vram_lsp.report import recommendation

    _complain([checked])
    if not answers:
        raise UsageError(f"{checked.path} holds no vLLM deployment that is understood")
    if form == "json":
        print_json(recommendation.recommendation_document(answers))
    else:
        recommendation.print_recommendations(answers)
    return CLEAN


def show_receipt(given: Receipt, log: str, written: Path | None, *, as_json: bool) -> int:
    """A log's measurements beside the prediction."""
    from vram_lsp.report import receipt

    if as_json:
        print_json(receipt.receipt_document(given, log, written))
    else:
        receipt.print_receipt(given, log, written)
    return CLEAN


def exit_code(checked: Sequence[Checked]) -> int:
    """0 when there is at most information, 1 for any error or warning."""
    severities = {finding.severity for each in checked for finding in each.analysis.findings}
    return FOUND if severities & {"error", "warning"} else CLEAN


def _complain(checked: Sequence[Checked]) -> None:
    """What in project files could not be used, once each."""
    for problem in dict.fromkeys(problem for each in checked for problem in each.problems):
        print(f"vram-lsp: {problem}", file=sys.stderr)


def show_detected(detected: Detected, *, as_json: bool) -> int:
    """The GPUs of this machine."""
    if as_json:
        print_json(document.detected_document(detected))
    elif not detected.gpus:
        print("No GPU found on this machine: neither NVIDIA's driver nor AMD's amd-smi or rocm-smi lists one.")
    else:
        if detected.driver is not None:
            print(f"driver {detected.driver}")
        for gpu in detected.gpus:
            print(_detected_line(gpu))
    return CLEAN


def _detected_line(gpu: DetectedGpu) -> str:
    free, total = gpu.free_bytes / 2**30, gpu.total_bytes / 2**30
    known = catalogue_id(gpu) or "not in the catalogue"
    links = f", NVLink to {', '.join(map(str, gpu.nvlink_peers))}" if gpu.nvlink_peers else ""
    uuid = f", {gpu.uuid}" if gpu.uuid is not None else ""
    return f"{gpu.index}: {gpu.name}, {total:.2f} GiB, {free:.2f} GiB free ({known}){links}{uuid}"


def show_rule(name: str) -> int:
    """A rule's page."""
    import difflib

    from vram_engine.rules import BY_NAME

    rule = BY_NAME.get(name)
    if rule is None:
        close = difflib.get_close_matches(name, BY_NAME, n=1)
        known = f"did you mean {close[0]}?" if close else f"there are {', '.join(BY_NAME)}"
        print(f"vram-lsp: there is no rule {name}; {known}", file=sys.stderr)
        return FAILED
    print(f"{rule.name}\n\n{rule.doc.strip()}")
    return CLEAN


def show_gpus(*, as_json: bool) -> int:
    """The catalogue of GPUs."""
    if as_json:
        print_json(document.gpus_document())
    else:
        from vram_lsp.report import terminal

        terminal.print_gpus()
    return CLEAN


def show_models(*, as_json: bool) -> int:
    """The catalogue of models."""
    if as_json:
        print_json(document.models_document())
    else:
        from vram_lsp.report import terminal

        terminal.print_models()
    return CLEAN

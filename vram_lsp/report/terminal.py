"""Pages for people, by rich. Plain text without colour or wrapping when stdout is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from rich.tree import Tree as RichTree

from vram_engine.estimate import Estimate
from vram_engine.facts.catalogue import catalogue
from vram_engine.facts.gpus import all_gpus
from vram_engine.feasibility import gib
from vram_engine.plan import Plan
from vram_engine.resolution import NoGpu
from vram_engine.rules.base import Finding
from vram_engine.sizing.budget import Term
from vram_engine.view.bar import bar
from vram_engine.view.enough import enough_words
from vram_engine.view.fits_on import fits_on
from vram_engine.view.kv_explained import kv_explained
from vram_engine.view.speed import speed_words
from vram_engine.view.summary import headline, kv_words, missing, notes, refused_words, rows
from vram_engine.view.term_words import term_words
from vram_lsp.checking import Checked
from vram_lsp.report.printable import printable

# Wide enough that nothing is wrapped where no terminal says how wide it is.
_UNWRAPPED = 10_000

_STYLE = {"error": "bold red", "warning": "yellow", "information": "cyan", "hint": "dim"}
_VERDICT_STYLE = {"fits": "bold green", "at-risk": "bold yellow", "infeasible": "bold red", "unknown": "bold cyan"}


def standard_output() -> Console:
    """Standard output: as wide as the terminal, and unwrapped where there is none."""
    return Console(width=None if sys.stdout.isatty() else _UNWRAPPED, markup=False, highlight=False, soft_wrap=True)


def written_page() -> Console:
    """A page that nobody's terminal shapes: for text that goes elsewhere."""
    return Console(width=_UNWRAPPED, markup=False, highlight=False, soft_wrap=True, color_system=None, file=StringIO())


def print_check(checked: Sequence[Checked]) -> None:
    """Findings as ``path:line:column: severity[rule]: message``, verdicts, and a count."""
    console = standard_output()
    findings = 0
    for each in checked:
        for finding in each.analysis.findings:
            console.print(_finding_line(each, finding))
            findings += 1
    plans = [(each, plan) for each in checked for plan in each.analysis.plans]
    for each, plan in plans:
        console.print(_verdict_line(each.path, plan))
    noun = "finding" if findings == 1 else "findings"
    deployed = "deployment" if len(plans) == 1 else "deployments"
    files = "file" if len(checked) == 1 else "files"
    console.print(f"{findings} {noun}, {len(plans)} {deployed}, {len(checked)} {files}")


def _finding_line(checked: Checked, finding: Finding) -> Text:
    at = checked.analysis.tree.lines.position(checked.analysis.span(finding.where).start, "utf-32")
    line = Text("" if checked.path is None else f"{checked.path}:{at.line + 1}:{at.character + 1}: ")
    line.append(f"{finding.severity}[{finding.rule}]", style=_STYLE[finding.severity])
    line.append(f": {printable(finding.message)}")
    return line


def _verdict_line(path: Path | None, plan: Plan) -> Text:
    verdict, _, rest = headline(plan).partition(": ")
    line = Text("" if path is None else f"{path}: ")
    line.append(verdict, style=_VERDICT_STYLE[plan.verdict])
    line.append(f": {printable(rest)}")
    if plan.feasibility is not None and plan.verdict in ("fits", "at-risk"):
        line.append(f", {gib(plan.feasibility.headroom_bytes)} free per GPU")
    return line


def print_plan(checked: Checked, *, explain: bool) -> None:
    """The budget of every deployment, its findings, and with ``explain`` every term down to its parts."""
    console = standard_output()
    for plan in checked.analysis.plans:
        console.print(_verdict_line(checked.path, plan))
        _print_budget(console, plan)
        if explain and isinstance(plan.estimate, Estimate):
            for note in notes(plan):
                console.print(printable(f"- {note}"))
            for term in plan.estimate.budget.terms:
                console.print(_term_tree(term))
            console.print(_kv_tree(plan))
        for recommendation in plan.recommendations:
            console.print(printable(f"  would fit: {recommendation.title}"))
    for finding in checked.analysis.findings:
        console.print(_finding_line(checked, finding))


def _kv_tree(plan: Plan) -> RichTree:
    tree = RichTree("KV cache")
    for line in kv_explained(plan):
        tree.add(line)
    return tree


def _print_budget(console: Console, plan: Plan) -> None:
    lines = rows(plan)
    if lines:
        table = Table("per GPU", Column("GiB", justify="right"), "", "why", box=None, pad_edge=False)
        whole = max(row.bytes for row in lines)
        for row in lines:
            style = "bold" if row.strong else ""
            amount = Text(f"{row.bytes / 2**30:.2f}", style=style)
            table.add_row(Text(row.name, style=style), amount, bar(row.bytes, whole), Text(row.because, style="dim"))
        console.print(table)
        console.print(kv_words(plan))
        if least := enough_words(plan):
            console.print(least)
        if speed := speed_words(plan):
            console.print(speed)
    for reason in refused_words(plan):
        console.print(printable(reason))
    for reason in missing(plan):
        console.print(printable(f"no verdict: {reason}"))
    if isinstance(plan.node, NoGpu) and plan.model is not None:
        gpus = fits_on(plan)
        if gpus:
            console.print("fits on: " + ", ".join(gpu.id for gpu in gpus))


def _term_tree(term: Term) -> RichTree:
    tree = RichTree(_term_line(term))
    for part in _parts(term):
        tree.add(_term_tree(part))
    return tree


def _parts(term: Term) -> Iterator[Term]:
    yield from (part for part in term.parts if part.bytes or part.high)


def _term_line(term: Term) -> Text:
    band = f" ({gib(term.low)} to {gib(term.high)})" if term.high > term.low else ""
    line = Text(f"{term_words(term)} {gib(term.bytes)}{band} ")
    line.append(f"[{term.basis}] {term.because}", style="dim")
    return line


def print_gpus() -> None:
    """The catalogue of GPUs as a table."""
    table = Table("id", "name", "memory", "capability", "known", box=None, pad_edge=False)
    for gpu in all_gpus():
        capability = "" if gpu.capability is None else f"{gpu.capability[0]}.{gpu.capability[1]}"
        table.add_row(gpu.id, gpu.name, gib(gpu.memory_bytes), capability, gpu.memory_status)
    standard_output().print(table)


def print_models() -> None:
    """The catalogue of models as a table."""
    table = Table("id", "parameters", box=None, pad_edge=False)
    for model in catalogue().values():
        table.add_row(model.id, f"{model.parameters:,}")
    standard_output().print(table)

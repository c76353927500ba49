"""Findings for other programs' pages: GitHub's workflow annotations, and SARIF 2.1.0 for code scanning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vram_engine.rules import RULES
from vram_engine.rules.base import Finding, Severity
from vram_lsp import __version__, rule_pages
from vram_lsp.checking import Checked

_COMMAND: dict[Severity, str] = {"error": "error", "warning": "warning", "information": "notice", "hint": "notice"}
_LEVEL: dict[Severity, str] = {"error": "error", "warning": "warning", "information": "note", "hint": "note"}


def github(checked: Sequence[Checked]) -> Iterator[str]:
    """One workflow command a finding; lines and columns are 1-based."""
    for each in checked:
        for finding in each.analysis.findings:
            region = _region(each, finding)
            place = (
                f"file={_property(str(each.path))},line={region['startLine']},endLine={region['endLine']},"
                f"col={region['startColumn']},endColumn={region['endColumn']},title={_property(finding.rule)}"
            )
            yield f"::{_COMMAND[finding.severity]} {place}::{_escaped(finding.message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def sarif(checked: Sequence[Checked]) -> dict[str, Any]:
    """One run with every rule and every finding; columns count UTF-16 units."""
    driver = {
        "name": "vram-lsp",
        "version": __version__,
        "rules": [
            {
                "id": rule.name,
                "shortDescription": {"text": rule.summary},
                "fullDescription": {"text": rule.doc.strip()},
                "helpUri": rule_pages.uri(rule.name),
            }
            for rule in RULES
        ],
    }
    results = [_result(each, finding) for each in checked for finding in each.analysis.findings]
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _result(checked: Checked, finding: Finding) -> dict[str, Any]:
    artifact = {"uri": _uri(checked.path)}
    location = {"physicalLocation": {"artifactLocation": artifact, "region": _region(checked, finding)}}
    return {
        "ruleId": finding.rule,
        "level": _LEVEL[finding.severity],
        "message": {"text": finding.message},
        "locations": [location],
    }


def _uri(path: Path | None) -> str:
    """Relative where the path is, as code scanning wants it."""
    if path is None:
        return ""
    return path.as_uri() if path.is_absolute() else path.as_posix()


def _region(checked: Checked, finding: Finding) -> dict[str, int]:
    lines, span = checked.analysis.tree.lines, checked.analysis.span(finding.where)
    start, end = lines.position(span.start, "utf-16"), lines.position(span.end, "utf-16")
    return {
        "startLine": start.line + 1,
        "startColumn": start.character + 1,
        "endLine": end.line + 1,
        "endColumn": end.character + 1,
    }

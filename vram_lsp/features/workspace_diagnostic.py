"""workspace/diagnostic: the findings of every YAML file below the workspace's folders that is not open."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lsprotocol import types

from vram_engine.analysis import Context
from vram_engine.ports import ModelSource
from vram_engine.text import Encoding
from vram_lsp.answers import find
from vram_lsp.config import Config
from vram_lsp.features.diagnostics import diagnostics
from vram_lsp.session import Snapshot

# A workspace with more is not looked through to its end.
MOST_FILES = 5_000
LARGEST_FILE = 4_000_000

Report = types.WorkspaceFullDocumentDiagnosticReport | types.WorkspaceUnchangedDocumentDiagnosticReport


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was on disk: a report is good for as long as none of this changes."""

    path: Path
    modified_ns: int
    size: int
    generation: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What reports are made with; used from a thread, so it is all plain values."""

    folders: tuple[Path, ...]
    encoding: Encoding
    sources: tuple[ModelSource, ...]
    generation: int


def files(scan: Scan, but: frozenset[Path]) -> list[File]:
    """The YAML files below the folders, as git would list them, without those that are open."""
    return list(islice(_files(scan, but), MOST_FILES))


def _files(scan: Scan, but: frozenset[Path]) -> Iterator[File]:
    from vram_lsp.checking import yaml_files

    seen = set(but)
    for folder in scan.folders:
        for path in yaml_files(folder):
            if isinstance(path, Path) and path not in seen:
                seen.add(path)
                found = _file(path, scan.generation)
                if found is not None and found.size <= LARGEST_FILE:
                    yield found


def _file(path: Path, generation: int) -> File | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return File(path, status.st_mtime_ns, status.st_size, generation)


def full_report(scan: Scan, file: File, config: Config) -> types.WorkspaceFullDocumentDiagnosticReport | None:
    """A file's findings, its models looked up; None for a file of another kind or one that cannot be read."""
    try:
        text = file.path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    folders = (file.path.parent, *scan.folders)
    context = Context(
        folders=tuple(folder.as_posix() for folder in folders),
        settings=config.settings,
        severities=config.severities,
        measured=config.measured,
    )
    snapshot = Snapshot(file.path.as_uri(), 0, text, scan.encoding, context, folders)
    while snapshot.analysis.wants:
        context = context.knowing({wanted: find(scan.sources, wanted, folders) for wanted in snapshot.analysis.wants})
        snapshot = replace(snapshot, context=context, before=snapshot.analysis)
    if not snapshot.analysis.is_ours:
        return None
    items = diagnostics(snapshot).diagnostics
    return types.WorkspaceFullDocumentDiagnosticReport(snapshot.uri, items, result_id=_id(items))


def _id(items: Iterable[types.Diagnostic]) -> str:
    return hashlib.blake2b(repr(items).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def news(report: types.WorkspaceFullDocumentDiagnosticReport, previous: str | None) -> Report:
    """The report, or its id alone where the client has it."""
    if report.result_id is not None and report.result_id == previous:
        return types.WorkspaceUnchangedDocumentDiagnosticReport(report.uri, report.result_id)
    return report


def gone(previous: Iterable[str], found: Iterable[str]) -> list[Report]:
    """Empty reports for files that the client has findings of and that are none of ours any more."""
    missing = sorted(set(previous) - set(found))
    return [types.WorkspaceFullDocumentDiagnosticReport(uri, []) for uri in missing]

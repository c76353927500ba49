"""textDocument/diagnostic: the findings for a client that asks for them, or that they are what it has already."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from lsprotocol import types

from vram_lsp.features.diagnostics import diagnostics
from vram_lsp.session import Snapshot

Report: TypeAlias = types.RelatedFullDocumentDiagnosticReport | types.RelatedUnchangedDocumentDiagnosticReport

NOTHING: Report = types.RelatedFullDocumentDiagnosticReport([])


def document_diagnostic(snapshot: Snapshot, previous: str | None, typed: int | None = None) -> Report:
    """A full report under an id made of its content, or the id alone where the client has that content."""
    items = diagnostics(snapshot, typed).diagnostics
    result_id = hashlib.blake2b(repr(items).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    if result_id == previous:
        return types.RelatedUnchangedDocumentDiagnosticReport(result_id)
    return types.RelatedFullDocumentDiagnosticReport(items, result_id=result_id)

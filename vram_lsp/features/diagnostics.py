"""textDocument/publishDiagnostics: the findings of a snapshot."""

from __future__ import annotations

from lsprotocol import types

from vram_lsp import proto
from vram_lsp.patience import shown
from vram_lsp.session import Snapshot


def diagnostics(snapshot: Snapshot, typed: int | None = None) -> types.PublishDiagnosticsParams:
    """Every finding, for exactly this version, without those of the line ``typed`` that wait until it is written."""
    analysis = snapshot.analysis
    found = [proto.diagnostic(snapshot.uri, analysis, each, snapshot.encoding) for each in shown(analysis, typed)]
    return types.PublishDiagnosticsParams(snapshot.uri, found, snapshot.version)

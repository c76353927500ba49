"""textDocument/publishDiagnostics: the findings of a snapshot."""

from __future__ import annotations

from lsprotocol import types

from vram_lsp import proto
from vram_lsp.session import Snapshot


def diagnostics(snapshot: Snapshot) -> types.PublishDiagnosticsParams:
    """Every finding, for exactly this version."""
    analysis = snapshot.analysis
    found = [proto.diagnostic(snapshot.uri, analysis, finding, snapshot.encoding) for finding in analysis.findings]
    return types.PublishDiagnosticsParams(snapshot.uri, found, snapshot.version)

"""textDocument/codeLens: the verdict over each deployment; a click asks for its plan."""

from __future__ import annotations

from lsprotocol import types

from vram_engine.view.code_lens import code_lenses as view
from vram_lsp import proto
from vram_lsp.features.execute_command import PLAN
from vram_lsp.session import Snapshot


def code_lenses(snapshot: Snapshot) -> list[types.CodeLens]:
    """One for each deployment."""
    lines = snapshot.analysis.tree.lines
    return [
        types.CodeLens(
            proto.range_of(lines, lens.span, snapshot.encoding),
            types.Command(lens.title, PLAN, arguments=[snapshot.uri]),
        )
        for lens in view(snapshot.analysis)
    ]

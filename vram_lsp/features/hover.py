"""textDocument/hover: the deployment's verdict and memory."""

from __future__ import annotations

from lsprotocol import types

from vram_engine.view.hover import hover as view
from vram_lsp import proto
from vram_lsp.session import Snapshot


def hover(snapshot: Snapshot, position: types.Position) -> types.Hover | None:
    """The hover at a position."""
    lines = snapshot.analysis.tree.lines
    found = view(snapshot.analysis, proto.offset_of(lines, position, snapshot.encoding))
    return None if found is None else proto.hover(lines, found, snapshot.encoding)

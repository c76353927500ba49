"""textDocument/hover: the deployment's verdict and memory."""

from __future__ import annotations

from lsprotocol import types

from vram_engine.view.hover import hover as view
from vram_lsp import proto
from vram_lsp.session import Snapshot


def hover(snapshot: Snapshot, position: types.Position, abilities: proto.Abilities) -> types.Hover | None:
    """The hover at a position, in the form the client shows."""
    lines = snapshot.analysis.tree.lines
    found = view(snapshot.analysis, proto.offset_of(lines, position, snapshot.encoding))
    if found is None:
        return None
    contents = proto.markup(found.markdown, markdown=abilities.hovers_markdown)
    return types.Hover(contents, proto.range_of(lines, found.span, snapshot.encoding))

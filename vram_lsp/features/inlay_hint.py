"""textDocument/inlayHint: memory behind keys, and the defaults that apply."""

from __future__ import annotations

from lsprotocol import types

from vram_engine.text import Span
from vram_engine.view.inlay_hints import inlay_hints as view
from vram_lsp import proto
from vram_lsp.session import Snapshot


def inlay_hints(snapshot: Snapshot, params: types.InlayHintParams) -> list[types.InlayHint]:
    """The hints in a range."""
    lines = snapshot.analysis.tree.lines
    found = view(snapshot.analysis, proto.span_of(lines, params.range, snapshot.encoding))
    return [
        types.InlayHint(
            proto.range_of(lines, Span(hint.offset, hint.offset), snapshot.encoding).start,
            hint.label,
            tooltip=hint.tooltip,
            padding_left=True,
        )
        for hint in found
    ]

"""Comments that speak to us: ``# vram: ...``. PyYAML drops comments, so they are found in the text beside the tree."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from vram_engine.syntax.nodes import Comment, Mapping, Node, Scalar, Sequence, Tree
from vram_engine.text import Span

# It begins with the sign itself, which is found much faster than what may stand before it is looked at.
_TO_US = re.compile(r"#(?<![^\s\ufeff]#)[ \t]*vram[ \t]*:[^\r\n]*")


def comments_to_us(text: str, span: Span, root: Node | None) -> tuple[Comment, ...]:
    """The ``# vram:`` comments of one document, those inside scalars (a shell script, a description) left out."""
    if "vram" not in text[span.start : span.end]:
        return ()
    found = list(_TO_US.finditer(text, span.start, span.end))
    if not found:
        return ()
    scalars = sorted(_scalar_spans(root))
    starts = [scalar.start for scalar in scalars]
    return tuple(
        Comment(Span(match.start(), match.end()), match[0][1:])
        for match in found
        if not _inside(match.start(), scalars, starts)
    )


def _inside(offset: int, scalars: list[Span], starts: list[int]) -> bool:
    index = bisect_right(starts, offset) - 1
    return index >= 0 and offset < scalars[index].end


def _scalar_spans(root: Node | None) -> Iterator[Span]:
    stack: list[Node] = [root] if root is not None else []
    while stack:
        node = stack.pop()
        if isinstance(node, Scalar):
            yield node.span
        elif isinstance(node, Sequence):
            stack.extend(node.items)
        elif isinstance(node, Mapping):
            for entry in node.entries:
                stack += (entry.key, entry.value)


def line_for_comments(tree: Tree, offset: int) -> int:
    """The line that comments about ``offset`` belong to: its own, or where a scalar of several lines starts."""
    for document in tree.documents:
        if document.span.start <= offset <= document.span.end:
            for span in _scalar_spans(document.root):
                if span.start <= offset < span.end:
                    return tree.lines.line_of(span.start)
    return tree.lines.line_of(offset)

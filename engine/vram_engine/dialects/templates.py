"""Go templates, as in Helm charts: not YAML until they are rendered, and so nobody's deployment yet."""

from __future__ import annotations

import re
from bisect import bisect_right

from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Sequence
from vram_engine.text import Span

# What only a chart has; {{.Name}} and the like are filled in by controllers, too.
_ACTION = re.compile(
    r"\{\{(?:-|\s*-?\s*(?:if|else|end|range|with|define|include|template|block|toYaml|required|default|tpl)\b"
    r"|\s*\$?\.(?:Values|Release|Chart|Files|Capabilities|Template)\b|\s*\$)"
)


def is_template(text: str, document: Document) -> bool:
    """Whether template actions stand in the document itself, and not in a scalar, which a chart may render later."""
    if text.find("{{", document.span.start, document.span.end) < 0:
        return False
    found = list(_ACTION.finditer(text, document.span.start, document.span.end))
    if not found:
        return False
    scalars = sorted(_scalars(document.root))
    starts = [span.start for span in scalars]
    return any(not _inside(match.start(), scalars, starts) and not _in_comment(text, match.start()) for match in found)


def _scalars(root: Node | None) -> list[Span]:
    spans: list[Span] = []
    stack: list[Node] = [root] if root is not None else []
    while stack:
        node = stack.pop()
        if isinstance(node, Scalar):
            spans.append(node.span)
        elif isinstance(node, Sequence):
            stack.extend(node.items)
        elif isinstance(node, Mapping):
            for entry in node.entries:
                stack += (entry.key, entry.value)
    return spans


def _inside(offset: int, spans: list[Span], starts: list[int]) -> bool:
    index = bisect_right(starts, offset) - 1
    return index >= 0 and offset < spans[index].end


def _in_comment(text: str, offset: int) -> bool:
    return text[text.rfind("\n", 0, offset) + 1 : offset].lstrip().startswith("#")

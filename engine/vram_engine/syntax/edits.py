"""Text edits, and how a YAML value is replaced or a key inserted without touching anything else.

Style is kept: quotes, indentation, line breaks, a missing final newline. Where that cannot be promised
(an anchor, an alias, a multi-line value) the answer is None: no edit rather than a doubtful one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from vram_engine.syntax.nodes import Entry, Mapping, Node, Scalar, Tree
from vram_engine.syntax.route import Route, entry_at, node_at
from vram_engine.syntax.scalars import yaml11
from vram_engine.text import Span


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replace ``span`` by ``new_text``."""

    span: Span
    new_text: str


def apply(text: str, edits: tuple[TextEdit, ...]) -> str:
    """``text`` after edits that do not overlap; two insertions at one place keep their order."""
    # Last first, so that offsets stay good; of two insertions at one place the later goes first, to end up behind.
    for _, edit in sorted(enumerate(edits), key=lambda each: (each[1].span.start, each[0]), reverse=True):
        text = text[: edit.span.start] + edit.new_text + text[edit.span.end :]
    return text


def set_value(tree: Tree, document: int, route: Route, value: str) -> TextEdit | None:
    """Give the key at ``route`` the value ``value`` (YAML text, unquoted): replaced where it is, else inserted."""
    if document >= len(tree.documents):
        return None
    root = tree.documents[document].root
    entry = entry_at(root, route)
    if entry is not None:
        return replace_value(tree, entry, value)
    for depth in range(len(route) - 1, -1, -1):
        parent = node_at(root, route[:depth])
        if isinstance(parent, Mapping):
            begun = parent.entry(str(route[depth]))
            if begun is not None:
                return _insert_below(tree, begun, route[depth + 1 :], value)
            return _insert(tree, parent, route[depth:], value)
        if parent is not None and not _is_empty(parent):
            return None
    return None


def replace_value(tree: Tree, entry: Entry, value: str) -> TextEdit | None:
    """Replace an entry's scalar, in its own quotes."""
    node = entry.value
    if not isinstance(node, Scalar):
        return None
    if _is_empty(node):
        return _fill(tree, entry, value)
    written = tree.text[node.span.start : node.span.end]
    if written[:1] in ("&", "!") or node.style in ("|", ">") or "\n" in written:
        return None
    return TextEdit(node.span, quoted(value, node.style))


def rewrite_value(tree: Tree, entry: Entry, value: str) -> TextEdit | None:
    """Replace an entry's scalar and its quotes: where the quotes are what is wrong."""
    edit = replace_value(tree, entry, value)
    if edit is None or edit.span != entry.value.span:
        return edit
    return TextEdit(edit.span, quoted(value, ""))


def rename_key(entry: Entry, key: str) -> TextEdit | None:
    """Replace an entry's key, in its own quotes."""
    if not isinstance(entry.key, Scalar) or entry.key.style in ("|", ">"):
        return None
    return TextEdit(entry.key.span, quoted(key, entry.key.style))


def remove_entry(tree: Tree, document: int, route: Route) -> TextEdit | None:
    """Take out the key at ``route`` with its line; None where it shares the line, is alone, or may be referred to."""
    root = tree.documents[document].root if document < len(tree.documents) else None
    entry, parent = entry_at(root, route), node_at(root, route[:-1])
    if entry is None or not isinstance(parent, Mapping) or parent.flow or len(parent.entries) < 2:
        return None
    start = tree.lines.starts[tree.lines.line_of(entry.key.span.start)]
    end = _end_of_entry(tree, entry)
    written = tree.text[entry.value.span.start : entry.value.span.end]
    if tree.text[start : entry.key.span.start].strip(" ") or not isinstance(entry.value, Scalar) or "\n" in written:
        return None
    if "&" in tree.text[entry.key.span.end : entry.value.span.start] + written[:1]:
        return None
    line = tree.lines.line_of(entry.key.span.start)
    is_last_line = line + 1 >= len(tree.lines.starts)
    return TextEdit(Span(start, end if is_last_line else tree.lines.starts[line + 1]), "")


def quoted(value: str, style: str) -> str:
    """``value`` as a YAML scalar of ``style``; a plain string that YAML would read as something else is quoted."""
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    if style == '"':
        return json.dumps(value, ensure_ascii=False)
    return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)


def _is_plain(value: str) -> bool:
    risky = value[:1] in "-?:,[]{}#&*!|>'\"%@` " or ": " in value or " #" in value or value.endswith((":", " "))
    return bool(value) and "\n" not in value and not risky and yaml11(value, "", None) is not None


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.style == "" and node.span.start == node.span.end


def _fill(tree: Tree, entry: Entry, value: str) -> TextEdit | None:
    """Write a value after ``key:``."""
    colon = tree.text.find(":", entry.key.span.end)
    if colon < 0 or tree.text[entry.key.span.end : colon].strip():
        return None
    return TextEdit(Span(colon + 1, colon + 1), " " + quoted(value, ""))


def _insert(tree: Tree, parent: Mapping, path: Route, value: str) -> TextEdit | None:
    """Write ``path[0]: ... path[-1]: value`` as the last entry of ``parent``."""
    keys = [step for step in path if isinstance(step, str)]
    if len(keys) != len(path) or not parent.entries:
        return None
    if parent.flow:
        return _insert_in_flow(tree, parent, keys, value)
    last = parent.entries[-1]
    column = _column(tree, last.key.span.start)
    if column is None:
        return None
    newline = "\r\n" if "\r\n" in tree.text else "\n"
    lines = [" " * (column + 2 * depth) + key + ":" for depth, key in enumerate(keys)]
    written = newline.join(lines) + " " + quoted(value, "")
    at = _end_of_entry(tree, last)
    if at == tree.lines.starts[tree.lines.line_of(at)] and at > 0:
        return TextEdit(Span(at, at), written + newline)
    return TextEdit(Span(at, at), newline + written)


def _insert_below(tree: Tree, section: Entry, path: Route, value: str) -> TextEdit | None:
    """Write ``path`` as the first thing in a section whose key is there and which is still empty."""
    keys = [step for step in path if isinstance(step, str)]
    column = _column(tree, section.key.span.start)
    if not _is_empty(section.value) or len(keys) != len(path) or column is None:
        return None
    newline = "\r\n" if "\r\n" in tree.text else "\n"
    lines = [" " * (column + 2 * (depth + 1)) + key + ":" for depth, key in enumerate(keys)]
    at = tree.lines.line_span(tree.lines.line_of(section.key.span.end)).end
    return TextEdit(Span(at, at), newline + newline.join(lines) + " " + quoted(value, ""))


def _insert_in_flow(tree: Tree, parent: Mapping, keys: list[str], value: str) -> TextEdit | None:
    if len(keys) != 1:
        return None
    at = max(parent.entries[-1].value.span.end, parent.entries[-1].key.span.end)
    rest = tree.text[at : parent.span.end]
    if "#" in rest or "," in rest:
        return None
    return TextEdit(Span(at, at), f", {keys[0]}: {quoted(value, '')}")


def _column(tree: Tree, offset: int) -> int | None:
    """The indentation of a key that stands first on its line (behind list dashes); None when something else does."""
    start = tree.lines.starts[tree.lines.line_of(offset)]
    before = tree.text[start:offset].removeprefix("\ufeff")
    return len(before) if not before.strip(" -") else None


def _end_of_entry(tree: Tree, entry: Entry) -> int:
    """The end of the line on which an entry ends, comments included."""
    end = max(entry.key.span.end, entry.value.span.end)
    line = tree.lines.line_of(end)
    at_line_start = end == tree.lines.starts[line]
    return end if at_line_start else tree.lines.line_span(line).end

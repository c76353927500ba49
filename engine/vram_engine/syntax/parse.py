"""Text to Tree. Never raises: what is not YAML becomes a Problem, and the rest of the file keeps its exact offsets.

PyYAML's C parser is the grammar (vLLM reads with PyYAML), used for its events, because they keep aliases apart from
what they stand for. When it refuses, the offending value or line is blanked with spaces of equal length and the
document is parsed again. Measured by ``tests/bench/parsing.py`` on thirteen half-typed texts: every intact key survives
in all of them here, and in eight with tree-sitter-yaml; a 500-line file takes 4 ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from vram_engine.syntax.comments import comments_to_us
from vram_engine.syntax.nodes import Alias, Document, Entry, Mapping, Node, Problem, Scalar, Sequence, Tree
from vram_engine.text import LineIndex, Span

# Past these the file is not a deployment: it is left alone rather than read slowly.
_LARGEST_TEXT = 4_000_000
_DEEPEST = 200
# Every repair parses again, so a large document gets fewer.
_MOST_REPAIRS = 40
_CHARACTERS_TO_REPARSE = 400_000

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# At the start of a line, which is looked back at because the signs are found much faster than lines are.
_MARKER = re.compile(r"(?:---|\.\.\.)(?<![^\n].{3})(?=[ \t\r\n]|\Z)")
_ONLY_COMMENTS = re.compile(r"(?:[ \t]*(?:[#%][^\r\n]*)?(?:\r\n|\r|\n))*")
_TAB_INDENT = re.compile(r"^([ \t]*\t[ \t]*)(?=\S)", re.MULTILINE)
_KEY_AND_VALUE = re.compile(r"[ \t]*(?:-[ \t]+)*(?:[\w.$/-]+|\"[^\"]*\"|'[^']*')[ \t]*:(?=[ \t])")


class Marked(Protocol):
    """A place in the source, of either of PyYAML's two parsers."""

    @property
    def index(self) -> int: ...


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str) -> Tree:
    """The tree of ``text``; total: any string gives a tree."""
    if len(text) > _LARGEST_TEXT:
        return Tree(text, LineIndex(""), ())
    lines = LineIndex(text)
    source = _UNREADABLE.sub(" ", text)
    documents = tuple(_document(text, source, span) for span in _document_spans(text))
    return Tree(text, lines, documents)


def _document_spans(text: str) -> Iterator[Span]:
    """The documents of a file. A marker at the start of a line cannot be inside a scalar (YAML 1.1, 9.1)."""
    first = 1 if text.startswith("\ufeff") else 0
    markers = [match.start() for match in _MARKER.finditer(text) if match.start() > first]
    # Comments and directives above the first marker belong to the document it opens.
    if markers and _ONLY_COMMENTS.fullmatch(text, first, markers[0]) and text.startswith("---", markers[0]):
        del markers[0]
    starts = [first, *markers, len(text)]
    for start, end in pairwise(starts):
        yield Span(start, end)
    if len(starts) == 1:
        yield Span(first, len(text))


def _document(text: str, source: str, span: Span) -> Document:
    root, problems = _read(source[span.start : span.end], span.start)
    return Document(span, root, comments_to_us(text, span, root), problems)


def _read(source: str, base: int) -> tuple[Node | None, tuple[Problem, ...]]:
    """The root of one document's ``source``, which starts at offset ``base`` of its file."""
    problems: list[Problem] = []
    repairs = max(4, min(_MOST_REPAIRS, _CHARACTERS_TO_REPARSE // (len(source) + 1)))
    for _ in range(repairs):
        builder = _Builder(base)
        try:
            root = builder.build(yaml.parse(source, Loader=_Loader))
        except yaml.MarkedYAMLError as error:
            at = _said(source, _fault(error, builder.last_scalar, base, source))
            problems.append(_problem(error, at, source, base))
            source = _repaired(source, at)
        except (yaml.YAMLError, RecursionError):
            return None, (Problem(Span(base, base), "this is not YAML"),)
        else:
            return root, (*problems, *builder.problems)
    return _read_up_to(source, problems[-1].span.start - base, base), tuple(problems)


def _read_up_to(source: str, fault: int, base: int) -> Node | None:
    """What stands before a fault, when there were too many to repair."""
    start = source.rfind("\n", 0, max(fault, 0)) + 1
    try:
        return _Builder(base).build(yaml.parse(source[:start], Loader=_Loader))
    except (yaml.YAMLError, RecursionError):
        return None


def _fault(error: yaml.MarkedYAMLError, last: Scalar | None, base: int, source: str) -> int:
    """The offset in ``source`` to blame: where the broken construct opened, if the parser can say."""
    problem = min(_index(error.problem_mark, len(source)), len(source))
    context = error.context or ""
    if error.context_mark is not None and not context.startswith("while parsing a block"):
        return min(_index(error.context_mark, len(source)), len(source))
    # A quote left open swallows lines up to the next quote, and the fault shows only there.
    if last is not None and last.style in ("'", '"') and "\n" in source[last.span.start - base : last.span.end - base]:
        return last.span.start - base
    return problem


def _index(mark: Marked | None, default: int) -> int:
    return default if mark is None else int(mark.index)


def _problem(error: yaml.MarkedYAMLError, at: int, source: str, base: int) -> Problem:
    start = source.rfind("\n", 0, at) + 1
    end = _line_end(source, at)
    stripped = source[start:end].strip()
    first = source.find(stripped, start, end) if stripped else start
    words = " ".join(part for part in (error.problem, error.context) if part)
    return Problem(Span(base + max(first, start), base + max(first + len(stripped), start)), words)


def _line_end(source: str, at: int) -> int:
    end = source.find("\n", at)
    end = len(source) if end < 0 else end
    return end - 1 if end > 0 and source[end - 1] == "\r" and end - 1 >= at else end


def _repaired(source: str, at: int) -> str:
    """``source`` with the fault at ``at`` made harmless, no offset moved."""
    untabbed = _TAB_INDENT.sub(lambda match: " " * len(match[1]), source)
    if untabbed != source:
        return untabbed
    start, end = source.rfind("\n", 0, at) + 1, _line_end(source, at)
    key = _KEY_AND_VALUE.match(source, start, end)
    if key is not None and at >= key.end() and source[key.end() : end].strip():
        start = key.end()
    return source[:start] + " " * (end - start) + source[end:]


def _said(source: str, at: int) -> int:
    """``at``, or where the last thing was said before it, when the parser blames an empty line or the text's end."""
    start = source.rfind("\n", 0, at) + 1
    if source[start : _line_end(source, at)].strip():
        return at
    return max(len(source[:start].rstrip()) - 1, 0)


class _Builder:
    """Turns one document's events into nodes, with a stack of its own so that depth costs no recursion."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.anchors: dict[str, Node] = {}
        self.problems: list[Problem] = []
        self.last_scalar: Scalar | None = None
        self._open: list[tuple[CollectionStartEvent, list[Node]]] = []
        self._root: Node | None = None

    def build(self, events: Iterator[Event]) -> Node | None:
        """The first document's root; raises what the parser raises."""
        for event in events:
            if isinstance(event, ScalarEvent):
                self._scalar(event)
            elif isinstance(event, AliasEvent):
                self._alias(event)
            elif isinstance(event, CollectionStartEvent):
                self._start(event)
            elif isinstance(event, CollectionEndEvent):
                self._end(event)
        return self._root

    def _span(self, event: Event) -> Span:
        return Span(_index(event.start_mark, 0) + self.base, _index(event.end_mark, 0) + self.base)

    def _scalar(self, event: ScalarEvent) -> None:
        tag = event.tag if event.tag not in (None, "!") else None
        node = Scalar(self._span(event), event.value, event.style or "", tag)
        self.last_scalar = node
        self._add(event, node)

    def _alias(self, event: AliasEvent) -> None:
        target = self.anchors.get(event.anchor or "")
        span = self._span(event)
        if target is None:
            self.problems.append(Problem(span, f"no anchor &{event.anchor} stands before this alias"))
        self._add(event, Alias(span, target))

    def _start(self, event: CollectionStartEvent) -> None:
        if len(self._open) >= _DEEPEST:
            raise RecursionError
        self._open.append((event, []))

    def _end(self, end: CollectionEndEvent) -> None:
        start, children = self._open.pop()
        flow = bool(start.flow_style)
        # A block collection's own end mark runs on to the next key.
        stop = self._span(end).end if flow or not children else _end_of(children)
        span = Span(self._span(start).start, stop)
        if isinstance(start, MappingStartEvent):
            entries = tuple(Entry(key, value) for key, value in zip(children[::2], children[1::2], strict=True))
            self._add(start, Mapping(span, entries, flow))
        else:
            self._add(start, Sequence(span, tuple(children), flow))

    def _add(self, event: NodeEvent, node: Node) -> None:
        if event.anchor is not None and not isinstance(node, Alias):
            self.anchors[event.anchor] = node
        if self._open:
            self._open[-1][1].append(node)
        elif self._root is None:
            self._root = node


def _end_of(children: list[Node]) -> int:
    """Where the last thing that was really written ends; an empty value has no place of its own."""
    last = children[-1]
    if len(children) > 1 and last.span.start == last.span.end:
        return children[-2].span.end
    return last.span.end

"""Where a cursor stands in a text that may be half typed: in a comment to us, at a key, at a value, at an argument.

Read from the cursor's line and those above it, because a line being typed is the one that the tree lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from vram_engine.analysis import Analysis
from vram_engine.dialects.directives import KEYS
from vram_engine.syntax.nodes import Comment
from vram_engine.syntax.route import Route
from vram_engine.text import Span


@dataclass(frozen=True, slots=True)
class AtDirectiveKey:
    """A key of a ``# vram:`` comment; ``word`` is what stands there, ``taken`` are keys the comment has already.

    ``has_sign`` says that what parts key and value is there already.
    """

    word: Span
    taken: frozenset[str]
    has_sign: bool


@dataclass(frozen=True, slots=True)
class AtDirectiveValue:
    """The value of a key of a ``# vram:`` comment."""

    word: Span
    key: str


@dataclass(frozen=True, slots=True)
class AtRule:
    """A rule name in ``ignore[...]``; ``taken`` are the names it has already."""

    word: Span
    taken: frozenset[str]


@dataclass(frozen=True, slots=True)
class AtKey:
    """A key of the map at ``parents``; ``has_colon`` says that its colon is there already."""

    word: Span
    document: int
    parents: tuple[str, ...]
    has_colon: bool


@dataclass(frozen=True, slots=True)
class AtValue:
    """The value of ``key`` in the map at ``parents``."""

    word: Span
    document: int
    parents: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True)
class AtOption:
    """An option with its dashes in a list of arguments or a command. ``near`` is where its neighbours may be found."""

    word: Span
    document: int
    near: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AtOptionValue:
    """The value of an option, which is named without its dashes."""

    word: Span
    document: int
    near: tuple[int, ...]
    option: str


Cursor: TypeAlias = AtDirectiveKey | AtDirectiveValue | AtRule | AtKey | AtValue | AtOption | AtOptionValue

_RULES = re.compile(r"ignore[ \t]*\[(?P<given>[^\]]*)\Z")
_DIRECTIVE_VALUE = re.compile(r"(?:^|[ \t])(?P<key>[\w-]+)[ \t]*=[ \t]*[\"']?(?P<word>[^\s\"'=]*)\Z")
_DIRECTIVE_KEY = re.compile(r"(?:^|[ \t])(?P<word>[\w-]*)\Z")
_GIVEN = re.compile(r"([\w-]+)[ \t]*=")
_SIGN = re.compile(r"[ \t]*[=\[]")
_PREFIX = re.compile(r"#[ \t]*vram[ \t]*:[ \t]*")
_REMARK = re.compile(r"[ \t]#")

_COMMENTED = re.compile(r"^(?:[^\"'#]|\"[^\"]*\"|'[^']*'|(?<![ \t])#)*(?:^|[ \t])#")
_KEY = re.compile(r"^(?P<indent> *)[\"']?(?P<word>[\w-]*)\Z")
_VALUE = re.compile(r"^(?P<indent> *)[\"']?(?P<key>[\w.-]+)[\"']?[ \t]*:[ \t]+[\"']?(?P<word>[^\s\"'#,{}\[\]]*)\Z")
_PARENT = re.compile(r"^(?P<indent> *)[\"']?(?P<key>[\w.-]+)[\"']?[ \t]*:[ \t]*(?:#.*)?$")
_ANYTHING = re.compile(r"^(?P<indent> *)[^ #]")

_OPTION = re.compile(r"(?:^|[\s\"'\[,])(?P<word>--[\w-]*)\Z")
_OPTION_VALUE = re.compile(
    r"(?:^|[\s\"'\[,])--(?P<option>[\w-]+)(?:=|[ \t]+|[\"']?[ \t]*,[ \t]*)[\"']?(?P<word>[^\s\"'=,\]-][^\s\"'=,\]]*|)\Z"
)
_ITEM = re.compile(r"^ *-[ \t]+[\"']?(?P<word>[^\s\"'=-][^\s\"'=]*|)\Z")
_OPTION_ITEM = re.compile(r"^ *-[ \t]+[\"']?--(?P<option>[\w-]+)[\"']?[ \t]*$")

_TAIL = re.compile(r"[^\s\"'#,=:\[\]{}]*")
_COLON = re.compile(r"[\"']?[ \t]*:")


def cursor_at(analysis: Analysis, offset: int) -> Cursor | None:
    """Where ``offset`` is; None where there is nothing to complete. Only comments count in files of another kind."""
    for document in analysis.tree.documents:
        for comment in document.comments:
            if comment.span.start < offset <= comment.span.end:
                return _in_comment(analysis.tree.text, comment, offset)
    number = _document_at(analysis, offset)
    if number is None or analysis.dialects[number] is None:
        return None
    line = analysis.tree.lines.line_span(analysis.tree.lines.line_of(offset))
    if offset > line.end or _COMMENTED.match(analysis.tree.text[line.start : offset]):
        return None
    # A command is the value of a key too.
    return _in_arguments(analysis, number, offset) or _in_map(analysis, number, offset)


def _document_at(analysis: Analysis, offset: int) -> int | None:
    documents = enumerate(analysis.tree.documents)
    found = [number for number, document in documents if document.span.start <= offset <= document.span.end]
    return found[-1] if found else None


def _in_comment(text: str, comment: Comment, offset: int) -> Cursor | None:
    prefix = _PREFIX.match(text, comment.span.start, comment.span.end)
    if prefix is None or offset < prefix.end():
        return None
    before = text[prefix.end() : offset]
    if _REMARK.search(before):
        return None
    rules = _RULES.search(before)
    if rules is not None:
        names = re.split(r"[\s,]+", rules["given"])
        return AtRule(_word(text, offset, names[-1]), frozenset(names[:-1]))
    value = _DIRECTIVE_VALUE.search(before)
    if value is not None:
        key = value["key"].lower()
        return AtDirectiveValue(_word(text, offset, value["word"]), key) if key in KEYS else None
    key = _DIRECTIVE_KEY.search(before)
    if key is None:
        return None
    word = _word(text, offset, key["word"])
    others = f"{text[prefix.end() : word.start]}\n{text[word.end : comment.span.end]}"
    return AtDirectiveKey(word, frozenset(_GIVEN.findall(others)), _SIGN.match(text, word.end) is not None)


def _word(text: str, offset: int, before: str) -> Span:
    """The word around the cursor, of which ``before`` stands in front of it."""
    tail = _TAIL.match(text, offset)
    return Span(offset - len(before), offset if tail is None else tail.end())


def _in_map(analysis: Analysis, number: int, offset: int) -> AtKey | AtValue | None:
    text, lines = analysis.tree.text, analysis.tree.lines
    line = lines.line_of(offset)
    before = text[lines.starts[line] : offset].removeprefix("\ufeff")
    key = _KEY.match(before)
    if key is not None:
        word = _word(text, offset, key["word"])
        parents = _parents(analysis, number, line, len(key["indent"]))
        return AtKey(word, number, parents, _COLON.match(text, word.end) is not None)
    value = _VALUE.match(before)
    if value is None:
        return None
    parents = _parents(analysis, number, line, len(value["indent"]))
    return AtValue(_word(text, offset, value["word"]), number, parents, value["key"])


def _parents(analysis: Analysis, number: int, line: int, indent: int) -> tuple[str, ...]:
    """The keys of the maps around a line, outermost first, by the indentation of the lines above it."""
    parents: list[str] = []
    for above in _lines_above(analysis, number, line):
        found = _ANYTHING.match(above)
        if found is None or len(found["indent"]) >= indent:
            continue
        indent = len(found["indent"])
        parent = _PARENT.match(above)
        parents.append(parent["key"] if parent is not None else "")
        if indent == 0:
            break
    return tuple(reversed(parents))


def _lines_above(analysis: Analysis, number: int, line: int) -> Iterator[str]:
    lines, start = analysis.tree.lines, analysis.tree.documents[number].span.start
    for above in range(line - 1, -1, -1):
        if lines.starts[above] < start:
            return
        span = lines.line_span(above)
        yield analysis.tree.text[span.start : span.end]


def _in_arguments(analysis: Analysis, number: int, offset: int) -> AtOption | AtOptionValue | None:
    text, lines = analysis.tree.text, analysis.tree.lines
    line = lines.line_of(offset)
    before = text[lines.starts[line] : offset]
    # A plain scalar ends with its last word, before the space that another one is typed behind.
    near = (offset, lines.starts[line] + len(before.rstrip()), *_end_above(analysis, number, line))
    option = _OPTION.search(before)
    if option is not None:
        return AtOption(_word(text, offset, option["word"]), number, near)
    value = _OPTION_VALUE.search(before)
    if value is not None:
        return AtOptionValue(_word(text, offset, value["word"]), number, near, value["option"])
    item = _ITEM.match(before)
    if item is None:
        return None
    word = _word(text, offset, item["word"])
    named = _OPTION_ITEM.match(next(iter(_lines_above(analysis, number, line)), ""))
    if named is not None:
        return AtOptionValue(word, number, near, named["option"])
    return AtOption(word, number, near) if word.start == word.end else None


def _end_above(analysis: Analysis, number: int, line: int) -> Iterator[int]:
    """The end of the nearest line above that says anything: a line just begun is not in the tree yet."""
    lines = analysis.tree.lines
    for above in range(line - 1, -1, -1):
        span = lines.line_span(above)
        if span.end <= analysis.tree.documents[number].span.start:
            return
        words = analysis.tree.text[span.start : span.end].rstrip()
        if words:
            yield span.start + len(words)
            return


def list_of(route: Route) -> Route:
    """The list or scalar a route leads into: items of one list share it."""
    return route[:-1] if route and isinstance(route[-1], int) else route

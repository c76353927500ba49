"""Characters that know where they are written: a scalar decoded (escapes, folding, indentation) with every offset kept.

What a program sees as one argument may be a list item, a word of a folded block, or a variable defined elsewhere.
Each character of it keeps the source range it came from, so that a finding can point at it and a fix can replace it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

from vram_engine.syntax.nodes import Scalar
from vram_engine.text import Span

# A scalar longer than this is a script of another kind or a document; nobody writes vLLM's arguments in it.
_LONGEST_SCALAR = 100_000

_PROPERTIES = re.compile(r"(?:[&!][^ \t\r\n]*(?:[ \t]+|\r?\n[ \t]*))*")
_HEADER = re.compile(r"[|>]([-+]?)([1-9]?)([-+]?)[ \t]*(?:#[^\r\n]*)?(\r\n|\n|\r|\Z)")
_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"} | {
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"
}  # fmt: skip
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}

# What a character that cannot be told looks like; ``Source.hole`` says why, and is what is asked.
HOLE = "\ufffc"

# A decoded character with the start and end of its source range.
_Mapped: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a run of characters is written: a scalar, ``span`` with its quotes and ``style`` (``""`` for plain).

    ``use`` is the reference (``$NAME``) that they stand for, when they are written elsewhere, and ``value`` all of
    what it stands for. ``shared`` says that other things are read from the same place, and ``hole`` why the
    characters cannot be told.
    """

    span: Span
    style: str
    use: Span | None = None
    value: str | None = None
    shared: bool = False
    hole: str | None = None


@dataclass(frozen=True, slots=True)
class Chars:
    """A text with the source range and the Source of each of its characters."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    sources: tuple[Source, ...]

    def slice(self, start: int, end: int) -> Chars:
        """The characters ``[start, end)``."""
        return Chars(self.text[start:end], self.starts[start:end], self.ends[start:end], self.sources[start:end])

    @property
    def hole(self) -> str | None:
        """Why the text cannot be told, where it cannot."""
        return next((source.hole for source in self.sources if source.hole is not None), None)

    @property
    def only_source(self) -> Source | None:
        """The one Source of all characters; None when there are several or no characters."""
        first = self.sources[0] if self.sources else None
        return first if all(source is first or source == first for source in self.sources) else None

    @property
    def span(self) -> Span:
        """Where to show the text: its own place when it has one, else the references it is put together from."""
        if self.only_source is not None:
            return Span(min(self.starts), max(self.ends))
        return self.outer_span

    @property
    def outer_span(self) -> Span:
        """The stretch that stands for the text where it is used, references not followed."""
        if not self.text:
            return Span(0, 0)
        ranges = [source.use or Span(self.starts[at], self.ends[at]) for at, source in enumerate(self.sources)]
        return Span(min(each.start for each in ranges), max(each.end for each in ranges))

    def used_at(self, use: Span, *, shared: bool) -> Chars:
        """The same characters, standing for the reference at ``use``."""
        nested = any(source.use is not None for source in self.sources)
        seen = {
            source: replace(source, use=use, value=self.text, shared=shared or nested or source.shared)
            for source in set(self.sources)
        }
        return replace(self, sources=tuple(seen[source] for source in self.sources))


NOTHING = Chars("", (), (), ())


def joined(parts: Sequence[Chars]) -> Chars:
    """Several stretches of characters as one."""
    return Chars(
        "".join(part.text for part in parts),
        tuple(chain.from_iterable(part.starts for part in parts)),
        tuple(chain.from_iterable(part.ends for part in parts)),
        tuple(chain.from_iterable(part.sources for part in parts)),
    )


def hole(use: Span, reason: str) -> Chars:
    """One character that stands for what cannot be told."""
    return Chars(HOLE, (use.start,), (use.end,), (Source(use, "", use, shared=True, hole=reason),))


def decoded(text: str, node: Scalar, *, shared: bool = False) -> Chars | None:
    """``node`` of the file ``text`` with the source of each character.

    None when the tree's reading cannot be reproduced from the text, as after a repair of broken YAML.
    """
    if len(node.text) > _LONGEST_SCALAR:
        return None
    start = _PROPERTIES.match(text, node.span.start, node.span.end)
    begin = start.end() if start is not None else node.span.start
    mapped = list(_DECODERS.get(node.style, _plain)(text, Span(begin, node.span.end)))
    if "".join(char for char, _, _ in mapped) != node.text:
        return None
    source = Source(Span(begin, node.span.end), node.style, shared=shared)
    return Chars(
        node.text, tuple(each[1] for each in mapped), tuple(each[2] for each in mapped), (source,) * len(mapped)
    )


def _plain(text: str, span: Span) -> Iterator[_Mapped]:
    if "\n" not in text[span.start : span.end] and "\r" not in text[span.start : span.end]:
        return ((text[at], at, at + 1) for at in range(span.start, span.end))
    return _folded_flow(text, span, _as_written)


def _single_quoted(text: str, span: Span) -> Iterator[_Mapped]:
    return _folded_flow(text, Span(span.start + 1, span.end - 1), _undoubled)


def _double_quoted(text: str, span: Span) -> Iterator[_Mapped]:
    return _folded_flow(text, Span(span.start + 1, span.end - 1), _unescaped)


def _as_written(text: str, at: int) -> tuple[str, int]:
    return text[at], 1


def _undoubled(text: str, at: int) -> tuple[str, int]:
    return ("'", 2) if text.startswith("''", at) else (text[at], 1)


def _unescaped(text: str, at: int) -> tuple[str, int]:
    """One character of a double-quoted scalar: an escaped line break is nothing, whatever indents the next line too."""
    if text[at] != "\\":
        return text[at], 1
    broken = re.compile(r"\\(?:\r\n|\n|\r)[ \t]*").match(text, at)
    if broken is not None:
        return "", broken.end() - at
    kind = text[at + 1 : at + 2]
    digits = text[at + 2 : at + 2 + _HEX_ESCAPES.get(kind, 0)]
    if kind in _HEX_ESCAPES and re.fullmatch(r"[0-9a-fA-F]+", digits) and int(digits, 16) < 0x110000:
        return chr(int(digits, 16)), 2 + len(digits)
    return _ESCAPES.get(kind, kind), 2


def _folded_flow(text: str, span: Span, read: Callable[[str, int], tuple[str, int]]) -> Iterator[_Mapped]:
    """A flow scalar over several lines: a break is a space, an empty line a break (YAML 1.1, 4.3.2)."""
    breaks = re.compile(r"[ \t]*(?:\r\n|\n|\r)(?:[ \t]*(?:\r\n|\n|\r))*[ \t]*")
    at = span.start
    while at < span.end:
        gap = breaks.match(text, at, span.end)
        if gap is None:
            char, length = read(text, at)
            yield from ((each, at, at + length) for each in char)
            at += length
            continue
        ends = list(re.finditer(r"\r\n|\n|\r", gap[0]))
        if len(ends) == 1:
            yield " ", at, gap.end()
        else:
            yield from (("\n", at + each.start(), at + each.end()) for each in ends[1:])
        at = gap.end()


@dataclass(frozen=True, slots=True)
class _BlockLine:
    """A line of a block scalar: where its content starts behind the indentation, and where its break is."""

    start: int
    end: int
    stop: int


def _block(text: str, span: Span) -> Iterator[_Mapped]:
    """A literal or folded block, by YAML's rules for indentation, folding and the final breaks."""
    header = _HEADER.match(text, span.start)
    if header is None:
        return
    chomping = header[1] or header[3]
    lines = _block_lines(text, Span(header.end(), span.end), header[2], span.start)
    filled = [number for number, line in enumerate(lines) if line.start < line.end]
    if not filled:
        return
    folding = text[span.start] == ">"
    for number, line in enumerate(lines[: filled[-1] + 1]):
        yield from ((text[at], at, at + 1) for at in range(line.start, line.end))
        if number < filled[-1] and line.start < line.end:
            following = next(other for other in filled if other > number)
            yield from _break(text, lines[number : following + 1], folding=folding)
        elif number < filled[0]:
            yield "\n", line.end, line.stop
    tail = lines[filled[-1] :]
    kept = {"": tail[:1], "+": tail, "-": []}[chomping]
    yield from (("\n", line.end, line.stop) for line in kept if line.stop > line.end)


def _break(text: str, lines: list[_BlockLine], *, folding: bool) -> Iterator[_Mapped]:
    """What stands for the breaks between the first and the last of ``lines``, empty ones between them."""
    first, last = lines[0], lines[-1]
    spaced = text[first.start] in " \t" or text[last.start] in " \t"
    if not folding or spaced:
        yield from (("\n", line.end, line.stop) for line in lines[:-1])
    elif len(lines) == 2:
        yield " ", first.end, first.stop
    else:
        yield from (("\n", line.end, line.stop) for line in lines[1:-1])


def _block_lines(text: str, span: Span, indicator: str, header: int) -> list[_BlockLine]:
    raw = []
    at = span.start
    while at < span.end:
        match = _LINE.match(text, at)
        if match is None or match.end() == at:
            break
        raw.append(match)
        at = match.end()
    indent = _block_indent(text, raw, indicator, header)
    return [_block_line(match, indent) for match in raw]


def _block_line(match: re.Match[str], indent: int) -> _BlockLine:
    written = len(match[1]) - len(match[1].lstrip(" "))
    start = match.start() + min(indent, written, len(match[1]))
    return _BlockLine(start, max(start, match.end(1)), match.end())


def _block_indent(text: str, lines: list[re.Match[str]], indicator: str, header: int) -> int:
    """The indentation of the content: of its first line, or as the header says, counted from the parent's."""
    if not indicator:
        first = next((line[1] for line in lines if line[1].strip(" ")), "")
        return len(first) - len(first.lstrip(" "))
    line_start = max(text.rfind("\n", 0, header), text.rfind("\r", 0, header)) + 1
    written = text[line_start:header].removeprefix("\ufeff")
    parent = len(written) - len(written.lstrip(" "))
    return parent + int(indicator)


_DECODERS: dict[str, Callable[[str, Span], Iterator[_Mapped]]] = {
    "'": _single_quoted,
    '"': _double_quoted,
    "|": _block,
    ">": _block,
}

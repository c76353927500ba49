"""Offsets, spans and line positions of a text. The lowest layer: it knows no YAML.

Offsets count code points of a Python ``str``. Lines end at ``\\n``, ``\\r\\n`` and ``\\r`` only, as in LSP;
``str.splitlines`` knows more breaks (U+2028, U+0085, form feed) and must not be used on documents.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The half-open range of code points ``[start, end)``."""

    start: int
    end: int

    def shifted(self, by: int) -> Span:
        """The same range in a text that has ``by`` code points more in front."""
        return Span(self.start + by, self.end + by)

    def touches(self, offset: int) -> bool:
        """Whether a cursor at ``offset`` is in the range or at either edge."""
        return self.start <= offset <= self.end


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A 0-based line, and the column in it in units of some encoding."""

    line: int
    character: int


class LineIndex:
    """Where the lines of one text start, and offsets as positions in any of LSP's three encodings."""

    __slots__ = ("starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *map(re.Match.end, _BREAK.finditer(text))]

    def line_of(self, offset: int) -> int:
        """The 0-based line that holds ``offset``."""
        return bisect_right(self.starts, offset) - 1

    def line_span(self, line: int) -> Span:
        """The line without its break."""
        start = self.starts[line]
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
        while end > start and self.text[end - 1] in "\r\n":
            end -= 1
        return Span(start, end)

    def position(self, offset: int, encoding: Encoding) -> Position:
        """``offset`` as a position; offsets outside the text are moved to its edge."""
        offset = max(0, min(offset, len(self.text)))
        line = self.line_of(offset)
        return Position(line, width(self.text[self.starts[line] : offset], encoding))

    def offset(self, position: Position, encoding: Encoding) -> int:
        """The offset of ``position``; columns past a line's end and lines past the text are moved to the edge."""
        if position.line >= len(self.starts):
            return len(self.text)
        span = self.line_span(max(position.line, 0))
        units = 0
        for offset in range(span.start, span.end):
            if units >= position.character:
                return offset
            units += width(self.text[offset], encoding)
        return span.end


def width(text: str, encoding: Encoding) -> int:
    """How many units ``text`` takes in ``encoding``: bytes, UTF-16 units or code points."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(character > "\uffff" for character in text)

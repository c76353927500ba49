"""Shell text as words: quotes, escapes, variables and operators, each with its place, nothing run.

What only a running shell knows (``$(...)``) becomes a hole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from vram_engine.dialects.chars import NOTHING, Chars, hole, joined
from vram_engine.dialects.variables import Variables, closing_brace
from vram_engine.dialects.words import ScalarPart, Word
from vram_engine.text import Span

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_OPERATOR = re.compile(r"&&|\|\||\|&|;;|&>>?|[0-9]*(?:<<<|<<-?|>>|>&|<&|>\||[<>])|[;&|()\r\n]")
_REDIRECTION = re.compile(r"&?[0-9]*[<>]")


@dataclass(frozen=True, slots=True)
class Literal:
    chars: Chars
    quoted: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """``$NAME`` or ``${NAME:-default}``."""

    name: str
    use: Span
    quoted: bool
    default: tuple[Part, ...] | None = None


@dataclass(frozen=True, slots=True)
class Opaque:
    """What only a running shell knows."""

    use: Span
    reason: str


Part: TypeAlias = "Literal | Reference | Opaque"


@dataclass(frozen=True, slots=True)
class Unexpanded:
    """A word before its variables are replaced."""

    parts: tuple[Part, ...]
    raw: Span


@dataclass(frozen=True, slots=True)
class Operator:
    text: str


@dataclass(slots=True)
class Lexer:
    """Characters to words and operators. ``expanding`` reads ``$`` and ``#`` as a shell does."""

    chars: Chars
    expanding: bool
    at: int = 0
    _here_documents: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.chars.text

    def tokens(self) -> Iterator[Unexpanded | Operator]:
        """Everything up to the end of the text."""
        while self.at < len(self.text):
            if self._skipped():
                continue
            operator = _OPERATOR.match(self.text, self.at)
            if operator is None:
                yield self._word()
            else:
                yield from self._operated(operator[0])

    def _skipped(self) -> bool:
        """Blanks, continued lines and comments."""
        blank = re.compile(r"(?:[ \t]|\\(?:\r\n|\n|\r|[ \t]+(?=-|\Z)|\Z))+").match(self.text, self.at)
        if blank is None and self.expanding and self.text[self.at] == "#":
            blank = re.compile(r"[^\r\n]*").match(self.text, self.at)
        if blank is not None:
            self.at = blank.end()
        return blank is not None

    def _operated(self, operator: str) -> Iterator[Operator]:
        self.at += len(operator)
        if operator in ("\r", "\n"):
            self._skip_here_documents()
            yield Operator("\n")
        elif _REDIRECTION.match(operator):
            if not self.expanding:
                yield Operator(operator)
            else:
                self._redirected(operator)
        else:
            yield Operator(operator)

    def _redirected(self, operator: str) -> None:
        """A redirection takes its target with it; a here-document the lines that follow, too."""
        while self.at < len(self.text) and self._skipped():
            pass
        if self.at >= len(self.text) or self.text[self.at] in "\r\n;&|()":
            return
        target = self._word()
        if operator.lstrip("0123456789") in ("<<", "<<-"):
            self._here_documents.append("".join(part.chars.text for part in target.parts if isinstance(part, Literal)))

    def _skip_here_documents(self) -> None:
        for delimiter in self._here_documents:
            end = re.compile(rf"(?m)^[ \t]*{re.escape(delimiter)}[ \t]*$").search(self.text, self.at)
            self.at = end.end() if end is not None else len(self.text)
        self._here_documents.clear()

    def _word(self) -> Unexpanded:
        start = self.at
        parts: list[Part] = []
        while self.at < len(self.text) and not self._ends_word():
            parts += self._parts()
        return Unexpanded(tuple(parts), self.chars.slice(start, self.at).outer_span)

    def _ends_word(self) -> bool:
        char = self.text[self.at]
        return char in " \t\r\n;&|()" or (char in "<>")

    def _parts(self) -> list[Part]:
        """The next stretch of a word: quoted, escaped, a reference or plain."""
        char = self.text[self.at]
        if char == "'":
            return [self._single_quoted()]
        if char == '"':
            return self._double_quoted()
        if char == "\\":
            self.at += 2
            return [Literal(self.chars.slice(self.at - 1, self.at), True)]
        if self.expanding and char in "$`":
            return [self._reference(quoted=False)]
        plain = re.compile(r"[^\s;&|()<>'\"\\$`]+" if self.expanding else r"[^\s;&|()<>'\"\\]+").match(
            self.text, self.at
        )
        end = plain.end() if plain is not None else self.at + 1
        stretch = self.chars.slice(self.at, end)
        self.at = end
        return [Literal(stretch, False)]

    def _single_quoted(self) -> Literal:
        end = self.text.find("'", self.at + 1)
        end = len(self.text) if end < 0 else end
        stretch = self.chars.slice(self.at + 1, end)
        self.at = end + 1
        return Literal(stretch, True)

    def _double_quoted(self) -> list[Part]:
        parts: list[Part] = [Literal(NOTHING, True)]
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char == "\\" and self.at + 1 < len(self.text):
                parts.append(self._escaped_in_quotes())
            elif self.expanding and char in "$`":
                parts.append(self._reference(quoted=True))
            else:
                parts.append(Literal(self.chars.slice(self.at, self.at + 1), True))
                self.at += 1
        self.at += 1
        return parts

    def _escaped_in_quotes(self) -> Literal:
        """Inside double quotes a backslash escapes only what would be special there."""
        following = self.text[self.at + 1]
        kept = self.at + 1 if following in '"\\$`\n' or not self.expanding else self.at
        stretch = NOTHING if following == "\n" else self.chars.slice(kept, self.at + 2)
        self.at += 2
        return Literal(stretch, True)

    def _reference(self, *, quoted: bool) -> Part:
        """``$NAME``, ``${NAME...}``, or something that only a running shell knows."""
        start = self.at
        if self.text.startswith("${", start):
            return self._braced(start, quoted=quoted)
        name = _NAME.match(self.text, start + 1) if self.text[start] == "$" else None
        if name is not None:
            self.at = name.end()
            return Reference(name[0], self._use(start), quoted)
        if self.text.startswith("$(", start) or self.text[start] == "`":
            self.at = self._after_substitution(start)
            return Opaque(self._use(start), "the output of a command is not known")
        if start + 1 < len(self.text) and self.text[start + 1] in "@*#?$!-0123456789":
            self.at = start + 2
            return Opaque(self._use(start), f"{self.text[start : start + 2]} is not known")
        self.at = start + 1
        return Literal(self.chars.slice(start, start + 1), True)

    def _braced(self, start: int, *, quoted: bool) -> Part:
        name = _NAME.match(self.text, start + 2)
        end = closing_brace(self.text, start + 2 if name is None else name.end())
        self.at = min(end + 1, len(self.text))
        use = self._use(start)
        if name is None:
            return Opaque(use, f"{self.text[start : self.at]} is not known")
        rest = self.text[name.end() : end]
        operator = re.match(r":?[-=?]", rest)
        if rest and operator is None:
            return Opaque(use, f"{self.text[start : self.at]} is not known")
        if operator is None or operator[0][-1] == "?":
            return Reference(name[0], use, quoted)
        default = Lexer(self.chars.slice(name.end() + operator.end(), end), expanding=True)
        return Reference(name[0], use, quoted, tuple(default.all_parts()))

    def all_parts(self) -> Iterator[Part]:
        """The whole text as one word, blanks included."""
        while self.at < len(self.text):
            if self._ends_word():
                self.at += 1
                yield Literal(self.chars.slice(self.at - 1, self.at), False)
            else:
                yield from self._parts()

    def _after_substitution(self, start: int) -> int:
        """The end of ``$(...)``, ``$((...))`` or ```...```."""
        if self.text[start] == "`":
            end = self.text.find("`", start + 1)
            return len(self.text) if end < 0 else end + 1
        depth = 0
        for position in range(start + 1, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[position], 0)
            if depth == 0:
                return position + 1
        return len(self.text)

    def _use(self, start: int) -> Span:
        return self.chars.slice(start, self.at).outer_span


def expanded(word: Unexpanded, variables: Variables, home: ScalarPart) -> Iterator[Word]:
    """A word with its variables replaced; outside quotes, blanks in their values split it."""
    field_parts: list[Chars] = []
    started = False
    for part in word.parts:
        chars = value_of_part(part, variables)
        if isinstance(part, Reference) and not part.quoted:
            fields = list(re.finditer(r"[^ \t\r\n]+", chars.text))
            for number, match in enumerate(fields):
                if field_parts and (number > 0 or match.start() > 0):
                    yield Word(joined(field_parts), word.raw, home)
                    field_parts = []
                field_parts.append(chars.slice(match.start(), match.end()))
            started = started or bool(fields)
        else:
            field_parts.append(chars)
            started = True
    if started:
        yield Word(joined(field_parts), word.raw, home)


def value_of_part(part: Part, variables: Variables) -> Chars:
    if isinstance(part, Literal):
        return part.chars
    if isinstance(part, Opaque):
        return hole(part.use, part.reason)
    if part.name in variables:
        value = variables[part.name]
        return value.used_at(part.use, shared=False) if value.text else value
    if part.default is not None:
        return joined([value_of_part(inner, variables) for inner in part.default]).used_at(part.use, shared=False)
    return hole(part.use, f"${part.name} is set outside this file")

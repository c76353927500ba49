"""Shell text split into commands and words, as far as it can be told without running it.

Two readers share the quoting rules: ``split_words`` for a compose ``command:`` string, which no shell reads, and
``commands`` for the script of ``sh -c``, with variables, assignments, pipes, redirections and here-documents. What
only a running shell knows (``$(...)``, a variable set in a branch) becomes a hole.
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
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)
_OPERATOR = re.compile(r"&&|\|\||\|&|;;|&>>?|[0-9]*(?:<<<|<<-?|>>|>&|<&|>\||[<>])|[;&|()\r\n]")
_REDIRECTION = re.compile(r"&?[0-9]*[<>]")
_OPENING = frozenset({"if", "while", "until", "for", "case", "select", "{"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_BEFORE_A_COMMAND = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time"})
_DECLARING = frozenset({"export", "declare", "local", "readonly", "typeset"})
_MOST_WORDS = 5000


@dataclass(frozen=True, slots=True)
class _Literal:
    chars: Chars
    quoted: bool


@dataclass(frozen=True, slots=True)
class _Reference:
    """``$NAME`` or ``${NAME:-default}``."""

    name: str
    use: Span
    quoted: bool
    default: tuple[_Part, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Opaque:
    """What only a running shell knows."""

    use: Span
    reason: str


_Part: TypeAlias = "_Literal | _Reference | _Opaque"


@dataclass(frozen=True, slots=True)
class _Unexpanded:
    """A word before its variables are replaced."""

    parts: tuple[_Part, ...]
    raw: Span


@dataclass(frozen=True, slots=True)
class _Operator:
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command: its words, and the variables in force when it runs.

    ``background`` says that the script goes on beside it.
    """

    words: tuple[Word, ...]
    variables: Variables
    background: bool = False


def split_words(chars: Chars, home: ScalarPart) -> tuple[Word, ...]:
    """The words of a string that is split but not run: up to the first operator, as Docker Compose splits it."""
    words: list[Word] = []
    for token in _Lexer(chars, expanding=False).tokens():
        if isinstance(token, _Operator):
            if token.text in ("\n", "\r"):
                continue
            break
        words += expanded(token, {}, home)
    return tuple(words)


def commands(chars: Chars, variables: Variables, home: ScalarPart) -> Iterator[Command]:
    """The simple commands of a script, in order."""
    return _Script(home, dict(variables)).run(_Lexer(chars, expanding=True))


@dataclass(slots=True)
class _Lexer:
    """Characters to words and operators. ``expanding`` reads ``$`` and ``#`` as a shell does."""

    chars: Chars
    expanding: bool
    at: int = 0
    _here_documents: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.chars.text

    def tokens(self) -> Iterator[_Unexpanded | _Operator]:
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

    def _operated(self, operator: str) -> Iterator[_Operator]:
        self.at += len(operator)
        if operator in ("\r", "\n"):
            self._skip_here_documents()
            yield _Operator("\n")
        elif _REDIRECTION.match(operator):
            if not self.expanding:
                yield _Operator(operator)
            else:
                self._redirected(operator)
        else:
            yield _Operator(operator)

    def _redirected(self, operator: str) -> None:
        """A redirection takes its target with it; a here-document the lines that follow, too."""
        while self.at < len(self.text) and self._skipped():
            pass
        if self.at >= len(self.text) or self.text[self.at] in "\r\n;&|()":
            return
        target = self._word()
        if operator.lstrip("0123456789") in ("<<", "<<-"):
            self._here_documents.append("".join(part.chars.text for part in target.parts if isinstance(part, _Literal)))

    def _skip_here_documents(self) -> None:
        for delimiter in self._here_documents:
            end = re.compile(rf"(?m)^[ \t]*{re.escape(delimiter)}[ \t]*$").search(self.text, self.at)
            self.at = end.end() if end is not None else len(self.text)
        self._here_documents.clear()

    def _word(self) -> _Unexpanded:
        start = self.at
        parts: list[_Part] = []
        while self.at < len(self.text) and not self._ends_word():
            parts += self._parts()
        return _Unexpanded(tuple(parts), self.chars.slice(start, self.at).outer_span)

    def _ends_word(self) -> bool:
        char = self.text[self.at]
        return char in " \t\r\n;&|()" or (char in "<>")

    def _parts(self) -> list[_Part]:
        """The next stretch of a word: quoted, escaped, a reference or plain."""
        char = self.text[self.at]
        if char == "'":
            return [self._single_quoted()]
        if char == '"':
            return self._double_quoted()
        if char == "\\":
            self.at += 2
            return [_Literal(self.chars.slice(self.at - 1, self.at), True)]
        if self.expanding and char in "$`":
            return [self._reference(quoted=False)]
        plain = re.compile(r"[^\s;&|()<>'\"\\$`]+" if self.expanding else r"[^\s;&|()<>'\"\\]+").match(
            self.text, self.at
        )
        end = plain.end() if plain is not None else self.at + 1
        stretch = self.chars.slice(self.at, end)
        self.at = end
        return [_Literal(stretch, False)]

    def _single_quoted(self) -> _Literal:
        end = self.text.find("'", self.at + 1)
        end = len(self.text) if end < 0 else end
        stretch = self.chars.slice(self.at + 1, end)
        self.at = end + 1
        return _Literal(stretch, True)

    def _double_quoted(self) -> list[_Part]:
        parts: list[_Part] = [_Literal(NOTHING, True)]
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char == "\\" and self.at + 1 < len(self.text):
                parts.append(self._escaped_in_quotes())
            elif self.expanding and char in "$`":
                parts.append(self._reference(quoted=True))
            else:
                parts.append(_Literal(self.chars.slice(self.at, self.at + 1), True))
                self.at += 1
        self.at += 1
        return parts

    def _escaped_in_quotes(self) -> _Literal:
        """Inside double quotes a backslash escapes only what would be special there."""
        following = self.text[self.at + 1]
        kept = self.at + 1 if following in '"\\$`\n' or not self.expanding else self.at
        stretch = NOTHING if following == "\n" else self.chars.slice(kept, self.at + 2)
        self.at += 2
        return _Literal(stretch, True)

    def _reference(self, *, quoted: bool) -> _Part:
        """``$NAME``, ``${NAME...}``, or something that only a running shell knows."""
        start = self.at
        if self.text.startswith("${", start):
            return self._braced(start, quoted=quoted)
        name = _NAME.match(self.text, start + 1) if self.text[start] == "$" else None
        if name is not None:
            self.at = name.end()
            return _Reference(name[0], self._use(start), quoted)
        if self.text.startswith("$(", start) or self.text[start] == "`":
            self.at = self._after_substitution(start)
            return _Opaque(self._use(start), "the output of a command is not known")
        if start + 1 < len(self.text) and self.text[start + 1] in "@*#?$!-0123456789":
            self.at = start + 2
            return _Opaque(self._use(start), f"{self.text[start : start + 2]} is not known")
        self.at = start + 1
        return _Literal(self.chars.slice(start, start + 1), True)

    def _braced(self, start: int, *, quoted: bool) -> _Part:
        name = _NAME.match(self.text, start + 2)
        end = closing_brace(self.text, start + 2 if name is None else name.end())
        self.at = min(end + 1, len(self.text))
        use = self._use(start)
        if name is None:
            return _Opaque(use, f"{self.text[start : self.at]} is not known")
        rest = self.text[name.end() : end]
        operator = re.match(r":?[-=?]", rest)
        if rest and operator is None:
            return _Opaque(use, f"{self.text[start : self.at]} is not known")
        if operator is None or operator[0][-1] == "?":
            return _Reference(name[0], use, quoted)
        default = _Lexer(self.chars.slice(name.end() + operator.end(), end), expanding=True)
        return _Reference(name[0], use, quoted, tuple(default.all_parts()))

    def all_parts(self) -> Iterator[_Part]:
        """The whole text as one word, blanks included."""
        while self.at < len(self.text):
            if self._ends_word():
                self.at += 1
                yield _Literal(self.chars.slice(self.at - 1, self.at), False)
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


def expanded(word: _Unexpanded, variables: Variables, home: ScalarPart) -> Iterator[Word]:
    """A word with its variables replaced; outside quotes, blanks in their values split it."""
    field_parts: list[Chars] = []
    started = False
    for part in word.parts:
        chars = _value(part, variables)
        if isinstance(part, _Reference) and not part.quoted:
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


def _value(part: _Part, variables: Variables) -> Chars:
    if isinstance(part, _Literal):
        return part.chars
    if isinstance(part, _Opaque):
        return hole(part.use, part.reason)
    if part.name in variables:
        value = variables[part.name]
        return value.used_at(part.use, shared=False) if value.text else value
    if part.default is not None:
        return joined([_value(inner, variables) for inner in part.default]).used_at(part.use, shared=False)
    return hole(part.use, f"${part.name} is set outside this file")


@dataclass(slots=True)
class _Script:
    """Runs through a script: keeps the variables that are certain, and hands out the commands."""

    home: ScalarPart
    variables: dict[str, Chars]
    _depth: int = 0
    _parentheses: int = 0
    _chained: set[str] = field(default_factory=set)

    def run(self, lexer: _Lexer) -> Iterator[Command]:
        """Every simple command. Bounded: a script with more words than any launch has is not followed further."""
        line: list[_Unexpanded] = []
        joiner = ""
        left = _MOST_WORDS
        for token in lexer.tokens():
            left -= 1
            if left < 0:
                return
            if isinstance(token, _Unexpanded):
                line.append(token)
                continue
            if line:
                yield from self._command(line, joiner, background=token.text == "&")
                line, joiner = [], ""
            joiner = self._operated(token.text, joiner)
        if line:
            yield from self._command(line, joiner, background=False)

    def _operated(self, operator: str, before: str) -> str:
        if operator == "(":
            self._parentheses += 1
        elif operator == ")":
            self._parentheses = max(self._parentheses - 1, 0)
        if operator in ("&&", "||", "|"):
            return operator
        if operator in ("\n", "\r") and before in ("&&", "||", "|"):
            return before
        for name in self._chained:
            self._forget(name)
        self._chained.clear()
        return ""

    def _command(self, line: list[_Unexpanded], joiner: str, *, background: bool) -> Iterator[Command]:
        line = self._without_keywords(line)
        local, line = self._assignments(line)
        if not line:
            self._assign(local, joiner)
            return
        first = _bare_text(line[0])
        if first in _DECLARING:
            more, _ = self._assignments([word for word in line[1:] if not _bare_text(word).startswith("-")])
            self._assign(more, joiner)
            return
        if first in ("read", "for", "select", "unset", "printf"):
            for word in line[1:]:
                self._forget(_bare_text(word))
            return
        words = tuple(each for word in line for each in expanded(word, self.variables, self.home))
        yield Command(words, {**self.variables, **dict(local)}, background)

    def _without_keywords(self, line: list[_Unexpanded]) -> list[_Unexpanded]:
        """The command behind ``if``, ``then`` and the like; how deep in branches it is, is counted."""
        while line:
            keyword = _bare_text(line[0])
            self._depth += keyword in _OPENING
            self._depth = max(self._depth - (keyword in _CLOSING), 0)
            if keyword not in _BEFORE_A_COMMAND and keyword not in _CLOSING:
                return line
            line = line[1:]
        return line

    def _assignments(self, line: list[_Unexpanded]) -> tuple[list[tuple[str, Chars]], list[_Unexpanded]]:
        """The leading ``NAME=value`` words, and the rest."""
        found: list[tuple[str, Chars]] = []
        for number, word in enumerate(line):
            match = _ASSIGNMENT.match(_leading_literal(word))
            if match is None:
                return found, line[number:]
            values = [_value(part, self.variables) for part in word.parts]
            value = joined(values)
            found.append((match[1], value.slice(match.end(), len(value.text))))
        return found, []

    def _assign(self, assignments: list[tuple[str, Chars]], joiner: str) -> None:
        for name, value in assignments:
            if self._depth or self._parentheses or joiner in ("||", "|"):
                self._forget(name)
            else:
                self.variables[name] = value
                if joiner == "&&":
                    self._chained.add(name)

    def _forget(self, name: str) -> None:
        """A variable that may or may not have been set."""
        if _NAME.fullmatch(name):
            self.variables[name] = hole(self.home.holder.span, f"${name} is set in a branch of the script")


def _bare_text(word: _Unexpanded) -> str:
    """The text of a word without quotes or variables; empty for any other."""
    first = word.parts[0] if len(word.parts) == 1 else None
    return first.chars.text if isinstance(first, _Literal) and not first.quoted else ""


def _leading_literal(word: _Unexpanded) -> str:
    first = word.parts[0] if word.parts else None
    return first.chars.text if isinstance(first, _Literal) and not first.quoted else ""

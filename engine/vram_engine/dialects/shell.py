"""Shell scripts as simple commands, with the variables that are certain when each runs.

``split_words`` is for a compose ``command:`` string, which no shell reads; ``commands`` for the script of ``sh -c``,
with assignments, pipes, redirections and here-documents. A variable set in a branch becomes a hole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from vram_engine.dialects.chars import Chars, hole, joined
from vram_engine.dialects.shell_words import Lexer, Literal, Operator, Unexpanded, expanded, value_of_part
from vram_engine.dialects.variables import Variables
from vram_engine.dialects.words import ScalarPart, Word

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)
_OPENING = frozenset({"if", "while", "until", "for", "case", "select", "{"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_BEFORE_A_COMMAND = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time"})
_DECLARING = frozenset({"export", "declare", "local", "readonly", "typeset"})
# ``declare -x`` does as well, and is taken for it.
_EXPORTING = frozenset({"export", "declare", "typeset"})
_MOST_WORDS = 5000


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command: its words, and the variables in force when it runs.

    ``background`` says that the script goes on beside it. ``exported`` are the variables that the command sees, too.
    """

    words: tuple[Word, ...]
    variables: Variables
    background: bool = False
    exported: frozenset[str] = frozenset()


def split_words(chars: Chars, home: ScalarPart) -> tuple[Word, ...]:
    """The words of a string that is split but not run: up to the first operator, as Docker Compose splits it."""
    words: list[Word] = []
    for token in Lexer(chars, expanding=False).tokens():
        if isinstance(token, Operator):
            if token.text in ("\n", "\r"):
                continue
            break
        words += expanded(token, {}, home)
    return tuple(words)


def commands(chars: Chars, variables: Variables, home: ScalarPart) -> Iterator[Command]:
    """The simple commands of a script, in order."""
    return _Script(home, dict(variables), set(variables)).run(Lexer(chars, expanding=True))


@dataclass(slots=True)
class _Script:
    """Runs through a script: keeps the variables that are certain, and hands out the commands."""

    home: ScalarPart
    variables: dict[str, Chars]
    exported: set[str]
    _depth: int = 0
    _parentheses: int = 0
    _chained: set[str] = field(default_factory=set)

    def run(self, lexer: Lexer) -> Iterator[Command]:
        """Every simple command. Bounded: a script with more words than any launch has is not followed further."""
        line: list[Unexpanded] = []
        joiner = ""
        left = _MOST_WORDS
        for token in lexer.tokens():
            left -= 1
            if left < 0:
                return
            if isinstance(token, Unexpanded):
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

    def _command(self, line: list[Unexpanded], joiner: str, *, background: bool) -> Iterator[Command]:
        line = self._without_keywords(line)
        local, line = self._assignments(line)
        if not line:
            self._assign(local, joiner)
            return
        first = _bare_text(line[0])
        if first in _DECLARING:
            named = [word for word in line[1:] if not _bare_text(word).startswith("-")]
            more, _ = self._assignments(named)
            self._assign(more, joiner)
            if first in _EXPORTING:
                self.exported |= {name for name, _ in more} | {_bare_text(word) for word in named}
            return
        if first in ("read", "for", "select", "unset", "printf"):
            for word in line[1:]:
                self._forget(_bare_text(word))
            return
        words = tuple(each for word in line for each in expanded(word, self.variables, self.home))
        own = dict(local)
        yield Command(words, {**self.variables, **own}, background, frozenset({*self.exported, *own}))

    def _without_keywords(self, line: list[Unexpanded]) -> list[Unexpanded]:
        """The command behind ``if``, ``then`` and the like; how deep in branches it is, is counted."""
        while line:
            keyword = _bare_text(line[0])
            self._depth += keyword in _OPENING
            self._depth = max(self._depth - (keyword in _CLOSING), 0)
            if keyword not in _BEFORE_A_COMMAND and keyword not in _CLOSING:
                return line
            line = line[1:]
        return line

    def _assignments(self, line: list[Unexpanded]) -> tuple[list[tuple[str, Chars]], list[Unexpanded]]:
        """The leading ``NAME=value`` words, and the rest."""
        found: list[tuple[str, Chars]] = []
        for number, word in enumerate(line):
            match = _ASSIGNMENT.match(_leading_literal(word))
            if match is None:
                return found, line[number:]
            values = [value_of_part(part, self.variables) for part in word.parts]
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


def _bare_text(word: Unexpanded) -> str:
    """The text of a word without quotes or variables; empty for any other."""
    first = word.parts[0] if len(word.parts) == 1 else None
    return first.chars.text if isinstance(first, Literal) and not first.quoted else ""


def _leading_literal(word: Unexpanded) -> str:
    first = word.parts[0] if word.parts else None
    return first.chars.text if isinstance(first, Literal) and not first.quoted else ""

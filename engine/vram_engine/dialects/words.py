"""Arguments as a program would see them, each with where it is written and how it could be written anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from vram_engine.deployment import AppendSite, TextSite
from vram_engine.dialects.chars import Chars
from vram_engine.syntax.edits import quoted
from vram_engine.syntax.nodes import Scalar
from vram_engine.syntax.nodes import Sequence as SequenceNode
from vram_engine.text import Span

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class ListItem:
    """A word that is an item of a YAML list. ``shared`` says that the list is used in other places too."""

    holder: SequenceNode
    index: int
    shared: bool


@dataclass(frozen=True, slots=True)
class ScalarPart:
    """A word inside a scalar that a shell, or something like one, splits."""

    holder: Scalar
    shared: bool


Home: TypeAlias = ListItem | ScalarPart


@dataclass(frozen=True, slots=True)
class Word:
    """One argument. ``raw`` is what stands for it in the file, quotes included."""

    chars: Chars
    raw: Span
    home: Home

    @property
    def text(self) -> str:
        """The argument, where it can be told."""
        return self.chars.text

    @property
    def hole(self) -> str | None:
        """Why the argument cannot be told, where it cannot."""
        return self.chars.hole

    @property
    def span(self) -> Span:
        """Where to show it."""
        return self.chars.span if self.text else self.raw

    def part(self, start: int, end: int | None = None) -> Word:
        """A stretch of the word as a word of its own."""
        chars = self.chars.slice(start, len(self.text) if end is None else end)
        return replace(self, chars=chars, raw=chars.outer_span if chars.text else self.raw)


def text_site(chars: Chars) -> TextSite | None:
    """Where these characters can be replaced without touching anything else; None when that cannot be promised."""
    source = chars.only_source
    if source is None or source.hole is not None:
        return None
    if source.use is not None and source.value != chars.text:
        return None
    if source.shared:
        return TextSite(source.use, "part") if source.use is not None else None
    written = Span(chars.starts[0], chars.ends[-1])
    if any(end != start for end, start in zip(chars.ends, chars.starts[1:], strict=False)):
        return None
    whole = source.span if source.style == "" else Span(source.span.start + 1, source.span.end - 1)
    return TextSite(source.span, source.style) if written == whole and source.style in _QUOTED else TextSite(written)


_QUOTED = ("", "'", '"')


def append_site(text: str, words: Sequence[Word]) -> AppendSite | None:
    """Where more arguments go behind ``words``, in the style of those that are there."""
    if not words or words[-1].home.shared:
        return None
    last = words[-1]
    if isinstance(last.home, ScalarPart):
        return _in_scalar(text, last, last.home)
    return _in_flow_list(words, last.home) if last.home.holder.flow else _in_block_list(text, words, last.home)


def _in_flow_list(words: Sequence[Word], home: ListItem) -> AppendSite:
    flag, value = _quotes(words)
    return AppendSite(home.holder.items[-1].span.end, ", ", _glued(words), flag, value)


def _in_block_list(text: str, words: Sequence[Word], home: ListItem) -> AppendSite | None:
    item = home.holder.items[-1]
    start = _line_start(text, item.span.start)
    dash = text[start : item.span.start]
    if dash.strip(" ") != "-":
        return None
    flag, value = _quotes(words)
    return AppendSite(_line_end(text, item.span.end), _newline(text) + dash, _glued(words), flag, value)


def _in_scalar(text: str, last: Word, home: ScalarPart) -> AppendSite | None:
    """Behind the last word: on a line of its own where the arguments have lines of their own."""
    end = last.raw.end
    before = text[home.holder.span.start : end]
    lead = " "
    if "\n" in before.strip():
        line = _newline(text) + _indent(text, end)
        if home.holder.style == "|" and _is_continued(text, end):
            lead = f" \\{line}"
        elif home.holder.style in ("", ">"):
            lead = line
    return AppendSite(end, lead, _glued_text(before), "", "", in_list=False)


def _is_continued(text: str, end: int) -> bool:
    """Whether the line that ends with a word is a continuation of the line above."""
    start = _line_start(text, end)
    return text[:start].rstrip("\r\n").rstrip(" ").endswith("\\")


def _indent(text: str, at: int) -> str:
    line = text[_line_start(text, at) : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _line_start(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def _line_end(text: str, at: int) -> int:
    """The end of the line of ``at``, which may be the start of the next one when a block ends there."""
    if at > 0 and text[at - 1] in "\r\n":
        at -= 2 if text.endswith("\r\n", 0, at) else 1
    match = re.compile(r"[^\r\n]*").match(text, at)
    return at if match is None else match.end()


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _glued(words: Sequence[Word]) -> bool:
    """Whether most flags with a value are written ``--flag=value``."""
    with_sign = sum(word.text.startswith("--") and "=" in word.text for word in words)
    return with_sign > sum(_is_value(words, at) for at in range(1, len(words)))


def _is_value(words: Sequence[Word], at: int) -> bool:
    flag = words[at - 1].text
    return flag.startswith("-") and "=" not in flag and not words[at].text.startswith("-")


def _glued_text(before: str) -> bool:
    return len(re.findall(r"--[\w.-]+=", before)) > len(re.findall(r"--[\w.-]+[ \t]+[^-\s]", before))


def _quotes(words: Sequence[Word]) -> tuple[str, str]:
    """The quotes that flags and values have here; a number is a string to Kubernetes and compose, so it needs some."""
    flags = [style for word, style in _styled(words) if word.text.startswith("--")]
    numbers = [style for word, style in _styled(words) if _NUMBER.fullmatch(word.text) and style]
    flag = flags[-1] if flags else ""
    return flag, numbers[-1] if numbers else flag or '"'


def _styled(words: Sequence[Word]) -> Iterator[tuple[Word, str]]:
    for word in words:
        if isinstance(word.home, ListItem):
            item = word.home.holder.items[word.home.index]
            if isinstance(item, Scalar) and item.style in _QUOTED:
                yield word, item.style


def stretch(text: str, words: Sequence[Word], start: int, end: int) -> Span | None:
    """What to take out so that ``words[start:end]`` are gone; None where that would touch anything else."""
    home = words[start].home
    following = words[end] if end < len(words) else None
    if following is not None and _same_holder(home, following.home):
        span = Span(words[start].raw.start, following.raw.start)
    elif start > 0 and _same_holder(home, words[start - 1].home):
        span = Span(words[start - 1].raw.end, words[end - 1].raw.end)
    else:
        return None
    whole = all(_same_holder(home, word.home) for word in words[start:end]) and not home.shared
    return span if whole and span.start < span.end and "#" not in text[span.start : span.end] else None


def _same_holder(one: Home, other: Home) -> bool:
    return type(one) is type(other) and one.holder is other.holder


def split_item(text: str, word: Word, sign: int) -> tuple[Span, str] | None:
    """``--flag=value`` as two words: what to replace, and by what. ``sign`` is where in the word the ``=`` is."""
    if text_site(word.chars) is None or word.home.shared:
        return None
    if isinstance(word.home, ScalarPart):
        return word.part(sign, sign + 1).span, " "
    item = word.home.holder.items[word.home.index]
    site = append_site(text, (word,))
    if site is None or not isinstance(item, Scalar) or item.style not in _QUOTED:
        return None
    option, value = word.text[:sign], word.text[sign + 1 :]
    first = option if item.style == "" else quoted(option, item.style)
    return item.span, first + site.lead + quoted(value, item.style)

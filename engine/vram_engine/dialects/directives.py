"""Comments that speak to us: ``# vram: gpu=l4 gpus=2`` adds facts, ``# vram: ignore[rule]`` silences a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vram_engine.deployment import Known, Scalar, Setting, Unknown
from vram_engine.dialects.spelling import closest
from vram_engine.facts.versions import parse_version
from vram_engine.syntax.nodes import Comment, Document
from vram_engine.text import Span

# Directive key -> the setting it gives.
KEYS = {
    "gpu": "gpu",
    "gpus": "gpus",
    "gpu-memory-bytes": "gpu-memory-bytes",
    "free-memory-bytes": "free-memory-bytes",
    "concurrency": "concurrency",
    "prompt-tokens": "prompt-tokens",
    "gen-tokens": "gen-tokens",
    "vllm": "vllm-version",
    "estimator": "estimator",
    "mode": "mode",
}
ESTIMATORS = ("startup", "closed_form")
MODES = ("balanced", "throughput", "latency")

_WORDS = {"estimator": ESTIMATORS, "mode": MODES}
_TEXT_KEYS = frozenset({"gpu", "vllm", *_WORDS})
_LARGEST = 2**53
_PREFIX = re.compile(r"[ \t]*vram[ \t]*:[ \t]*")
_ITEM = re.compile(
    r"""ignore[ \t]*\[(?P<rules>[^\]]*)\]"""
    r"""|(?P<key>[\w-]+)[ \t]*=[ \t]*(?P<value>"[^"]*"|'[^']*'|\S*)"""
    r"""|(?P<word>\S+)"""
)
# What follows a second # is a remark to people.
_REMARK = re.compile(r"[ \t]#")
_NAME = re.compile(r"[^\s,]+")


@dataclass(frozen=True, slots=True)
class DirectiveProblem:
    """A part of a directive that means nothing. ``instead`` is what was probably meant."""

    span: Span
    message: str
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """One rule name in an ``ignore[...]``; ``comment`` is the whole comment it stands in."""

    rule: str
    span: Span
    comment: Span


@dataclass(frozen=True, slots=True)
class Directives:
    """Everything the comments of one document say to us."""

    settings: tuple[Setting, ...] = ()
    ignores: tuple[Ignore, ...] = ()
    problems: tuple[DirectiveProblem, ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether anything in them can only be meant for us; "vram: at least 24 GB" is a remark to people."""
        return bool(self.settings or self.ignores)


def read_directives(document: Document) -> Directives:
    """The directives of one document, in order."""
    said = [each for comment in document.comments for each in _items(comment)]
    return Directives(
        tuple(each for each in said if isinstance(each, Setting)),
        tuple(each for each in said if isinstance(each, Ignore)),
        tuple(each for each in said if isinstance(each, DirectiveProblem)),
    )


def _items(comment: Comment) -> Iterator[Setting | Ignore | DirectiveProblem]:
    prefix = _PREFIX.match(comment.text)
    text_at = comment.span.start + 1
    remark = _REMARK.search(comment.text)
    end = remark.start() if remark else len(comment.text)
    for match in _ITEM.finditer(comment.text, prefix.end() if prefix else 0, end):
        span = Span(text_at + match.start(), text_at + match.end())
        if match["rules"] is not None:
            yield from _ignores(match["rules"], text_at + match.start("rules"), comment)
        elif match["word"] is not None:
            yield DirectiveProblem(span, f"expected key=value, found {match['word']!r}")
        elif match["key"].lower() not in KEYS:
            yield _unknown_key(match["key"], Span(span.start, span.start + len(match["key"])))
        else:
            yield _setting(match["key"].lower(), match["value"].strip("\"'"), span)


def _ignores(rules: str, at: int, comment: Comment) -> Iterator[Ignore]:
    for name in _NAME.finditer(rules):
        yield Ignore(name[0], Span(at + name.start(), at + name.end()), comment.span)


def _unknown_key(key: str, span: Span) -> DirectiveProblem:
    close = closest(key.lower().replace("_", "-"), KEYS)
    hint = f"; did you mean {close}?" if close else f"; known are {', '.join(KEYS)}"
    return DirectiveProblem(span, f"{key} is not a key of a vram directive{hint}", close)


def _setting(key: str, written: str, span: Span) -> Setting | DirectiveProblem:
    value: Scalar | None = _text_value(key, written) if key in _TEXT_KEYS else _count(written)
    if not written:
        return Setting(KEYS[key], Unknown(f"{key}= has no value yet"), "directive", key, span=span)
    if "," in written:
        return DirectiveProblem(span, f"{key}={written}: separate what follows by a space, not a comma")
    if value is None:
        return DirectiveProblem(span, f"{key}={written}: {_expected(key)}")
    return Setting(KEYS[key], Known(value), "directive", key, span=span)


def _text_value(key: str, written: str) -> str | None:
    if key == "vllm":
        version = parse_version(written)
        return str(version) if version else None
    if key in _WORDS:
        return written if written in _WORDS[key] else None
    return written or None


def _count(written: str) -> int | None:
    value = int(written) if written.isascii() and written.isdigit() and len(written) <= 16 else 0
    return value if 0 < value <= _LARGEST else None


def _expected(key: str) -> str:
    if key == "vllm":
        return "expected a release such as 0.32.0"
    if key in _WORDS:
        return f"expected one of {', '.join(_WORDS[key])}"
    return "expected a whole number above 0"

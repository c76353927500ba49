"""What a rule is, what it looks at, and what it finds. Rules speak places and settings, never text edits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vram_engine.deployment import Remark, Scalar
from vram_engine.dialects.directives import Directives, Ignore
from vram_engine.plan import Plan, Where
from vram_engine.syntax.nodes import Tree
from vram_engine.syntax.route import Place
from vram_engine.text import Span

Severity = Literal["error", "warning", "information", "hint"]
Certainty = Literal["certain", "likely", "assumed"]
Safety = Literal["safe", "unsafe"]


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """Give settings of one deployment other values, and take those in ``drops`` out."""

    deployment: int
    values: Mapping[str, Scalar]
    drops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenameKey:
    """Spell a key differently."""

    place: Place
    key: str


@dataclass(frozen=True, slots=True)
class ReplaceValue:
    """Write another value."""

    place: Place
    value: str


@dataclass(frozen=True, slots=True)
class ReplaceText:
    """Replace a stretch of text; with an empty text, take it out."""

    span: Span
    text: str


Change: TypeAlias = ChangeSettings | RenameKey | ReplaceValue | ReplaceText


@dataclass(frozen=True, slots=True)
class Fix:
    """One way out. ``safe`` fixes keep what the user meant; the first of a finding is the preferred one."""

    title: str
    change: Change
    safety: Safety = "unsafe"


def remarked(remark: Remark, title: str) -> tuple[Fix, ...]:
    """The fix that a remark about a stretch of text brings with it."""
    span = remark.stretch or remark.place
    if remark.instead is None or not isinstance(span, Span):
        return ()
    return (Fix(title, ReplaceText(span, remark.instead), "safe"),)


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that adds to the problem."""

    where: Where
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, where, and the ways out of it, the preferred one first."""

    rule: str
    severity: Severity
    where: Where
    message: str
    certainty: Certainty = "certain"
    fixes: Sequence[Fix] = ()
    related: tuple[Related, ...] = ()


def remark_findings(plan: Plan, rule: str, severity: Severity, title: str) -> Iterator[Finding]:
    """The remarks of a deployment that are of the kind ``rule``, with ``title`` for the fix they bring."""
    for remark in plan.deployment.remarks:
        if remark.kind == rule:
            yield Finding(rule, severity, remark.place, remark.message, fixes=remarked(remark, title))


@dataclass(frozen=True, slots=True)
class FileView:
    """What a rule about a whole file may look at: only documents that are ours."""

    tree: Tree
    ours: tuple[int, ...]
    directives: Mapping[int, Directives]
    rule_names: frozenset[str]
    unused_ignores: tuple[Ignore, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name for ever, and the check. ``doc`` is its page."""

    name: str
    doc: str
    check_plan: Callable[[Plan], Iterator[Finding]] | None = None
    check_file: Callable[[FileView], Iterator[Finding]] | None = None

    @property
    def summary(self) -> str:
        """The first sentence of the page."""
        return self.doc.strip().split("\n", 1)[0]

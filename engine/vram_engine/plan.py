"""The plan of one deployment: everything known about it, from settings to verdict. What views and rules read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from vram_engine.deployment import Deployment, Known, Setting
from vram_engine.estimate import Estimate
from vram_engine.feasibility import Feasibility, Verdict
from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.modelled import Unmodelled
from vram_engine.performance import Performance, performance
from vram_engine.recommend import Recommendation
from vram_engine.refusals import Refused
from vram_engine.resolution import NoGpu
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.parallelism import Refusal
from vram_engine.syntax.route import Place
from vram_engine.text import Span

# A place in the tree, or a plain span for what the tree has no node for: comments and broken text.
Where: TypeAlias = Place | Span


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where findings about a deployment are shown: the key that is to blame, else the model, else its first key."""

    deployment: Deployment
    fallback: Where = field(default_factory=lambda: Span(0, 0))

    def at(self, *names: str) -> Where:
        """The place of the first of these settings that this file itself holds."""
        for name in (*names, "model", "params-b"):
            where = place_of(self.deployment.effective(name))
            if where is not None:
                return where
        return self.fallback


def place_of(setting: Setting | None) -> Where | None:
    """Where a setting is written in the file under analysis, if it is."""
    if setting is None or setting.origin not in ("file", "directive"):
        return None
    return setting.place or setting.span


@dataclass(frozen=True, slots=True)
class Choice:
    """GPUs that a deployment may run on, in words, and the verdict there."""

    name: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Plan:
    """One deployment of a file. ``index`` is its number among the file's deployments.

    ``model`` is None while it is being looked up, or when the deployment names none (``ref`` is None too).
    ``draft_ref`` is a second model, which drafts tokens; ``wants`` are those of both that are still to be looked up.
    ``assumed_refusals`` hold should the newest release be the one that is run, and decide nothing.
    ``estimate`` is a reason where the model and GPU are known but the sizing is not. Where one of several kinds of GPU
    will be used, this is the plan on the worst of them, and ``choices`` are all.
    """

    index: int
    deployment: Deployment
    anchor: Anchor
    args: EngineArgs
    ref: ModelRef | None
    model: FoundModel | Unavailable | None
    node: Node | NoGpu
    unmodelled: tuple[Unmodelled, ...]
    estimate: Estimate | Refusal | Unavailable | None = None
    feasibility: Feasibility | None = None
    recommendations: Sequence[Recommendation] = ()
    refusals: tuple[Refused, ...] = ()
    assumed_refusals: tuple[Refused, ...] = ()
    choices: tuple[Choice, ...] = ()
    draft_ref: ModelRef | None = None
    wants: frozenset[ModelRef] = frozenset()

    @property
    def refs(self) -> frozenset[ModelRef]:
        """The models that the deployment names."""
        return frozenset(ref for ref in (self.ref, self.draft_ref) if ref is not None)

    @property
    def verdict(self) -> Verdict:
        """The verdict, unknown wherever something it rests on is; what vLLM refuses is certain all the same."""
        if self.refusals or isinstance(self.estimate, Refusal):
            return "infeasible"
        return self.feasibility.verdict if self.feasibility is not None and not self.unmodelled else "unknown"

    @property
    def choices_words(self) -> str:
        """On which of the GPUs that may be used the verdict is what; empty where there is no choice."""
        named = {words: _listed(self.choices, verdict) for verdict, words in _VERDICTS.items()}
        return "; ".join(f"{words} {names}" for words, names in named.items() if names)

    @property
    def performance(self) -> Performance | Unavailable | None:
        """How fast it may answer, worked out when asked for; None unless vLLM would start."""
        sized, model, where = self.estimate, self.model, self.node
        if self.verdict not in ("fits", "at-risk") or not isinstance(model, FoundModel):
            return None
        if not isinstance(sized, Estimate) or not isinstance(where, Node):
            return None
        return performance(self.deployment, model.spec, where, sized)

    def refused(self, topic: str) -> Refused | None:
        """vLLM's refusal about a topic, if there is one."""
        return next((each for each in self.refusals if each.topic == topic), None)

    def at(self, *names: str) -> Where:
        """Where a finding about these settings is shown."""
        return self.anchor.at(*names)

    @property
    def rests_on_assumptions(self) -> str:
        """What was assumed rather than known, as words for the user; empty when nothing was."""
        if isinstance(self.model, FoundModel) and self.model.spec.shapes_guessed:
            return "the shapes of a model of this size are assumed"
        if isinstance(self.node, Node) and self.node.gpu.memory_status == "assumed":
            return "a GPU of this memory is assumed"
        return ""


# From worst to best: of several GPUs the worst decides.
_VERDICTS: Mapping[Verdict, str] = {
    "infeasible": "does not fit on",
    "unknown": "cannot be told on",
    "at-risk": "at risk on",
    "fits": "fits on",
}


def _listed(choices: tuple[Choice, ...], verdict: Verdict) -> str:
    return ", ".join(each.name for each in choices if each.verdict == verdict)


def worst(plans: Sequence[Plan]) -> Plan:
    """The plan that decides among those of one deployment on different GPUs, with the verdicts on all of them."""
    order = list(_VERDICTS)
    choices = tuple(Choice(_node_words(plan.node), plan.verdict) for plan in plans)
    decides = min(plans, key=lambda plan: order.index(plan.verdict))
    return replace(decides, choices=choices) if len(plans) > 1 else decides


def _node_words(node: Node | NoGpu) -> str:
    if isinstance(node, NoGpu):
        return str(node.setting.value.value) if node.setting and isinstance(node.setting.value, Known) else "others"
    return f"{node.count or 1} x {node.gpu.name}"

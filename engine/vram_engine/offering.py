"""Recommendations as edits of a file: searched for, written, read again, and offered only where the result fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vram_engine.analysis import Analysis, Context, analyse, plan_of
from vram_engine.beside import is_short_because_of_peers
from vram_engine.deployment import Scalar
from vram_engine.dialects.writing import settings_written
from vram_engine.fixing import edits_of
from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.plan import Plan
from vram_engine.recommend.advice import Advice, Choice, advise, without_flag
from vram_engine.recommend.case import Case, changed, may_change_all
from vram_engine.recommend.goal import Asked, goal_of
from vram_engine.recommend.siblings import Sibling, catalogue_siblings
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.syntax.edits import TextEdit, apply
from vram_engine.view.summary import missing


@dataclass(frozen=True, slots=True)
class Offer:
    """A choice, the edits that make the file say it, and the plan of the file as edited.

    ``edits`` is empty for a deployment that no file describes.
    """

    choice: Choice
    edits: tuple[TextEdit, ...]
    after: Plan


@dataclass(frozen=True, slots=True)
class Recommended:
    """The answer for one deployment; ``advice`` is None where nothing can be searched, and ``reasons`` say why."""

    plan: Plan
    advice: Advice | None
    offers: tuple[Offer, ...] = ()
    reasons: tuple[str, ...] = ()


def recommended(analysis: Analysis, index: int, context: Context, asked: Asked | None = None) -> Recommended:
    """What to recommend for the deployment number ``index`` of a file."""
    plan = analysis.plans[index]
    case = case_of(analysis, plan, context, asked)
    if case is None:
        return Recommended(plan, None, reasons=missing(plan))
    advice = advise(case)
    offers = tuple(_offers(analysis, plan, advice, context))
    return Recommended(plan, advice, offers, () if offers else tuple(_shares(plan)))


def _shares(plan: Plan) -> Iterator[str]:
    """What to do where all that is wrong is what others on the GPU hold: no search over one deployment ends that."""
    if plan.feasibility is not None and is_short_because_of_peers(plan.deployment, plan.feasibility.condition):
        names = _listed([peer.name for peer in plan.deployment.peers])
        yield f"it shares its GPU with {names}, and together they ask for too much: lower gpu-memory-utilization of one"


def _listed(names: Sequence[str]) -> str:
    """Names in a line that stays readable however many there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


# As many names as fit beside the rest of a sentence.
_MOST_NAMES = 4


def case_of(analysis: Analysis, plan: Plan, context: Context, asked: Asked | None = None) -> Case | None:
    """What the search starts from; None while the model, the GPU or a setting's effect is not known."""
    if not isinstance(plan.model, FoundModel) or not isinstance(plan.node, Node) or plan.unmodelled:
        return None
    spec = plan.model.spec

    def may_change(name: str) -> bool:
        return settings_written(analysis.tree, plan.deployment, {name: _PROBES.get(name, 8)}) is not None

    return Case(
        plan.deployment,
        spec,
        plan.node,
        goal_of(plan.deployment, spec, asked),
        _siblings(plan.ref, context) if not spec.shapes_guessed else (),
        may_change if _is_in_a_file(analysis) else may_change_all,
    )


def _siblings(ref: ModelRef | None, context: Context) -> tuple[Sibling, ...]:
    """Quantized checkpoints of a model: those of the catalogue, then those that somebody looked up."""
    shipped = catalogue_siblings(ref)
    known = {each.ref.name.casefold() for each in shipped}
    found = context.siblings.get(ref, ()) if ref is not None else ()
    return (*shipped, *(each for each in found if each.ref.name.casefold() not in known))


# Values of the kind a setting takes, to see whether there is a place for one.
_PROBES: dict[str, Scalar] = {
    "model": "organisation/name",
    "quantization": "fp8",
    "kv-cache-dtype": "fp8",
    "gpu-memory-utilization": 0.5,
}


def _is_in_a_file(analysis: Analysis) -> bool:
    return bool(analysis.dialects)


def _offers(analysis: Analysis, plan: Plan, advice: Advice, context: Context) -> Iterator[Offer]:
    for choice in advice.choices:
        known = _with_model(context, choice)
        offer = _written(analysis, plan, choice, known) if _is_in_a_file(analysis) else _argued(plan, choice, known)
        if offer is not None and offer.after.verdict == "fits":
            yield offer


def _with_model(context: Context, choice: Choice) -> Context:
    """The context that knows the checkpoint a choice names."""
    if choice.model is None:
        return context
    ref = ModelRef(str(choice.settings["model"]))
    return replace(context, models={ref: choice.model, **context.models})


def _written(analysis: Analysis, plan: Plan, choice: Choice, context: Context) -> Offer | None:
    """The choice as edits, and the plan of the text they make; a flag that repeats the checkpoint is rather dropped."""
    if choice.model is not None and _OF_THE_CHECKPOINT in choice.settings:
        found = _edited(analysis, plan, without_flag(choice, _OF_THE_CHECKPOINT), context)
        if found is not None:
            return found
    return _edited(analysis, plan, choice, context)


_OF_THE_CHECKPOINT = "quantization"


def _edited(analysis: Analysis, plan: Plan, choice: Choice, context: Context) -> Offer | None:
    change = ChangeSettings(plan.index, choice.settings, choice.drops)
    edits = edits_of(analysis, Fix(choice.title, change), context)
    if edits is None:
        return None
    after = analyse(apply(analysis.tree.text, edits), replace(context, dialects=analysis.dialects))
    return Offer(choice, edits, after.plans[plan.index]) if len(after.plans) == len(analysis.plans) else None


def _argued(plan: Plan, choice: Choice, context: Context) -> Offer:
    """The choice as arguments in place of those given."""
    deployment = changed(plan.deployment, choice.settings)
    return Offer(choice, (), plan_of(deployment, plan.index, context, plan.anchor.fallback))

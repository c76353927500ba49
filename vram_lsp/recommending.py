"""``recommend``: the answers for every deployment of a file, and the best of them written into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vram_engine.analysis import Analysis, Context
from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.model.spec import Unavailable
from vram_engine.offering import Recommended, case_of, recommended
from vram_engine.recommend.goal import Asked
from vram_engine.recommend.gpus import Fitting, fitting_gpus, more_gpus
from vram_engine.recommend.siblings import Sibling
from vram_engine.syntax.edits import apply

if TYPE_CHECKING:
    from vram_lsp.checking import Checked


@dataclass(frozen=True, slots=True)
class Answer:
    """One deployment's recommendations.

    ``more`` is what more GPUs of the same kind would do where the ones there are do not serve what was asked for,
    ``gpus`` are those of the catalogue that would, None where nobody wanted to know.
    """

    recommended: Recommended
    more: Fitting | None = None
    gpus: tuple[Fitting, ...] | None = None


def looked_up(
    ref: ModelRef, hub: SiblingHub, find: Callable[[ModelRef], FoundModel | Unavailable]
) -> tuple[Sibling, ...] | Unanswered:
    """The quantized checkpoints of a model that the hub lists and that can be read."""
    names = hub.quantized(ref)
    if isinstance(names, Unanswered):
        return names
    found = ((ModelRef(name), find(ModelRef(name))) for name in names)
    return tuple(Sibling(each, model) for each, model in found if isinstance(model, FoundModel))


class SiblingHub(Protocol):
    """Somebody who knows which repositories hold a model in fewer bits."""

    def quantized(self, ref: ModelRef) -> tuple[str, ...] | Unanswered:
        """Their ids, or why there is no answer."""


def answers(checked: Checked, asked: Asked, *, other_gpus: bool) -> tuple[Answer, ...]:
    """Every deployment of a file, or the one of the arguments."""
    analysis, context = checked.analysis, checked.context
    return tuple(
        answer(analysis, plan.index, context, asked, gpus=gpus_for(analysis, plan.index, asked) if other_gpus else None)
        for plan in analysis.plans
    )


def answer(
    analysis: Analysis,
    index: int,
    context: Context,
    asked: Asked | None = None,
    *,
    gpus: tuple[Fitting, ...] | None = None,
) -> Answer:
    """One deployment."""
    found = recommended(analysis, index, context, asked)
    case = case_of(analysis, found.plan, context, asked)
    served = found.advice is not None and (found.advice.as_it_is is not None or _whole(found))
    return Answer(found, None if case is None or served else more_gpus(case), gpus)


def _whole(found: Recommended) -> bool:
    """Whether the best offer serves all that was asked for at full precision."""
    best = found.offers[0].choice if found.offers else None
    return best is not None and best.shortfall == 0 and best.loss == 0


def gpus_for(analysis: Analysis, index: int, asked: Asked | None = None) -> tuple[Fitting, ...]:
    """The GPUs of the catalogue that serve a deployment as it is written, fewest and smallest first."""
    case = case_of(analysis, analysis.plans[index], Context(), asked)
    found = () if case is None else tuple(fitting_gpus(case))
    return tuple(sorted(found, key=lambda each: (each.count * each.gpu.memory_bytes, each.count)))


def applied(checked: Checked, asked: Asked, again: Callable[[str, Checked], Checked]) -> Checked:
    """The file with the best offer of every deployment written into it, one after another."""
    for index in range(len(checked.analysis.plans)):
        offers = recommended(checked.analysis, index, checked.context, asked).offers
        if offers:
            checked = again(apply(checked.analysis.tree.text, offers[0].edits), checked)
    return checked

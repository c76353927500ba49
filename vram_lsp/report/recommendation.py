"""What ``recommend`` says: a document for programs, which an editor's command gets as well, and a page for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vram_engine.feasibility import gib
from vram_engine.offering import Offer, Recommended
from vram_engine.recommend.advice import Choice, preview
from vram_engine.recommend.gpus import Fitting
from vram_engine.view.summary import headline
from vram_lsp.recommending import Answer
from vram_lsp.report.printable import printable


def recommendation_document(answers: Sequence[Answer]) -> dict[str, Any]:
    """Every deployment with its choices, best first."""
    return {"schema_version": 1, "deployments": [answer_document(each) for each in answers]}


def answer_document(answer: Answer) -> dict[str, Any]:
    """One deployment."""
    found, advice = answer.recommended, answer.recommended.advice
    goal, partial = (advice.goal, advice.partial) if advice is not None else (None, None)
    return {
        "name": found.plan.deployment.name,
        "verdict": found.plan.verdict,
        "goal": None if goal is None else {"tokens": goal.tokens, "concurrency": goal.concurrency, "mode": goal.mode},
        "recommendations": [offer_document(each) for each in found.offers],
        "partial": None
        if partial is None
        else {"title": partial.title, "settings": dict(partial.settings), "lacks_bytes": partial.lacks_bytes},
        "more_gpus": None if answer.more is None else fitting_document(answer.more),
        "gpus": None if answer.gpus is None else [fitting_document(each) for each in answer.gpus],
        "reasons": list(found.reasons),
        "judged": 0 if advice is None else advice.judged,
    }


def offer_document(offer: Offer) -> dict[str, Any]:
    """One choice; bytes are per GPU."""
    choice = offer.choice
    return {
        "title": choice.title,
        "settings": dict(choice.settings),
        "drops": list(choice.drops),
        "verdict": offer.after.verdict,
        "headroom_bytes": choice.headroom_bytes,
        "headroom_before_bytes": choice.headroom_before,
        "weights_bytes": choice.weights_bytes,
        "max_model_len": choice.tokens,
        "concurrency": choice.concurrency,
        "tokens_per_s": None if choice.tokens_per_s is None else round(choice.tokens_per_s, 1),
        "because": list(choice.because),
        "ranked_below_because": choice.lost_by or None,
    }


def fitting_document(fitting: Fitting) -> dict[str, Any]:
    """So many GPUs of a kind, and the settings that spread the model over them."""
    gpu = fitting.gpu
    return {"id": gpu.id, "name": gpu.name, "count": fitting.count, "settings": dict(fitting.settings)}


def print_recommendations(answers: Sequence[Answer]) -> None:
    """A page: the best choice, why, and what was ranked below it and why."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for answer in answers:
        console.print(printable(headline(answer.recommended.plan)), style="bold", markup=False)
        for line in _lines(answer):
            console.print(printable(line), markup=False)


def _lines(answer: Answer) -> list[str]:
    found = answer.recommended
    lines = [f"  no recommendation: {reason}" for reason in found.reasons]
    for number, offer in enumerate(found.offers):
        lines += _choice_lines(number + 1, offer.choice)
    if found.advice is not None and not found.offers and not found.reasons:
        lines += _without_choice(found)
    if answer.more is not None:
        how = ", ".join(f"{name} {value}" for name, value in answer.more.settings.items())
        lines.append(f"  with {answer.more.count} x {answer.more.gpu.name} ({how}) nothing else would have to change")
    if answer.gpus is not None:
        lines += ["  fits on, as it is written:"] + [f"    {each.count} x {each.gpu.id}" for each in answer.gpus]
    return lines


def _choice_lines(number: int, choice: Choice) -> list[str]:
    rate = "" if choice.tokens_per_s is None else f"; about {choice.tokens_per_s:,.0f} tokens/s altogether"
    lines = [f"  {number}. {choice.title}", f"     {preview(choice)}{rate}"]
    lines += [f"     {reason}" for reason in choice.because]
    return lines + ([f"     ranked below: {choice.lost_by}"] if choice.lost_by else [])


def _without_choice(found: Recommended) -> list[str]:
    advice = found.advice
    if advice is None:
        return []
    if advice.as_it_is is not None:
        return [
            f"  nothing better was found among {advice.judged:,} budgets; "
            f"{gib(advice.as_it_is.headroom_bytes)} stay free per GPU"
        ]
    lines = ["  nothing that can be written into this file fits on these GPUs"]
    if advice.partial is not None:
        lacks = gib(advice.partial.lacks_bytes)
        lines.append(f"  nearest: {advice.partial.title}, which still lacks {lacks} per GPU")
    return lines

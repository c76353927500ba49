"""Which setting a place in the text would be: found by writing a value there and reading the text again.

A key without a value is no setting yet, and every kind of file names its settings its own way; its reader knows them.
"""

from __future__ import annotations

from vram_engine.analysis import Analysis, Context, analyse
from vram_engine.plan import Plan
from vram_engine.text import Span
from vram_engine.view.written import value_span, written_settings

# What a number, a size and a name may all be.
_PROBE = "1"


def setting_at(analysis: Analysis, word: Span) -> tuple[str, Plan] | None:
    """The setting whose value stands at ``word``, or would, and the deployment it is of.

    Where nothing was read there, a value is tried, in a text of its own for which no model is looked up.
    """
    found = _read_at(analysis, word)
    if found is not None:
        return found
    text = analysis.tree.text
    probed = analyse(text[: word.start] + _PROBE + text[word.end :], Context(dialects=analysis.dialects))
    would = _read_at(probed, Span(word.start, word.start + len(_PROBE)))
    if would is None or [plan.deployment.name for plan in probed.plans] != _names(analysis):
        return None
    name, plan = would
    return name, analysis.plans[plan.index]


def _names(analysis: Analysis) -> list[str]:
    return [plan.deployment.name for plan in analysis.plans]


def _read_at(analysis: Analysis, word: Span) -> tuple[str, Plan] | None:
    for plan in analysis.plans:
        for setting in written_settings(plan):
            if setting.origin == "file" and value_span(analysis, setting) == word:
                return setting.name, plan
    return None

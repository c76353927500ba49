"""An analysis that starts from an earlier one says what a fresh one says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.deployment import Known, Setting
from vram_engine.later import Later
from vram_engine.sources.catalogue import CatalogueModels
from vram_lsp.answers import find_model

TEXT = "# vram: gpu=l4 gpus=2\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n"
COMPOSE = """services:
  one:
    image: vllm/vllm-openai:v0.32.0
    command: ["--model", "Qwen/Qwen2.5-14B-Instruct", "--max-model-len", "8192"]
"""


def known(*texts):
    """What look-ups would have answered for these texts."""
    wants = {ref for text in texts for ref in analyse(text).wants}
    return Context(models={ref: find_model((CatalogueModels(),), ref, ()) for ref in wants})


def told(analysis):
    """Everything an analysis says that does not depend on how it was come by."""
    plans = [
        (each.index, each.verdict, each.feasibility, each.recommendations, each.refusals, each.unmodelled, each.node)
        for each in analysis.plans
    ]
    places = [(each, analysis.span(each.where)) for each in analysis.findings]
    return plans, places, analysis.wants, analysis.dialects


@pytest.mark.parametrize(
    "after",
    [
        TEXT,
        "# a comment above\n" + TEXT,
        TEXT + "served-model-name: x\n",
        TEXT.replace("8192", "8193"),
        TEXT.replace("gpus=2", "gpus=1"),
        TEXT.replace("l4", "h100"),
        TEXT + "cuda-graph-sizes: 1\n",
        TEXT + "enforce-eager: 1\n",
        TEXT + "enforce-eager: true\n",
        TEXT + "max-model-len: 4096\n",
        "---\n" + TEXT + "---\n" + TEXT,
        COMPOSE + "# vram: gpu=l4\n",
        "",
    ],
)
def test_what_was_sized_before_changes_nothing(after):
    """Whatever an edit did to the text, the answer is that of a fresh analysis, findings and places included."""
    context = known(TEXT, after)
    before = analyse(TEXT, context)
    assert told(analyse(after, context, before)) == told(analyse(after, context))


def test_an_unchanged_deployment_is_not_sized_again():
    """Its estimate is the very one that was there."""
    context = known(TEXT)
    before = analyse(TEXT, context)
    after = analyse("# longer\n" + TEXT, context, before)
    assert after.plans[0].estimate is before.plans[0].estimate
    assert after.plans[0].anchor.at("model") == before.plans[0].anchor.at("model")


def test_a_setting_from_outside_is_a_change():
    """What the editor's settings say is no less than what the text says."""
    context = known(TEXT)
    before = analyse(TEXT, context)
    more = replace(context, settings=(Setting("vllm-version", Known("0.11.0"), "settings", "vllm-version"),))
    after = analyse(TEXT, more, before)
    assert after.plans[0].estimate is not before.plans[0].estimate
    assert told(after) == told(analyse(TEXT, more))


def test_ways_out_are_worked_out_when_somebody_looks():
    """The finding is there without them; looked at, they are what they would have been at once."""
    (plan,) = analyse(TEXT, known(TEXT)).plans
    calls = []
    later = Later(lambda: calls.append(1) or tuple(plan.recommendations))
    assert calls == []
    assert (later[0], len(later), list(later)) == (plan.recommendations[0], len(plan.recommendations), [*later])
    assert later == tuple(plan.recommendations)
    assert later != ()
    assert calls == [1]

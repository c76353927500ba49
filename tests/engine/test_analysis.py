"""The whole pipeline: total on any text, silent on other people's files, and its fixes do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vram_engine.analysis import Context, analyse
from vram_engine.estimate import Estimate
from vram_engine.fixing import edits_of, ignore_edits
from vram_engine.rules.base import ChangeSettings
from vram_engine.syntax.edits import apply
from vram_engine.view.hover import hover

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_prefix_of_an_example_gets_an_answer(path, analysed):
    """Cut at any character, a file is analysed and can be hovered anywhere without an exception."""
    text = path.read_text(encoding="utf-8")
    context = Context()
    for end in range(len(text) + 1):
        analysis = analysed(text[:end], context=context)
        context = Context(dialects=analysis.dialects)
        hover(analysis, end)


@given(st.text(alphabet=st.sampled_from("model:-0 \n#vra=gpul4\"'[]{}&*max|>\r\té🦙"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_with_a_directive_gets_an_answer(text):
    """However broken, a file that speaks to us is answered."""
    analysis = analyse("# vram: gpu=l4\nmodel: m\n" + text)
    for finding in analysis.findings:
        span = analysis.span(finding.where)
        assert 0 <= span.start <= span.end <= len(analysis.tree.text)


def test_a_model_that_is_not_known_yet_is_wanted_and_nothing_is_said_of_it():
    """The first analysis lists what it lacks; there is no finding about a look-up that has not been made."""
    analysis = analyse("# vram: gpu=l4\nmodel: org/name\nmax-model-len: 8192\n")
    assert [ref.name for ref in analysis.wants] == ["org/name"]
    assert analysis.findings == ()
    assert analysis.plans[0].verdict == "unknown"


FAILING = """\
# vram: gpu=a100-sxm-80 gpus=4 concurrency=64
model: meta-llama/Llama-3.1-8B-Instruct  # 8 B
max-model-len: 32768
gpu-memory-utilization: 0.9
"""


def test_every_recommendation_applied_by_its_own_edit_fits(analysed):
    """Each fix of a memory finding, written into the file and read again, gives the verdict and margin it promised."""
    analysis = analysed(FAILING)
    (plan,) = analysis.plans
    (finding,) = [each for each in analysis.findings if each.rule == "concurrency-does-not-fit"]
    assert len(finding.fixes) == len(plan.recommendations) >= 3
    for fix, promised in zip(finding.fixes, plan.recommendations, strict=True):
        edits = edits_of(analysis, fix, Context())
        assert edits is not None
        (after,) = analysed(apply(FAILING, edits)).plans
        assert after.verdict == promised.verdict == "fits"
        assert after.feasibility.headroom_bytes == promised.headroom_bytes


def test_the_recommended_length_is_the_longest_in_whole_blocks(analysed):
    """One block more no longer fits."""
    analysis = analysed(FAILING)
    (plan,) = analysis.plans
    length = next(each.settings["max-model-len"] for each in plan.recommendations if "max-model-len" in each.settings)
    assert length % 16 == 0
    (longer,) = analysed(FAILING.replace("32768", str(length + 16))).plans
    assert longer.verdict != "fits"


def test_a_fix_that_would_change_anything_else_is_not_offered(analysed):
    """A value that two keys share through an anchor is left alone."""
    text = FAILING.replace("max-model-len: 32768", "max-model-len: &n 32768\nmax-num-batched-tokens: *n")
    analysis = analysed(text)
    for finding in analysis.findings:
        for fix in finding.fixes:
            if isinstance(fix.change, ChangeSettings) and "max-model-len" in fix.change.values:
                assert edits_of(analysis, fix, Context()) is None


def test_an_ignore_silences_its_line(analysed):
    """The comment the quick fix writes removes the finding and leaves the rest."""
    analysis = analysed(FAILING)
    (finding,) = [each for each in analysis.findings if each.rule == "concurrency-does-not-fit"]
    edits = ignore_edits(analysis, finding, Context())
    assert edits is not None
    text = apply(FAILING, edits)
    assert text.splitlines()[0].endswith("concurrency=64 ignore[concurrency-does-not-fit]")
    assert [each.rule for each in analysed(text).findings] == []


def test_an_ignore_never_lands_inside_a_value(analysed):
    """In a value of several lines the comment goes on a line of its own above it."""
    text = 'model: m\ngpu-memory-utilization: 0.9\nmax-model-len: 1\nmax-num-seqs: 4\nseed: "abc\n  def"\n'
    analysis = analysed(text)
    (finding,) = [each for each in analysis.findings if each.rule == "invalid-value"]
    edits = ignore_edits(analysis, finding, Context())
    assert edits is not None
    after = apply(text, edits)
    assert after == text.replace('seed: "abc', '# vram: ignore[invalid-value]\nseed: "abc')
    assert "invalid-value" not in [each.rule for each in analysed(after).findings]


def test_a_cache_asked_for_in_bytes_is_held_against_the_card(analysed):
    """100 GB of KV cache do not fit an H100 of 80 GB, whatever is left for it."""
    text = "# vram: gpu=h100\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\nkv-cache-memory-bytes: {}\n"
    assert analysed(text.format("100G")).plans[0].verdict == "infeasible"
    assert analysed(text.format("20G")).plans[0].verdict == "fits"


def test_the_whole_card_is_never_free(analysed):
    """vLLM's own CUDA context takes some of the memory before vLLM looks how much is free."""
    text = (
        "# vram: gpu=h100\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\ngpu-memory-utilization: {}\n"
    )
    assert analysed(text.format("1")).plans[0].feasibility.failure.kind == "free-memory-below-target"
    assert analysed(text.format("0.95")).plans[0].verdict == "fits"


def test_a_rule_can_be_switched_off_or_raised(analysed):
    """Severities come from the configuration."""
    assert "concurrency-does-not-fit" not in [
        each.rule
        for each in analysed(FAILING, context=Context(severities={"concurrency-does-not-fit": "off"})).findings
    ]
    raised = analysed(FAILING, context=Context(severities={"concurrency-does-not-fit": "error"})).findings
    assert ("concurrency-does-not-fit", "error") in [(each.rule, each.severity) for each in raised]


def test_a_guessed_model_is_at_most_a_warning(analysed):
    """A model of which only the size is known cannot cause an error."""
    text = "profile_version: 1\nmodel:\n  params_b: 70\nhardware:\n  gpu_name: l4\n"
    (finding,) = [each for each in analysed(text).findings if each.rule == "out-of-memory"]
    assert (finding.severity, finding.certainty) == ("warning", "assumed")


def test_what_is_not_modelled_takes_the_verdict_away(analysed):
    """A setting that changes memory in an unknown way leaves no number standing."""
    analysis = analysed(FAILING + "offload-group-size: 8\n")
    assert analysis.plans[0].verdict == "unknown"
    assert [each.rule for each in analysis.findings] == ["not-modelled"]


def test_llama_3_1_8b_on_an_h100(analysed):
    """16,060,522,496 bytes of weights in 16 bits (vLLM's own count), 131,072 bytes of KV cache per token."""
    (plan,) = analysed("# vram: gpu=h100-sxm-80\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n").plans
    assert isinstance(plan.estimate, Estimate)
    assert plan.estimate.budget.weights.bytes == pytest.approx(16_094_077_440, rel=0.001)
    assert plan.estimate.bytes_per_block == 131_072 * 16
    assert plan.feasibility.one_request_bytes == 131_072 * 8192


@pytest.mark.parametrize("more", [{}, {"tensor-parallel-size": 2}, {"kv-cache-dtype": "fp8"}])
def test_parts_sum_to_the_whole(more, analysed):
    """Every term is the sum of its parts, and the terms and the KV cache are what vLLM may use."""
    lines = "".join(f"{name}: {value}\n" for name, value in more.items())
    (plan,) = analysed(FAILING + lines).plans
    budget = plan.estimate.budget

    def add_up(term):
        if term.parts:
            assert sum(part.bytes for part in term.parts) == term.bytes, term.name
        for part in term.parts:
            add_up(part)

    for term in budget.terms:
        add_up(term)
    assert sum(term.bytes for term in budget.terms) + budget.available.expected == budget.requested_bytes

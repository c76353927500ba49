"""The search: what it insists on, how it ranks, what it says where nothing fits, and what it never offers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.facts.catalogue import catalogue_model
from vram_engine.facts.siblings import all_siblings, quantized_siblings
from vram_engine.facts.versions import NEWEST
from vram_engine.model.reference import ModelRef
from vram_engine.offering import case_of, recommended
from vram_engine.recommend.advice import advise, preview
from vram_engine.recommend.case import at_share, sized
from vram_engine.recommend.goal import Asked, goal_of
from vram_engine.recommend.gpus import fitting_gpus, more_gpus
from vram_engine.recommend.siblings import bits, catalogue_siblings, usable
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.syntax.edits import apply

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def known(text):
    """What the catalogue knows of a text's model."""
    return Context(models={ref: CatalogueModels().find(ref, ()) for ref in analyse(text).wants})


def case(text, asked=None):
    """What a search of a text's only deployment starts from."""
    analysis = analyse(text, known(text))
    return case_of(analysis, analysis.plans[0], Context(), asked)


def best(text, asked=None):
    """The settings of the best choice."""
    return dict(advise(case(text, asked)).choices[0].settings)


def test_what_was_asked_for_comes_before_what_changes_least():
    """64 x 32,768 tokens of 128 KiB are 256 GiB: four A100 hold them, and one of them only with less served."""
    text = f"# vram: gpu=a100-sxm-80 gpus=4 concurrency=64\nmodel: {LLAMA}\nmax-model-len: 32768\n"
    advice = advise(case(text))
    assert dict(advice.choices[0].settings) == {"tensor-parallel-size": 4}
    assert advice.choices[0].shortfall == 0
    assert all(each.shortfall > 0 for each in advice.choices[1:])
    assert all(each.lost_by for each in advice.choices[1:])


def test_precision_is_kept_where_a_length_is_nobodys_wish():
    """The native 131,072 tokens on an L4: a shorter length comes before 8 bits."""
    advice = advise(case(f"# vram: gpu=l4\nmodel: {LLAMA}\n"))
    assert list(advice.choices[0].settings) == ["max-model-len"]
    assert [each.loss for each in advice.choices] == sorted(each.loss for each in advice.choices)
    assert "precision" in advice.choices[1].lost_by


def test_what_a_user_insists_on_is_served():
    """No choice serves fewer tokens or requests, whatever the file said."""
    text = f"# vram: gpu=a100-sxm-80 gpus=4 concurrency=64\nmodel: {LLAMA}\nmax-model-len: 8192\n"
    advice = advise(case(text, Asked(tokens=16384, concurrency=32)))
    assert advice.choices
    for each in advice.choices:
        assert (each.tokens >= 16384, each.concurrency) == (True, 32)
        assert each.settings["max-model-len"] >= 16384


def test_a_deployment_that_fits_is_left_alone():
    """Nothing is better than what is there, and it says so."""
    advice = advise(case(f"# vram: gpu=h100-sxm-80 gpus=1\nmodel: {LLAMA}\nmax-model-len: 8192\n"))
    assert (advice.choices, advice.partial) == ((), None)
    assert advice.as_it_is.settings == {}


@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("latency", {"max-num-batched-tokens": 2048, "max-num-seqs": 40}),
        ("throughput", {"max-num-batched-tokens": 16384, "gpu-memory-utilization": 0.95}),
    ],
)
def test_steps_are_bounded_as_the_mode_wants_them(mode, settings):
    """vLLM's advice for a GPU of 80 GB: about 2,048 tokens for latency, above 8,192 for throughput."""
    text = f"# vram: gpu=h100-sxm-80 gpus=1 concurrency=40\nmodel: {LLAMA}\nmax-model-len: 8192\n"
    assert best(text, Asked(mode=mode)) == settings


def test_where_nothing_fits_the_nearest_step_and_more_gpus_are_named():
    """405 B parameters in 8 bits are 377 GiB: no L4 holds that, and a number of them would."""
    start = case("# vram: gpu=l4 gpus=1\nmodel: meta-llama/Llama-3.1-405B-Instruct\n")
    advice = advise(start)
    assert advice.choices == ()
    assert advice.partial.lacks_bytes > 350 * 2**30
    assert more_gpus(start).count >= 64


def test_gpus_that_fit_come_with_how_many():
    """16 GiB of weights fit one GPU of 24 GB with a shorter length and none of 10 GB."""
    found = {
        each.gpu.id: each.count for each in fitting_gpus(case(f"# vram: gpu=l4\nmodel: {LLAMA}\nmax-model-len: 8192\n"))
    }
    assert found["l4"] == found["h100-sxm-80"] == 1
    assert found["rtx-3080-10"] > 1


def test_a_settings_that_cannot_be_written_is_not_offered():
    """An anchored length is shared with another key, so that no offer changes it."""
    text = f"# vram: gpu=l4\nmodel: {LLAMA}\nmax-model-len: &n 131072\nmax-num-batched-tokens: *n\n"
    for offer in recommended(analyse(text, known(text)), 0, known(text)).offers:
        assert "max-model-len" not in offer.choice.settings


def test_nothing_is_searched_for_while_the_model_is_unknown():
    """A reason stands in for advice."""
    found = recommended(analyse("# vram: gpu=l4\nmodel: org/name\n"), 0, Context())
    assert (found.advice, found.offers) == (None, ())
    assert found.reasons


def test_a_share_of_the_gpu_is_shifted_as_a_new_sizing_says_it():
    """Within what the GPU's own spread makes of it, and exactly in what is expected."""
    start = case(f"# vram: gpu=h100-sxm-80\nmodel: {LLAMA}\nmax-model-len: 8192\ngpu-memory-utilization: 0.9\n")
    shifted = at_share(sized(start, {}, start.spec), 0.95).shifted.budget.available
    anew = sized(start, {"gpu-memory-utilization": 0.95}, start.spec).estimate.budget.available
    assert shifted.expected == pytest.approx(anew.expected, abs=2)
    assert shifted.low == pytest.approx(anew.low, rel=0.01)


def test_the_goal_is_the_files_unless_somebody_insists():
    """Length and requests of the file, bounded by the model's own length."""
    text = (
        "# vram: gpu=l4 concurrency=4 prompt-tokens=3000 gen-tokens=1000\nmodel: Qwen/Qwen3-8B\nmax-model-len: 65536\n"
    )
    analysis = analyse(text, known(text))
    plan = analysis.plans[0]
    goal = goal_of(plan.deployment, plan.model.spec)
    assert (goal.tokens, goal.least_tokens, goal.concurrency, goal.least_concurrency) == (40960, 4000, 4, 1)
    goal = goal_of(plan.deployment, plan.model.spec, Asked(8192, 2, "latency"))
    assert (goal.tokens, goal.least_tokens, goal.concurrency, goal.least_concurrency) == (8192, 8192, 2, 2)


def test_a_preview_says_memory_before_and_after():
    """In GiB per GPU."""
    choice = advise(case(f"# vram: gpu=l4\nmodel: {LLAMA}\n")).choices[0]
    assert preview(replace(choice, headroom_before=-(2**30), headroom_bytes=2**31)) == (
        "free per GPU: -1.00 GiB before, 2.00 GiB after"
    )


@pytest.mark.parametrize("base", all_siblings())
def test_every_sibling_is_in_the_catalogue_with_fewer_bits(base):
    """Its size can be computed, and it is the same model: as many parameters as its base where that is listed."""
    whole = catalogue_model(base)
    for each in quantized_siblings(base):
        row = catalogue_model(each)
        assert row is not None, each
        assert bits(CatalogueModels().find(ModelRef(each), ()).spec) < 16
        if whole is not None:
            assert row.parameters == pytest.approx(whole.parameters, rel=0.02)


def test_siblings_are_those_of_the_base_and_run_on_the_gpu():
    """A quantized model has its base's other siblings; an Ampere GPU gets no 8-bit floats and no 4-bit floats."""
    found = catalogue_siblings(ModelRef("Qwen/Qwen3-8B"))
    assert [each.ref.name for each in found] == ["Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B-AWQ"]
    assert quantized_siblings("Qwen/Qwen3-8B-FP8") == ("Qwen/Qwen3-8B-AWQ",)
    assert catalogue_siblings(ModelRef("Qwen/Qwen3-8B", "main")) == ()
    spec = CatalogueModels().find(ModelRef("Qwen/Qwen3-8B"), ()).spec
    assert [each.ref.name for each in usable(found, spec, (8, 0), NEWEST)] == ["Qwen/Qwen3-8B-AWQ"]
    assert len(usable(found, spec, (9, 0), NEWEST)) == 2


def test_a_sibling_does_not_keep_a_flag_that_its_checkpoint_refuses():
    """--quantization fp8 beside an AWQ checkpoint stops vLLM: the edit that names the one takes the other out."""
    text = "# vram: gpu=l4 concurrency=8\nmodel: Qwen/Qwen3-14B\nquantization: fp8  # half\nmax-model-len: 8192\n"
    offers = recommended(analyse(text, known(text)), 0, known(text)).offers
    named = [each for each in offers if "model" in each.choice.settings]
    assert named
    for offer in named:
        assert offer.choice.drops == ("quantization",)
        assert "quantization" not in apply(text, offer.edits)
        assert not offer.after.refusals


def test_a_flag_that_cannot_be_taken_out_says_what_the_checkpoint_is():
    """In a list of arguments the flag stays, with the checkpoint's own method."""
    text = (
        "# vram: gpu=l4 concurrency=8\nservices:\n  vllm:\n    image: vllm/vllm-openai:latest\n    command:\n"
        "      - --model=Qwen/Qwen3-14B\n      - --quantization=fp8\n      - --max-model-len=8192\n"
    )
    offers = recommended(analyse(text, known(text)), 0, known(text)).offers
    (named, *_) = [each for each in offers if "model" in each.choice.settings]
    assert "--quantization=awq\n" in apply(text, named.edits)
    assert named.after.verdict == "fits"


def test_a_share_far_too_small_is_raised_even_on_a_small_card():
    """A hundredth of 11.63 GiB holds no engine, half of it does; 0.92 would not leave the card 1.5 GiB."""
    text = "# vram: gpu=rtx-3060-12 vllm=0.32.0\nmodel: facebook/opt-125m\ngpu-memory-utilization: 0.01\n"
    assert best(text) == {"gpu-memory-utilization": 0.5}


def test_a_small_model_is_not_spread_over_gpus_it_does_not_need():
    """One GPU of eight holds a model of 1 B parameters: the others are for other copies of it."""
    advice = advise(
        case("# vram: gpu=rtx-3060-12 gpus=8\nmodel: meta-llama/Llama-3.2-1B-Instruct\nmax-model-len: 4096\n")
    )
    assert advice.choices == ()
    assert advice.as_it_is is not None

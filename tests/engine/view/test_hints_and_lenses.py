"""Inlay hints, code lenses, outline and links: what they say and where, drawn from texts of several kinds."""

from __future__ import annotations

import re

import pytest

from vram_engine.analysis import analyse
from vram_engine.text import Span
from vram_engine.view.code_lens import code_lenses
from vram_engine.view.inlay_hints import inlay_hints
from vram_engine.view.links import model_links
from vram_engine.view.symbols import symbols

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SERVED = f"""\
# vram: gpu=l4
model: {LLAMA}
max-model-len: 8192
gpu-memory-utilization: 0.9
"""
COMPOSE = f"""\
# vram: gpu=l4
services:
  web:
    image: nginx
  chat:
    image: vllm/vllm-openai:v0.32.0
    command: --model {LLAMA} --max-model-len "8192" --max-num-seqs 64
"""


def hints_by_place(analysis):
    """The labels of the hints by the text before them on their line."""
    found = {}
    for hint in inlay_hints(analysis, Span(0, len(analysis.tree.text))):
        line = analysis.tree.lines.line_of(hint.offset)
        before = analysis.tree.text[analysis.tree.lines.starts[line] : hint.offset]
        found.setdefault(before, []).append(hint.label)
    return found


def test_memory_stands_behind_the_keys_that_cost_it(analysed):
    """8 heads x 128 x 2 x 2 bytes x 32 layers x 8,192 tokens is 1 GiB; 8.03 B parameters of 2 bytes are 14.96 GiB."""
    found = hints_by_place(analysed(SERVED))
    assert found["max-model-len: 8192"] == ["1.00 GiB of KV cache per request"]
    (weights,) = found[f"model: {LLAMA}"]
    assert 14.95 <= float(weights.removesuffix(" GiB of weights per GPU")) <= 15.0
    share, *defaults = found["gpu-memory-utilization: 0.9"]
    assert share == "19.84 GiB"
    # EngineArgs.get_batch_defaults for a GPU below 70 GiB.
    assert defaults == ["max-num-seqs: 256 (default)", "max-num-batched-tokens: 2048 (default)"]


def test_defaults_stand_behind_the_last_argument(analysed):
    """In a command too, and only those that nothing sets; 0.32 takes 0.92 of the memory by default."""
    found = hints_by_place(analysed(COMPOSE))
    (last,) = (before for before in found if before.endswith("64"))
    assert found[last] == ["max-num-batched-tokens: 2048 (default)", "gpu-memory-utilization: 0.92 (default)"]
    (length,) = (before for before in found if before.endswith('"8192"'))
    assert found[length] == ["1.00 GiB of KV cache per request"]


def test_a_hint_stands_behind_the_variable_it_is_about(analysed):
    """Not between a default and the brace that closes it."""
    found = hints_by_place(analysed(COMPOSE.replace('"8192"', '"${LENGTH:-8192}"')))
    (length,) = (before for before, labels in found.items() if "1.00 GiB of KV cache per request" in labels)
    assert length.endswith('"${LENGTH:-8192}"')


def test_hints_are_given_for_a_part_of_the_text(analysed):
    """A client asks for what is on its screen."""
    analysis = analysed(SERVED)
    start = SERVED.index("max-model-len")
    (hint,) = inlay_hints(analysis, Span(start, start + len("max-model-len: 8192")))
    assert hint.label == "1.00 GiB of KV cache per request"


SILENT = {
    "nothing says which GPU": f"model: {LLAMA}\nmax-model-len: 8192\n",
    "a setting cannot be told": COMPOSE.replace('"8192"', "${LENGTH}"),
    "nothing is ours": "listen: 80\n",
    "the model is not known": "# vram: gpu=l4\nmodel: nobody/nothing\nmax-model-len: 8192\n",
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_no_figure_without_a_verdict(analysed, text):
    """Where the verdict is unknown no hint claims anything."""
    analysis = analysed(text)
    assert all(plan.verdict == "unknown" for plan in analysis.plans)
    assert inlay_hints(analysis, Span(0, len(text))) == ()


def test_the_lens_says_what_is_used_and_what_is_left(analysed):
    """Needed of allowed memory, then tokens and requests of the KV cache, which are one another's multiples."""
    (lens,) = code_lenses(analysed(SERVED))
    assert SERVED[lens.span.start : lens.span.end] == "model"
    match = re.fullmatch(r"(fits|at risk)  (\d+\.\d) of 19\.8 GiB  KV ([\d,]+) tokens  (\d+\.\d)x", lens.title)
    assert match is not None
    assert int(match[3].replace(",", "")) == pytest.approx(8192 * float(match[4]), rel=0.06)


LENSES = {
    "too little memory": (SERVED.replace("8192", "131072"), r"does not fit  \d+\.\d of 19\.8 GiB"),
    "refused": (f"{SERVED}tensor-parallel-size: 3\n", r"refused by vLLM: .*3.*"),
    "no GPU": (f"model: {LLAMA}\nmax-model-len: 8192\n", r"no verdict: nothing says which GPU this runs on"),
    "no model": ("# vram: gpu=l4\nmax-model-len: 8192\n", r"no verdict: no model is named"),
}


@pytest.mark.parametrize(("text", "title"), LENSES.values(), ids=LENSES)
def test_the_lens_says_why_not(analysed, text, title):
    """A verdict that is not good news comes with its reason, in one line."""
    (lens,) = code_lenses(analysed(text))
    assert re.fullmatch(title, lens.title)


def test_the_lens_says_that_a_model_is_being_looked_up():
    """Before the answer is there, nothing is claimed."""
    (lens,) = code_lenses(analyse(SERVED))
    assert lens.title == "no verdict: the model is being looked up"


def test_a_lens_stands_over_each_deployment(analysed):
    """In a file of several programs, over the names of those that are vLLM's."""
    second = COMPOSE.split("  chat:\n")[1]
    analysis = analysed(f"{COMPOSE}  more:\n{second}")
    text = analysis.tree.text
    assert [text[lens.span.start : lens.span.end] for lens in code_lenses(analysis)] == ["chat", "more"]


def test_the_outline_has_deployments_and_their_settings(analysed):
    """Each setting with its value, inside the span of its deployment."""
    (deployment,) = symbols(analysed(COMPOSE))
    assert deployment.name == "chat"
    assert COMPOSE[deployment.selection.start : deployment.selection.end] == "chat"
    said = {child.name: child.detail for child in deployment.children}
    assert said == {
        "gpu": "l4",
        "vllm-version": "0.32.0",
        "model": LLAMA,
        "max-model-len": "8192",
        "max-num-seqs": "64",
    }
    for child in deployment.children:
        assert deployment.span.start <= child.span.start <= child.span.end <= deployment.span.end


def test_a_model_is_a_link_where_its_name_is_written(analysed):
    """Without quotes around it, and with who knows it; a name put together of parts leads nowhere."""
    text = SERVED.replace(LLAMA, f'"{LLAMA}"')
    (link,) = model_links(analysed(text))
    assert text[link.span.start : link.span.end] == LLAMA
    assert link.source == "catalogue"
    composed = COMPOSE.replace(LLAMA, "${ORG:-meta-llama}/Llama-3.1-8B-Instruct")
    assert model_links(analysed(composed)) == ()

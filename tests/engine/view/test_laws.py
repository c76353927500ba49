"""Laws of the views over texts cut and mended anywhere: no exception, no span outside the text or its own line."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vram_engine.analysis import Context, analyse
from vram_engine.model.reference import ModelRef
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.text import Span
from vram_engine.view.code_lens import code_lenses
from vram_engine.view.completion import completions
from vram_engine.view.inlay_hints import inlay_hints
from vram_engine.view.links import model_links
from vram_engine.view.symbols import symbols

LLAMA = ModelRef("meta-llama/Llama-3.1-8B-Instruct")
TEXTS = (
    f"# vram: gpu=l4 gpus=2 ignore[tight-memory]\nmodel: {LLAMA.name}\nmax-model-len: 8192\ndtype: auto\n",
    f"profile_version: 1\nmodel:\n  id: {LLAMA.name}\n  dtype: bf16\noutputs:\n  vllm_args:\n    max-num-seqs: 8\n",
    "services:\n  a:\n    image: vllm/vllm-openai:v0.32.0\n"
    f"    command:\n      - --model\n      - {LLAMA.name}\n      - --dtype\n",
)
SNIPPETS = ("", " ", "\n", "- ", "--", "\u2028", "🦙", '"', "[", ": ", "# vram: ", "\r\n", "\t", "*x", "\0", "ignore[")
CONTEXT = Context(models={LLAMA: CatalogueModels().find(LLAMA, ())}, dialects=("serve-config",))


@st.composite
def edited(draw):
    """A text with a stretch replaced, and an offset in it."""
    text = draw(st.sampled_from(TEXTS))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(start + 30, len(text))))
    text = text[:start] + draw(st.sampled_from(SNIPPETS)) + text[end:]
    return text, draw(st.integers(0, len(text)))


@settings(max_examples=80, deadline=None)
@given(edited())
def test_views_are_total_and_stay_inside_the_text(case):
    """Whatever was typed, every view answers, and what it answers has a place."""
    text, offset = case
    analysis = analyse(text, CONTEXT)
    whole = Span(0, len(text))
    for each in completions(analysis, offset):
        assert each.span.start <= offset <= each.span.end
        assert analysis.tree.lines.line_of(each.span.start) == analysis.tree.lines.line_of(each.span.end)
    for hint in inlay_hints(analysis, whole):
        assert whole.touches(hint.offset)
    for lens in code_lenses(analysis):
        assert lens.title
        assert "\n" not in lens.title
    for symbol in symbols(analysis):
        assert symbol.name
        assert symbol.span.start <= symbol.selection.start <= symbol.selection.end <= symbol.span.end
        assert all(
            symbol.span.start <= child.span.start <= child.span.end <= symbol.span.end for child in symbol.children
        )
    for link in model_links(analysis):
        assert text[link.span.start : link.span.end] == link.ref.name

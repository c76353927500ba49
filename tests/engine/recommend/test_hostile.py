"""Whatever a file says, a recommendation is an answer: no exception, nothing without end, nothing that does not fit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vram_engine.analysis import Context, analyse
from vram_engine.model.reference import ModelRef
from vram_engine.offering import case_of, recommended
from vram_engine.recommend.gpus import more_gpus
from vram_engine.sources.catalogue import CatalogueModels

MODELS = ("meta-llama/Llama-3.1-8B-Instruct", "BAAI/bge-m3", "openai/gpt-oss-20b", "Qwen/Qwen3.5-35B-A3B")
KNOWN = Context(models={ModelRef(name): CatalogueModels().find(ModelRef(name), ()) for name in MODELS})
NUMBERS = st.sampled_from(["-1", "0", "1", "3", "17", "4096", "9007199254740991", "0.5", "-2.5", "x", "", "[1]", "1e9"])
FLAGS = (
    *("max-model-len", "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "max-num-seqs"),
    *("max-num-batched-tokens", "gpu-memory-utilization", "kv-cache-memory-bytes", "block-size", "quantization"),
)
DIRECTIVES = ("gpus", "concurrency", "prompt-tokens", "gen-tokens", "free-memory-bytes", "gpu-memory-bytes")


@given(
    st.sampled_from(MODELS),
    st.sampled_from(["l4", "h100-sxm-80", "b200", "t4", "mi300x", "gb10"]),
    st.dictionaries(st.sampled_from(FLAGS), NUMBERS, max_size=3),
    st.dictionaries(st.sampled_from(DIRECTIVES), NUMBERS, max_size=2),
)
@settings(max_examples=40, deadline=None)
def test_any_values_get_an_answer(model, gpu, flags, directives):
    """Wrong types, negative and huge numbers, in flags and in the comment."""
    said = " ".join(f"{name}={value}" for name, value in directives.items() if " " not in value)
    lines = "".join(f"{name}: {value}\n" for name, value in flags.items())
    analysis = analyse(f"# vram: gpu={gpu} {said}\nmodel: {model}\n{lines}", KNOWN)
    for plan in analysis.plans:
        for offer in recommended(analysis, plan.index, KNOWN).offers:
            assert offer.after.verdict == "fits"
        case = case_of(analysis, plan, KNOWN)
        if case is not None:
            more_gpus(case)

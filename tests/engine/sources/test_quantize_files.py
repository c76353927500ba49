"""Old GPTQ and AWQ repositories: a file of their own counts where ``--quantization`` asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.estimate import Estimate
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.plan import Plan
from vram_engine.sources.local import LocalModels

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "float16",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}
GPTQ = {"bits": 4, "group_size": 128, "desc_act": False, "sym": True, "damp_percent": 0.1}
AWQ = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}
RULE = "quantization-needs-prepared-checkpoint"


def found(folder: Path, **files: object) -> FoundModel:
    """The model of a directory with these files beside its config.json."""
    (folder / "config.json").write_text(json.dumps(LLAMA))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    model = LocalModels().find(ModelRef(str(folder)), ())
    assert isinstance(model, FoundModel), model
    return model


def served(model: FoundModel, quantization: str | None) -> tuple[Plan, set[str]]:
    """The plan of a file that serves the model, and the rules that speak of it."""
    asked = f"quantization: {quantization}\n" if quantization else ""
    text = f"# vram: gpu=a100-sxm-80 vllm=0.32.0\nmodel: org/name\nmax-model-len: 4096\n{asked}"
    analysis = analyse(text, Context(models={ModelRef("org/name"): model}))
    (plan,) = analysis.plans
    return plan, {finding.rule for finding in analysis.findings}


@pytest.mark.parametrize(
    ("name", "content", "quantization", "method"),
    [
        ("quantize_config", GPTQ, "gptq", "gptq"),
        ("quantize_config", GPTQ, "GPTQ_Marlin", "gptq"),
        ("my_quantize_config", GPTQ, "auto_gptq", "gptq"),
        ("quant_config", AWQ, "awq", "awq"),
        ("quantize_config", AWQ, "awq_marlin", "awq"),
    ],
)
def test_the_file_counts_where_it_is_asked_for(
    tmp_path: Path, name: str, content: object, quantization: str, method: str
) -> None:
    """The model is then one of four bits, and nothing says that it is not quantized."""
    model = found(tmp_path, **{name: content})
    plan, rules = served(model, quantization)
    assert isinstance(plan.model, FoundModel)
    assert plan.model.spec.quantization is not None
    assert plan.model.spec.quantization.method == method
    assert isinstance(plan.estimate, Estimate)
    assert RULE not in rules


def test_without_being_asked_for_it_does_not_count(tmp_path: Path) -> None:
    """vLLM loads 16-bit weights where nothing says quantization, whatever lies beside the config."""
    plan, _ = served(found(tmp_path, quantize_config=GPTQ), None)
    assert isinstance(plan.model, FoundModel)
    assert plan.model.spec.quantization is None


def test_another_methods_file_does_not_count(tmp_path: Path) -> None:
    """GPTQ does not read quant_config.json."""
    _, rules = served(found(tmp_path, quant_config=AWQ), "gptq")
    assert RULE in rules


def test_several_files_are_refused(tmp_path: Path) -> None:
    """vLLM stops where AWQ finds both of its files; GPTQ reads its own."""
    model = found(tmp_path, quant_config=AWQ, quantize_config=GPTQ)
    plan, _ = served(model, "awq")
    assert isinstance(plan.model, Unavailable)
    assert "several files" in plan.model.reason
    plan, rules = served(model, "gptq")
    assert isinstance(plan.model, FoundModel)
    assert RULE not in rules


@pytest.mark.parametrize("content", [{}, {"bits": "four"}, {"bits": 4, "group_size": 10**30, "sym": True}])
def test_a_file_that_cannot_be_true_makes_the_model_unknown(tmp_path: Path, content: object) -> None:
    """What vLLM would read is not there or impossible, so nothing is said of the memory."""
    plan, _ = served(found(tmp_path, quantize_config=content), "gptq")
    assert isinstance(plan.model, Unavailable)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 10_000])
def test_a_file_that_is_no_object_is_passed_over(tmp_path: Path, content: str) -> None:
    """The model itself is found all the same."""
    assert found(tmp_path, quantize_config=content).quantized == ()


@pytest.mark.parametrize("method", ["moe_wna16", "auto-round"])
def test_methods_with_files_that_are_not_looked_for_are_no_mistake(method, analysed):
    """vLLM reads a file of theirs that may well be there: nothing is said against them."""
    text = f"# vram: gpu=h100-sxm-80 vllm=0.32.0\nmodel: Qwen/Qwen3-30B-A3B\nquantization: {method}\n"
    assert RULE not in {finding.rule for finding in analysed(text).findings}

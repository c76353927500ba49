"""Settings that are followed as far as they can be, and said not to be beyond it."""

from __future__ import annotations

import pytest

from tests.engine.sizing.test_weights_table import MODELS, spec_of
from vram_engine.analysis import Context, analyse
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.plan import Plan

HEAD = "# vram: gpu=h100-sxm-80\nmax-model-len: 4096\n"


def plan(name: str, settings: str) -> Plan:
    """The plan of a model under some settings."""
    known = {ModelRef(f"org/{name}"): FoundModel(spec_of(MODELS[name]), "declared")}
    (found,) = analyse(f"{HEAD}model: org/{name}\n{settings}", Context(models=known)).plans
    return found


def parts(found: Plan) -> dict[str, int]:
    """The kinds of weights of a plan."""
    budget = getattr(found.estimate, "budget", None)
    assert budget is not None, found.estimate
    return {part.name: part.bytes for part in budget.weights.parts}


@pytest.mark.parametrize(
    ("name", "settings", "reasons"),
    [
        ("Qwen3-8B", "enable-lora: true\nmax-loras: 4\nmax-lora-rank: 64\n", 0),
        ("Qwen3-8B", "enable-lora: true\nlora-target-modules: [q_proj, v_proj]\n", 0),
        ("Qwen3-8B", "max-loras: 4\n", 0),
        ("Qwen3-8B", "# vram: vllm=0.20.0\nenable-lora: true\n", 1),
        ("gpt-oss-20b", "enable-lora: true\n", 1),
        ("Qwen3-8B", "cpu-offload-gb: 4\n", 0),
        ("Qwen3-32B-FP8", "cpu-offload-gb: 4\n", 1),
        ("Qwen3-8B", "cpu-offload-gb: 4\noffload-backend: prefetch\noffload-group-size: 4\n", 2),
        ("Qwen3-8B", "kv-offloading-size: 64\n", 0),
        ("gpt-oss-20b", "kv-offloading-size: 64\n", 0),
        ("gpt-oss-20b", "# vram: vllm=0.20.0\nkv-offloading-size: 64\n", 1),
        ("Qwen3-8B", "# vram: vllm=0.20.0\nkv-offloading-size: 64\n", 0),
        ("Qwen3-8B", "performance-mode: throughput\n", 0),
        ("Qwen3-8B", 'limit-mm-per-prompt: {"image": {"count": 1, "width": 64}}\n', 0),
        ("Qwen3-VL-4B-Instruct", 'limit-mm-per-prompt: {"image": {"count": 1, "width": 64}}\n', 1),
        ("Qwen3-VL-4B-Instruct", 'limit-mm-per-prompt: {"image": 0, "video": 0}\n', 0),
        ("Qwen3-VL-4B-Instruct", "mm-encoder-tp-mode: data\n", 0),
        ("Qwen3-VL-4B-Instruct", 'mm-processor-kwargs: {"max_pixels": 1003520}\n', 0),
        ("Qwen3-VL-4B-Instruct", 'mm-processor-kwargs: {"num_crops": 4}\n', 1),
        ("Qwen3-8B", 'speculative-config: {"method": "ngram", "num_speculative_tokens": 3}\n', 0),
        ("Qwen3-8B", 'speculative-config: {"model": "org/draft", "num_speculative_tokens": 3}\n', 1),
    ],
)
def test_what_is_followed(name: str, settings: str, reasons: int) -> None:
    """A setting takes the verdict away exactly where its memory is not known."""
    found = plan(name, settings)
    assert len(found.unmodelled) == reasons, found.unmodelled
    assert (found.verdict == "unknown") is bool(reasons)


def test_the_settings_reach_the_sizing() -> None:
    """Adapters, weights in CPU memory and a tower that is left out are seen in the budget."""
    assert parts(plan("Qwen3-8B", "enable-lora: true\nmax-lora-rank: 8\n"))["LoRA slots"] == 48640000
    assert parts(plan("Qwen3-8B", "cpu-offload-gb: 4\n"))["CPU offload"] == -4 * 2**30
    assert "tower" not in parts(plan("Qwen3-VL-4B-Instruct", 'limit-mm-per-prompt: {"image": 0, "video": 0}\n'))
    assert "tower" in parts(plan("Qwen3-VL-4B-Instruct", 'limit-mm-per-prompt: {"image": 2}\n'))


@pytest.mark.parametrize("text", ['"["', "[1, 2]", '{"image": -3}', "7", '"image=0"'])
def test_limits_that_are_none_leave_no_verdict(text: str) -> None:
    """A limit that cannot be read never passes for one that was."""
    assert plan("Qwen3-VL-4B-Instruct", f"limit-mm-per-prompt: {text}\n").verdict == "unknown"

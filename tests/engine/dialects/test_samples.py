"""Real files, where a collection stands beside the checkout: negatives silent, positives as a reader finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vram_engine.analysis import Context, analyse, deployments_of
from vram_engine.fixing import edits_of
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.syntax.edits import apply
from vram_engine.syntax.parse import parse

SHARED = Path(os.environ.get("VRAM_LSP_SHARED") or Path(__file__).resolve().parents[4] / "shared")
SAMPLES = SHARED / "data/samples"

# Written by reading the files: model, GPUs of the engine, vLLM release, and some flags. None: not told by the file.
EXPECTED = {
    "aibrix/01": [("/models/Qwen3-8B", 1, "0.10.0", {"served-model-name": "qwen3-8B"})] * 2,
    "aibrix/02": [("deepseek-ai/DeepSeek-R1", 16, "0.7.3", {"tensor-parallel-size": 16})],
    "aibrix/04": [
        (None, 4, "0.6.3", {"tensor-parallel-size": 4, "max-model-len": 32768, "kv-cache-dtype": "fp8_e4m3"}),
        ("Qwen/Qwen2.5-7B-Instruct", 1, "0.6.3", {"max-num-seqs": 64, "gpu-memory-utilization": 0.9}),
    ],
    "compose/19": [
        ("Qwen/Qwen2.5-1.5B-Instruct", 1, "0.6.6", {"max-model-len": 8192, "gpu-memory-utilization": 0.9}),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1, "0.6.6", {"max-num-seqs": 64, "gpu-memory-utilization": 0.85}),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1, "0.6.6", {"max-num-seqs": 256, "tensor-parallel-size": 1}),
    ],
    "dynamo/01": [("Qwen/Qwen3-0.6B", 1, None, {})] * 2,
    "dynamo/02": [("/model-cache/deepseek-r1", 8, None, {"data-parallel-size": 8, "max-model-len": 2560})],
    "dynamo/03": [("deepseek-ai/DeepSeek-V4.1-Flash", 4, None, {"tensor-parallel-size": 4, "max-num-seqs": 1024})],
    "dynamo/04": [
        ("/models/Qwen3-8B", 1, None, {"max-model-len": 16384, "gpu-memory-utilization": 0.9}),
        ("/models/Qwen3-8B", 1, None, {"max-model-len": 16384, "tensor-parallel-size": 1}),
    ],
    "eval/01": [("microsoft/Phi-4-mini-instruct", None, None, {"data-parallel-size": 8, "tensor-parallel-size": 1})],
    "k8s-deployment/01": [("google/gemma-3-27b-it", 1, "0.10.0", {"max-model-len": 32768, "max-num-seqs": 4})],
    "k8s-deployment/02": [
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", 8, "0.10.0", {"max-model-len": 524288})
    ],
    "k8s-deployment/03": [("meta-llama/Llama-3.1-70B", None, None, {"tensor-parallel-size": 8, "max-num-seqs": 128})],
    "k8s-deployment/06": [
        ("meta-llama/Llama-3.1-8B-Instruct", 1, "0.8.5", {"max-model-len": 32768, "enable-chunked-prefill": True})
    ],
    "k8s-deployment/07": [("/models/deepseek-coder-6.7b-instruct", 1, "0.6.2", {"max-model-len": 15000})],
    "k8s-deployment/08": [("deepseek-ai/deepseek-coder-33b-instruct", 1, "0.6.1", {"tensor-parallel-size": 4})],
    "k8s-deployment/09": [
        ("/models/Qwen3-32B", 4, "0.10.2", {"enable-chunked-prefill": False, "max-model-len": 40960})
    ],
    "k8s-deployment/11": [("google/gemma-3-12b-it", 2, "0.10.0", {"tensor-parallel-size": 2, "max-num-seqs": 4})],
    "k8s-deployment/13": [("meta-llama/Llama-3.2-1B-Instruct", 1, None, {"max-num-seqs": 1024, "max-lora-rank": 32})],
    "k8s-deployment/14": [("/models/Qwen3-8B", 1, "0.23.0", {"block-size": 128, "max-model-len": 16384})] * 2,
    "k8s-lws/01": [("deepseek-ai/DeepSeek-R1", 16, "0.8.5", {"tensor-parallel-size": 8, "pipeline-parallel-size": 2})],
    "k8s-lws/02": [("/models/Meta-Llama-3.1-405B-Instruct", 16, "0.8.5", {"pipeline-parallel-size": 2})],
    "k8s-lws/03": [("meta-llama/Llama-3.1-405B-Instruct", 16, "0.8.5", {"pipeline-parallel-size": 2})],
    "kaito/01": [("meta-llama/Llama-3.3-70B-Instruct", 4, None, {"max-model-len": 16384})],
    "kserve/01": [("/mnt/models", None, None, {"port": 8080})],
    "kserve/02": [("Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", 1, None, {"tool-call-parser": "qwen3_coder"})],
    "kserve/03": [
        ("deepseek-ai/DeepSeek-R1-0528", 16, None, {"gpu-memory-utilization": 0.99, "data-parallel-size": 16}),
        ("deepseek-ai/DeepSeek-R1-0528", 16, None, {"gpu-memory-utilization": 0.97, "enforce-eager": True}),
    ],
    "kserve/04": [("Qwen/Qwen2.5-7B-Instruct", 1, None, {"block-size": 64})],
    "kserve/05": [("facebook/opt-125m", None, "0.19.0", {"enable-lora": True, "max-lora-rank": 64})],
    "kserve/06": [("RedHatAI/gpt-oss-20b", 1, None, {})] * 2,
    "kubeai/01": [("neuralmagic/Meta-Llama-3.1-405B-Instruct-FP8", 8, None, {"max-num-batched-tokens": 65536})],
    "kubeai/02": [
        ("neuralmagic/Meta-Llama-3.1-70B-Instruct-FP8", 8, None, {"pipeline-parallel-size": 4, "enforce-eager": True})
    ],
    "kubeai/03": [("deepseek-ai/DeepSeek-R1", 8, None, {"tensor-parallel-size": 8, "kv-cache-dtype": "fp8"})],
    "kubeai/04": [("unsloth/phi-4-bnb-4bit", 1, None, {"load-format": "bitsandbytes", "max-num-seqs": 1})],
    "kubeai/05": [("TinyLlama/TinyLlama-1.1B-Chat-v0.3", 1, None, {"enable-lora": True})],
    "llm-d/01": [
        ("openai/gpt-oss-120b", 4, None, {"tensor-parallel-size": 4, "block-size": 128, "max-model-len": 4096}),
        ("openai/gpt-oss-120b", 1, None, {"tensor-parallel-size": 1, "gpu-memory-utilization": 0.95}),
    ],
    "llm-d/02": [("Qwen/Qwen3-32B", 2, None, {"tensor-parallel-size": 2, "gpu-memory-utilization": 0.95})],
    "native-config/01": [(None, None, None, {"kv-cache-dtype": "fp8", "enable-prefix-caching": False})],
    "native-config/02": [(None, None, None, {"max-cudagraph-capture-size": 2048, "stream-interval": 20})],
    "native-config/03": [(None, None, None, {"async-scheduling": True, "max-num-batched-tokens": 8192})],
    "production-stack-crd/01": [
        ("meta-llama/Llama-3.1-8B-Instruct", 1, None, {"gpu-memory-utilization": 0.8, "max-num-seqs": 32})
    ],
    "production-stack-helm/01": [
        ("meta-llama/Llama-3.1-8B-Instruct", 1, None, {"max-model-len": 4096, "gpu-memory-utilization": 0.8})
    ],
    "production-stack-helm/02": [("mistralai/Mistral-7B-Instruct-v0.2", 1, None, {"max-model-len": 32000})],
    "production-stack-helm/03": [("distilbert/distilgpt2", 2, None, {"pipeline-parallel-size": 2})],
    "production-stack-helm/04": [
        ("Qwen/Qwen2.5-14B-Instruct", 4, "0.8.5", {"tensor-parallel-size": 4, "enforce-eager": True})
    ],
    "production-stack-helm/05": [("meta-llama/Llama-3.1-8B-Instruct", None, None, {"max-model-len": 32000})] * 2,
    "production-stack-helm/06": [("meta-llama/Llama-3.1-8B-Instruct", 1, None, {"enable-lora": True})],
    "production-stack-helm/07": [
        ("mistralai/Mistral-7B-Instruct-v0.2", None, None, {"gpu-memory-utilization": 0.4, "max-num-seqs": 32})
    ],
    "production-stack-helm/08": [("meta-llama/Llama-3.1-8B-Instruct", 1, None, {"dtype": "bfloat16"})],
    "production-stack-helm/09": [("facebook/opt-125m", 1, None, {"gpu-memory-utilization": 0.8})],
    "ray-serve/01": [("Qwen/Qwen2.5-7B-Instruct", 1, None, {"max-model-len": 1024, "gpu-memory-utilization": 0.75})],
    "skypilot/01": [("meta-llama/Meta-Llama-3.1-8B-Instruct", None, "0.5.3", {"max-model-len": 4096})],
    "skypilot/02": [
        ("moonshotai/Kimi-K2-Instruct", 16, "0.10.0", {"tensor-parallel-size": 8, "pipeline-parallel-size": 2})
    ],
    "skypilot/03": [("openai/gpt-oss-120b", 1, "0.10.1", {"trust-remote-code": True})],
    "truss/01": [("mistralai/Voxtral-Small-24B-2507", 1, None, {"load-format": "mistral"})],
    "truss/02": [("fixie-ai/ultravox-v0_6-llama-3_3-70b", 4, "0.9.2", {"tensor-parallel-size": 4, "dtype": "half"})],
}

# Every mistake that a reader finds in them, beside what is only not known.
MISTAKES = {
    "k8s-deployment/08": {"tensor-parallel-exceeds-gpus", "shared-memory-missing"},
    "kubeai/02": {"boolean-with-value"},
    "kubeai/03": {"boolean-with-value"},
    "kubeai/06": {"boolean-with-value"},
    "production-stack-helm/07": {"setting-given-twice"},
}

# A catalogue of models as values of a chart, each an engine of its own where vLLM serves it.
CATALOGUES = {"kubeai/06": 32}

SILENT = {
    *(f"negatives/{number:02}" for number in (1, 2, 3, 4, 5, 6, 8, 9, 10)),
    *("eval/02", "rl-training/01", "helm-template/01", "helm-template/02", "kserve/07", "kaito/02", "localai/01"),
    *("recipes-catalog/01", "recipes-catalog/02", "recipes-catalog/03", "recipes-catalog/04"),
    *("ray-serve/02", "ray-serve/03", "aibrix/03", "k8s-job/01", "k8s-deployment/05", "k8s-deployment/10"),
    # Not YAML that kubectl would take: survived, not understood.
    *("k8s-deployment/04", "k8s-deployment/12"),
    # Values of charts that nobody else knows the meaning of.
    *("helm-values-other/01", "helm-values-other/03"),
}  # fmt: skip


def sample(name):
    """The text of a sample, line breaks as they are."""
    path = SAMPLES / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"no sample {name}: set VRAM_LSP_SHARED to the folder that holds data/samples")
    return path.read_bytes().decode("utf-8")


def read(text):
    """The deployments of a text."""
    return deployments_of(parse(text), Context())


@pytest.mark.parametrize("name", sorted(SILENT))
def test_what_launches_nothing_is_silent(name):
    """No deployment and no finding."""
    analysis = analyse(sample(name))
    assert (analysis.plans, analysis.findings) == ((), ())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_deployments_are_read_as_a_reader_would(name):
    """Model, GPUs, release and flags of every engine, in the order of the file."""
    found = read(sample(name))
    expected = EXPECTED[name]
    told = [(each.value("model"), each.value("gpus"), each.value("vllm-version")) for each in found]
    assert told == [(model, gpus, version) for model, gpus, version, _ in expected]
    for deployment, (_, _, _, flags) in zip(found, expected, strict=True):
        assert {flag: deployment.value(flag) for flag in flags} == flags


@pytest.mark.parametrize("name", sorted({*EXPECTED, *CATALOGUES}))
def test_only_mistakes_are_found(name):
    """Warnings and errors are those a reader would agree with, whatever more the memory says."""
    found = {finding.rule for finding in analyse(sample(name)).findings if finding.severity in ("error", "warning")}
    assert found == MISTAKES.get(name, set())


@pytest.mark.parametrize("name", sorted(CATALOGUES))
def test_every_model_of_a_catalogue_is_found(name):
    """One engine for each entry that vLLM serves."""
    assert len(read(sample(name))) == CATALOGUES[name]


CHANGES = {
    "max-model-len": 2048,
    "gpu-memory-utilization": 0.77,
    "max-num-seqs": 7,
    "kv-cache-dtype": "fp8",
    "tensor-parallel-size": 32,
    "enforce-eager": True,
}


# Engines without a single argument, so that there is no place to add one in their style.
WITHOUT_ARGUMENTS = {"kserve/05", "kubeai/05"}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_change_touches_one_setting_and_its_own_bytes(name):
    """Replace or insert, read again: exactly that changed, all else is byte for byte the same, and most can be done."""
    text = sample(name)
    analysis = analyse(text)
    made = 0
    for index, setting, value in ((i, each, to) for i in range(len(analysis.plans)) for each, to in CHANGES.items()):
        edits = edits_of(analysis, Fix("", ChangeSettings(index, {setting: value})), Context())
        if edits is not None:
            made += 1
            assert read(apply(text, edits))[index].value(setting) == value
            assert _undone(text, edits) == text
    assert made > 0 or name in WITHOUT_ARGUMENTS


def _undone(text, edits):
    """The text after the edits and their inverses."""
    changed, moved = apply(text, edits), 0
    for edit in sorted(edits, key=lambda each: each.span):
        start = edit.span.start + moved
        old = text[edit.span.start : edit.span.end]
        changed = changed[:start] + old + changed[start + len(edit.new_text) :]
    return changed

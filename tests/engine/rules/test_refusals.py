"""Refusals where one that is nearly right would be wrong: by release, by the GPU's generation, by what is not known."""

from __future__ import annotations

import pytest

LLAMA = "model: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n"


def errors(analysed, about, text):
    """Names of the rules with an error in a config file whose GPU and release a directive tells."""
    findings = analysed(f"# vram: {about}\n{text}").findings
    return [finding.rule for finding in findings if finding.severity == "error"]


REFUSED = {
    "bfloat16 on Turing": ("gpu=t4", LLAMA + "dtype: bfloat16\n", "bfloat16-unsupported-by-gpu"),
    "more requests than tokens": (
        "gpu=h100-sxm-80",
        LLAMA + "max-num-batched-tokens: 256\nmax-num-seqs: 512\n",
        "max-num-seqs-exceeds-batched-tokens",
    ),
    "a GPU older than Volta": ("gpu=p40-24", LLAMA, "gpu-too-old"),
    "Volta since PyTorch 2.11": (
        "gpu=v100-sxm2-32 vllm=0.20.0",
        "model: Qwen/Qwen2.5-1.5B-Instruct\nmax-model-len: 2048\n",
        "gpu-no-longer-supported",
    ),
    "four bits of FlashInfer on Hopper before its second kernels": (
        "gpu=h100-sxm-80 vllm=0.29.0",
        LLAMA + "kv-cache-dtype: nvfp4\n",
        "nvfp4-kv-cache-unsupported-by-gpu",
    ),
    "more ranks than GPUs": (
        "gpu=h100-sxm-80 gpus=2",
        LLAMA + "tensor-parallel-size: 4\n",
        "tensor-parallel-exceeds-gpus",
    ),
    "halves of a batch where the exchange is told by an option": (
        "gpu=h100-sxm-80 vllm=0.32.0",
        "model: Qwen/Qwen3-30B-A3B\nmax-model-len: 8192\nenable-dbo: true\n",
        "microbatches-without-deepep",
    ),
    "gemma in float16": (
        "gpu=h100-sxm-80 vllm=0.10.2",
        "model: google/gemma-3-1b-it\nmax-model-len: 2048\ndtype: float16\n",
        "float16-unsupported-by-model",
    ),
}

TAKEN = {
    "bitsandbytes, which a plug-in may bring, in a release that nobody states": (
        "gpu=l4",
        "model: Qwen/Qwen2.5-1.5B-Instruct\nmax-model-len: 2048\nquantization: bitsandbytes\n",
    ),
    "Volta before PyTorch 2.11": (
        "gpu=v100-sxm2-32 vllm=0.19.1",
        "model: Qwen/Qwen2.5-1.5B-Instruct\nmax-model-len: 2048\n",
    ),
    "Volta and a release that nobody states": (
        "gpu=v100-sxm2-32",
        "model: Qwen/Qwen2.5-1.5B-Instruct\nmax-model-len: 2048\n",
    ),
    "a length that rope-scaling of an older release stretches": (
        "gpu=h100-sxm-80 vllm=0.10.2",
        "model: Qwen/Qwen2.5-1.5B-Instruct\nmax-model-len: 131072\nrope-scaling: '"
        '{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}\'\n',
    ),
    "a step of an encoder whose tokenizer may say a shorter length": (
        "gpu=l4 vllm=0.20.0",
        "model: BAAI/bge-m3\nrunner: pooling\nmax-num-batched-tokens: 8192\n",
    ),
    "eagle3 in the release that brought it": (
        "gpu=h100-sxm-80 vllm=0.8.5",
        LLAMA + "speculative-config: '"
        '{"method": "eagle3", "model": "yuhuili/EAGLE3-LLaMA3.1-Instruct-8B", "num_speculative_tokens": 3}\'\n',
    ),
    "four bits of gpt-oss in the release that brought them": (
        "gpu=h100-sxm-80 vllm=0.10.1",
        "model: openai/gpt-oss-20b\nmax-model-len: 8192\nquantization: mxfp4\n",
    ),
    "ModelOpt's four bits where they were new": (
        "gpu=b200 vllm=0.9.0",
        "model: nvidia/Qwen3-235B-A22B-NVFP4\nmax-model-len: 8192\nquantization: modelopt_fp4\n",
    ),
    "four bits of FlashInfer on Hopper": ("gpu=h100-sxm-80 vllm=0.32.0", LLAMA + "kv-cache-dtype: nvfp4\n"),
    "halves of a batch where a variable may tell the exchange": (
        "gpu=h100-sxm-80 vllm=0.14.1",
        "model: Qwen/Qwen3-30B-A3B\nmax-model-len: 8192\nenable-dbo: true\n",
    ),
    "halves of a batch in a release that nobody states": (
        "gpu=h100-sxm-80",
        "model: Qwen/Qwen3-30B-A3B\nmax-model-len: 8192\nenable-dbo: true\n",
    ),
    "drafts of the model itself, not named in 0.10": (
        "gpu=h200-sxm-141 gpus=8 vllm=0.10.2",
        "model: deepseek-ai/DeepSeek-V3\nmax-model-len: 8192\ntensor-parallel-size: 8\n"
        "speculative-config: '{\"num_speculative_tokens\": 1}'\n",
    ),
    "ranks of a draft that there is none of": (
        "gpu=h100-sxm-80 gpus=4",
        LLAMA + "tensor-parallel-size: 4\nspeculative-config: '"
        '{"method": "ngram", "num_speculative_tokens": 2, "draft_tensor_parallel_size": 2}\'\n',
    ),
    "a block that a hybrid model only begins with": (
        "gpu=h100-sxm-80",
        "model: ibm-granite/granite-4.0-h-tiny\nmax-model-len: 8192\nblock-size: 24\n",
    ),
    "float16 on a GPU without bfloat16": ("gpu=t4", "model: Qwen/Qwen2.5-1.5B-Instruct\nmax-model-len: 2048\n"),
    "bfloat16 on a GPU that is only known by its memory": ("gpu-memory-bytes=17179869184", LLAMA + "dtype: bfloat16\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_vllm_refuses(name, analysed):
    """One error, by the rule that speaks of it."""
    about, text, rule = REFUSED[name]
    assert errors(analysed, about, text) == [rule]


@pytest.mark.parametrize("name", TAKEN)
def test_vllm_takes(name, analysed):
    """No error about what vLLM takes, or may take as far as can be seen; memory is another matter."""
    about, text = TAKEN[name]
    of_memory = {"out-of-memory", "max-model-len-does-not-fit"}
    assert set(errors(analysed, about, text)) <= of_memory


def test_a_refusal_of_the_newest_release_is_no_error_where_none_is_stated(analysed):
    """What an older release took is information until somebody says which release runs."""
    text = "# vram: gpu=h100-sxm-80\n" + LLAMA + "quantization: bitsandbytes\n"
    found = {finding.rule: (finding.severity, finding.certainty) for finding in analysed(text).findings}
    assert found["quantization-removed"] == ("information", "assumed")


def test_what_is_not_followed_is_not_missed_where_vllm_refuses(analysed):
    """A verdict that is certain without sizing is not called unknown beside it."""
    text = "# vram: gpu=t4\n" + LLAMA + "dtype: bfloat16\nenable-dbo: true\n"
    analysis = analysed(text)
    assert analysis.plans[0].unmodelled
    assert analysis.plans[0].verdict == "infeasible"
    assert "not-modelled" not in {finding.rule for finding in analysis.findings}

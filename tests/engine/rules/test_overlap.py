"""Two rules never say the same thing: of several refusals about one setting only the one that goes first is shown."""

from __future__ import annotations

from collections import defaultdict

import pytest

# Each text is wrong in two ways that are about one setting.
TWICE = {
    "more local ranks than ranks and than GPUs": (
        "# vram: gpu=h100-sxm-80 gpus=4\nmodel: Qwen/Qwen3-30B-A3B\ndata-parallel-size: 4\n"
        "data-parallel-size-local: 8\n",
        "data-parallel-local-exceeds-all",
    ),
    "a plain checkpoint, a prepared method and an old GPU": (
        "# vram: gpu=v100-sxm2-32\nmodel: Qwen/Qwen2.5-1.5B-Instruct\nmax-model-len: 8192\nquantization: awq\n",
        "quantization-needs-prepared-checkpoint",
    ),
    "bfloat16 weights on a GPU too old for both": (
        "# vram: gpu=t4\nmodel: openai/gpt-oss-20b\nmax-model-len: 8192\n",
        "quantization-needs-newer-gpu",
    ),
    "a cache format for another attention on an old GPU": (
        "# vram: gpu=a100-sxm-80 gpus=8\nmodel: deepseek-ai/DeepSeek-V2-Lite\nmax-model-len: 8192\n"
        "kv-cache-dtype: fp8_e5m2\n",
        "kv-cache-dtype-of-other-attention",
    ),
    "a step too small for prompts and for drafts": (
        "# vram: gpu=h100-sxm-80\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n"
        "enable-chunked-prefill: false\nmax-num-batched-tokens: 4\nmax-num-seqs: 2\n"
        """speculative-config: '{"method": "dflash", "model": "org/dflash", "num_speculative_tokens": 8}'\n""",
        "batched-tokens-below-max-model-len",
    ),
}


@pytest.mark.parametrize("name", TWICE)
def test_one_setting_is_refused_once(name, analysed):
    """The refusal that goes first is the only error."""
    text, expected = TWICE[name]
    assert [each.rule for each in analysed(text).findings if each.severity == "error"] == [expected]


@pytest.mark.parametrize("name", TWICE)
def test_no_two_errors_share_a_place(name, analysed):
    """Errors stand at places of their own."""
    analysis, rules = analysed(TWICE[name][0]), defaultdict(set)
    for finding in analysis.findings:
        if finding.severity == "error":
            rules[analysis.span(finding.where)].add(finding.rule)
    assert all(len(each) == 1 for each in rules.values())

"""The KV cache in words, against arithmetic done by hand."""

from __future__ import annotations

import pytest

from vram_engine.view.kv_explained import kv_explained

H100 = "# vram: gpu=h100-sxm-80 vllm=0.32.0\nmax-model-len: 16384\nmodel: "


@pytest.mark.parametrize(
    ("model", "lines"),
    [
        (
            # 32 layers x 16 tokens x 2 (K, V) x 8 heads x 128 x 2 B = 2 MiB; 16,384 / 16 = 1,024 blocks = 2 GiB.
            "meta-llama/Llama-3.1-8B-Instruct",
            (
                "a block is 2,097,152 bytes",
                "1 group of 32 layers of full attention: 1,024 blocks of 16 tokens a request",
                "one request of 16,384 tokens: 1,024 blocks = 2,147,483,648 bytes per GPU",
            ),
        ),
        (
            # 12 layers x 16 tokens x 2 x 8 heads x 64 x 2 B = 384 KiB; the window holds 127 + 2 x 8,192 tokens
            # (two batches are in flight), capped at 16,384: 1,024 blocks and one more, where it may start in one.
            "openai/gpt-oss-20b",
            (
                "a block is 393,216 bytes",
                "1 group of 12 layers of attention to a window of 128: 1,025 blocks of 16 tokens a request",
                "1 group of 12 layers of full attention: 1,024 blocks of 16 tokens a request",
                "one request of 16,384 tokens: 2,049 blocks = 805,699,584 bytes per GPU",
            ),
        ),
    ],
)
def test_a_request_is_counted_from_its_layers(analysed, model, lines):
    """Groups, blocks and bytes of one request are those of vLLM's formula, worked out by hand."""
    (plan,) = analysed(H100 + model + "\n").plans
    told = kv_explained(plan)
    for line in lines:
        assert any(line in each for each in told), told


def test_an_encoder_has_no_cache_and_says_so(analysed):
    """A model without a KV cache gets that sentence instead of an empty tree."""
    (plan,) = analysed("# vram: gpu=l4 vllm=0.32.0\nmodel: BAAI/bge-m3\n").plans
    assert kv_explained(plan) == ("none: this model keeps no keys and values between steps",)

"""MiniMax-M3 at its full size: what its config class fills in, its blocks, and what its model class refuses."""

from __future__ import annotations

from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import KvLayout, kv_layout

LENGTH = 131072


def config(**text: object) -> dict[str, object]:
    """A config that states next to nothing, as the config class of vLLM fills in the rest."""
    return {"architectures": ["MiniMaxM3SparseForCausalLM"], "model_type": "minimax_m3_text", **text}


def layout(args: EngineArgs) -> KvLayout | Unavailable:
    """The KV cache of the full model."""
    spec = from_config(config())
    assert isinstance(spec, ModelSpec), spec
    return kv_layout(spec, args, (10, 0), max_num_batched_tokens=8192, max_model_len=LENGTH)


def test_keys_and_index_keys_share_blocks_of_128() -> None:
    """60 layers of 2 x 128 x 2 B a head and 57 index keys of 256 B make a block of 128 tokens on each of 4 ranks."""
    found = layout(EngineArgs(tensor_parallel_size=4))
    assert isinstance(found, KvLayout)
    assert (found.block_size, len(found.groups)) == (128, 1)
    assert found.bytes_per_block == (128 * (60 * 2 * 128 * 2 + 57 * 256),)
    assert found.blocks_for_one_request(LENGTH) == LENGTH // 128


def test_index_keys_stay_16_bits_in_an_8_bit_cache() -> None:
    """``--kv-cache-dtype fp8`` halves keys and values alone."""
    found = layout(EngineArgs(tensor_parallel_size=4, kv_cache_dtype="fp8"))
    assert isinstance(found, KvLayout)
    assert found.bytes_per_block == (128 * (60 * 2 * 128 + 57 * 256),)


def test_smaller_blocks_are_refused() -> None:
    """No kernel of its sparse layers reads blocks of 64 tokens."""
    assert isinstance(layout(EngineArgs(tensor_parallel_size=4, block_size=64)), Unavailable)


def test_parameters_of_the_full_model() -> None:
    """By hand: two tables, attention with index heads in 57 layers, dense MLPs in 3, experts in 57."""
    spec = from_config(config())
    assert isinstance(spec, ModelSpec), spec
    hidden = 6144
    attention = hidden * 128 * (64 + 4 + 4) + 64 * 128 * hidden + 2 * 128 + 2 * hidden
    indexed = hidden * 128 * (4 + 1) + 2 * 128
    experts = 129 * 3 * hidden * 3072 + 128 * hidden + 128
    dense = 3 * hidden * 12288
    assert spec.parameters == 2 * 200064 * hidden + 60 * attention + 57 * (indexed + experts) + 3 * dense + hidden


def test_what_the_model_class_cannot_run_is_not_sized() -> None:
    """Other activations, another number of index heads, and layers without a mark are refused by vLLM."""
    for wrong in (
        {"hidden_act": "silu"},
        {
            "sparse_attention_config": {
                "sparse_num_index_heads": 8,
                "sparse_index_dim": 128,
                "sparse_attention_freq": [1],
            }
        },
        {"sparse_attention_config": {"sparse_attention_freq": [1]}},
        {"moe_layer_freq": [0, 1]},
        {"moe_layer_freq": 7},
        {"sparse_attention_config": 3},
    ):
        assert isinstance(from_config(config(**wrong)), Unavailable), wrong

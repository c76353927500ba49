"""What the parts of the weights say of themselves."""

from __future__ import annotations

import pytest

from vram_engine.model import ModelSpec, from_config
from vram_engine.sizing.budget import Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import weights
from vram_engine.view.term_words import term_words

MIXTURE = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "torch_dtype": "bfloat16",
    "hidden_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 4096,
    "moe_intermediate_size": 512,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 2,
    "vocab_size": 1024,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}


def parts(tensor: int, pipeline: int = 1) -> dict[str, Term]:
    """The parts of the first stage by their names."""
    spec = from_config(MIXTURE)
    assert isinstance(spec, ModelSpec)
    args = EngineArgs(tensor_parallel_size=tensor, pipeline_parallel_size=pipeline)
    stages = weights(spec, args, (9, 0))
    assert isinstance(stages, tuple)
    return {part.name: part for part in stages[0].parts}


@pytest.mark.parametrize(
    ("kind", "because"),
    [
        # 8 experts of 3 x 512 x 1024 on every second layer; queries, keys and values of 2,048 rows, and the output.
        ("experts", "on 2 layers, divided over 2 ranks: 24.0 MiB a rank"),
        ("attention", "on 4 layers, divided over 2 ranks: 12.0 MiB a rank"),
        ("dense_mlp", "on 2 layers, divided over 2 ranks: 24.0 MiB a rank"),
        ("router", "on 2 layers, the same 0.0 MiB on each of 2 ranks"),
        ("embedding", "divided over 2 ranks: 1.0 MiB a rank"),
    ],
)
def test_part_says_its_layers_and_how_ranks_share_it(kind: str, because: str) -> None:
    """A kind of weights says on how many layers it is, and whether ranks divide or repeat it."""
    assert parts(2)[kind].because == because


def test_one_rank_shares_nothing() -> None:
    """A single rank says layers and bytes alone, those of its own stage."""
    assert parts(1, pipeline=2)["experts"].because == "on 1 layer, 24.0 MiB"


def test_kinds_have_words() -> None:
    """A person reads words for the kinds of weights."""
    assert term_words(parts(1)["experts"]) == "mixture-of-experts weights"

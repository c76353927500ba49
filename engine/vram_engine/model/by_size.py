"""A model of which only the number of parameters is told: the shapes of the Llama-family model nearest in size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from vram_engine.model.spec import ModelSpec, Unavailable


class Size(NamedTuple):
    """A published Llama-family model: parameters in billions and the shapes its KV cache depends on."""

    billions: float
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int
    length: int


# The models' own config.json, public: TinyLlama 1.1B, Llama 3.2 1B and 3B, Llama 2 7B and 13B, Llama 3.1 8B,
# Code Llama 34B, Llama 3.1 70B and 405B. The nearest is by ratio, so that 30 B is nearer to 34 B than to 13 B.
SIZES = (
    Size(1.10, 22, 2048, 32, 4, 5632, 32000, 2048),
    Size(1.24, 16, 2048, 32, 8, 8192, 128256, 131072),
    Size(3.21, 28, 3072, 24, 8, 8192, 128256, 131072),
    Size(6.74, 32, 4096, 32, 32, 11008, 32000, 4096),
    Size(8.03, 32, 4096, 32, 8, 14336, 128256, 131072),
    Size(13.02, 40, 5120, 40, 40, 13824, 32000, 4096),
    Size(33.74, 48, 8192, 64, 8, 22016, 32000, 16384),
    Size(70.55, 80, 8192, 64, 8, 28672, 128256, 131072),
    Size(405.85, 126, 16384, 128, 8, 53248, 128256, 131072),
)


def from_parameter_count(parameters: int) -> ModelSpec | Unavailable:
    """A model of ``parameters`` weights with guessed shapes; what rests on it is a rule of thumb."""
    from vram_engine.model import from_config

    size = min(SIZES, key=lambda each: abs(math.log(max(parameters, 1) / (each.billions * 1e9))))
    spec = from_config(
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "torch_dtype": "bfloat16",
            "hidden_size": size.hidden,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.kv_heads,
            "intermediate_size": size.intermediate,
            "vocab_size": size.vocab,
            "max_position_embeddings": size.length,
        }
    )
    if isinstance(spec, Unavailable):
        return spec
    return replace(spec, parameters=parameters, shapes_guessed=True)

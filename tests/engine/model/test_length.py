"""The context length that vLLM derives from a config."""

from __future__ import annotations

import pytest

from vram_engine.facts.versions import Version
from vram_engine.model import derived_max_model_len, from_config
from vram_engine.model.spec import ModelSpec

NEWEST = Version(0, 32, 0)
BASE: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 1024,
    "max_position_embeddings": 8192,
}


def length(version: Version = NEWEST, **keys: object) -> int:
    """The derived length of a small model with these keys."""
    spec = from_config(BASE | keys)
    assert isinstance(spec, ModelSpec)
    return derived_max_model_len(spec, version)


def test_stated_length() -> None:
    """Without scaling the length is what the config states."""
    assert length() == 8192


def test_llama3_scaling_is_in_the_stated_length() -> None:
    """Llama 3's rope scaling does not stretch what max_position_embeddings says."""
    scaling = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}
    assert length(max_position_embeddings=131072, rope_scaling=scaling) == 131072


@pytest.mark.parametrize("kind", ["linear", "dynamic"])
def test_scaled_lengths(kind: str) -> None:
    """Linear and dynamic scaling stretch the stated length by their factor."""
    assert length(rope_scaling={"rope_type": kind, "factor": 4.0}) == 32768


@pytest.mark.parametrize(("version", "expected"), [(Version(0, 29, 0), 16384), (NEWEST, 8192)])
def test_yarn_by_version(version: Version, expected: int) -> None:
    """Up to 0.29 YaRN stretches the original length; since 0.30 the stated length is taken as stretched already."""
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}
    assert length(version, rope_scaling=scaling) == expected


def test_sliding_window_does_not_shorten() -> None:
    """A sliding window leaves the context length alone."""
    assert length(sliding_window=4096) == 8192

"""Models: ``from_config`` turns a ``config.json`` that has been read already into a ModelSpec. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vram_engine.facts.dtypes import canonical
from vram_engine.model.built import Request
from vram_engine.model.caches import cache_layers
from vram_engine.model.config import Config, ConfigError, readable
from vram_engine.model.eagle import eagle3_draft, eagle_draft
from vram_engine.model.length import default_max_model_len, derived_max_model_len, stated_length
from vram_engine.model.mtp import mtp_draft
from vram_engine.model.parameters import parameter_count
from vram_engine.model.registry import architecture_of, builder_of, pools
from vram_engine.model.rotary import rope_scalings
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.model.stored import checkpoint_quantization

__all__ = ["ModelSpec", "Unavailable", "default_max_model_len", "derived_max_model_len", "from_config"]

# Where a config that wraps a language model may keep its dtype (vLLM's ModelArchConfigConvertorBase.get_torch_dtype).
DTYPE_SECTIONS = ("vision_config", "encoder_config")


@readable
def from_config(
    config: Mapping[str, object], *, quant_config: Mapping[str, object] | None = None, pooling: bool = False
) -> ModelSpec | Unavailable:
    """The model a ``config.json`` describes.

    ``quant_config`` is the content of ``hf_quant_config.json``; ``pooling`` says that a ``modules.json`` is beside it,
    which vLLM takes for a sentence-transformers model.
    """
    whole = Config(config)
    architecture = architecture_of(whole)
    builder = builder_of(architecture)
    if builder is None:
        return Unavailable(f"the architecture {architecture[:60]} is not derived")
    is_pooling = pooling or pools(architecture)
    quantization = checkpoint_quantization(whole, quant_config)
    if isinstance(quantization, Unavailable):
        return quantization
    built = builder(Request(whole, is_pooling))
    caches = cache_layers(whole)
    if isinstance(caches, Unavailable):
        return caches
    language = built.language or whole
    shape = built.shape
    if min(shape.hidden, shape.vocab, shape.layers) < 1:
        return Unavailable("config.json describes a model of no size")
    if shape.kv_heads > 0 and shape.heads % shape.kv_heads:
        return Unavailable(f"config.json deals {shape.heads} attention heads out to {shape.kv_heads} KV heads")
    spec = ModelSpec(
        architecture=architecture,
        model_type=whole.model_type,
        dtype=checkpoint_dtype(whole, language),
        hidden_size=shape.hidden,
        num_layers=shape.layers,
        vocab_size=shape.vocab,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        intermediate_size=shape.width,
        length=stated_length(language),
        rope=rope_scalings(language),
        sliding_window=language.optional_integer("sliding_window"),
        tie_word_embeddings=shape.tied,
        runner="pooling" if is_pooling else "generate",
        modules=built.blocks,
        caches=caches,
        quantization=quantization,
        experts=built.experts,
        parameters=parameter_count(built.blocks),
        pipeline=built.pipeline,
        tower=built.tower,
        renames=built.renames,
    )
    return replace(
        spec, mtp=mtp_draft(spec, language), eagle=eagle_draft(spec, whole), eagle3=eagle3_draft(spec, whole)
    )


def checkpoint_dtype(whole: Config, language: Config) -> str:
    """The dtype a config states, in the order vLLM looks for it; float32 where none does."""
    sections = (whole, language, *(whole.section(name) for name in DTYPE_SECTIONS))
    for section in sections:
        stated = section.text("dtype", "torch_dtype")
        if stated:
            name = canonical(stated)
            if name is None:
                raise ConfigError(f"config.json: {section.path}torch_dtype {stated[:40]!r} is not a known dtype")
            return name
    return "float32"

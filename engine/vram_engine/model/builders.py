"""Makes a builder of each architecture out of the functions that know its layers."""

from __future__ import annotations

from collections.abc import Callable

from vram_engine.model.built import Builder, Built, Request
from vram_engine.model.classic import dbrx
from vram_engine.model.config import Config
from vram_engine.model.deepseek_v4 import deepseek_v4, v4_summary
from vram_engine.model.dense import TRAITS, decoder, dense_shape
from vram_engine.model.gemma import gemma4, gemma4_summary
from vram_engine.model.hybrid import nemotron_h
from vram_engine.model.interleaved import longcat
from vram_engine.model.linear_hybrid import qwen35
from vram_engine.model.mla import MLA_TRAITS, mla_decoder, with_correction
from vram_engine.model.moe import MOE_TRAITS, experts_shape, moe_decoder
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Block, Experts
from vram_engine.model.stepfun import experts_of


def dense(name: str) -> Builder:
    """The builder of a dense decoder with the traits of that name."""
    traits = TRAITS[name]

    def build(request: Request) -> Built:
        return Built(dense_shape(request.config, traits), decoder(request.config, traits, pooling=request.pooling))

    return build


def mixture(name: str) -> Builder:
    """The builder of a mixture-of-experts decoder with the traits of that name."""
    traits = MOE_TRAITS[name]

    def build(request: Request) -> Built:
        shape = dense_shape(request.config, traits.dense)
        return Built(
            shape,
            moe_decoder(request.config, traits, pooling=request.pooling),
            experts_shape(request.config, shape, traits),
        )

    return build


def latent(name: str, *, indexed: bool = False) -> Builder:
    """The builder of a decoder with latent attention."""
    traits = MLA_TRAITS[name]

    def build(request: Request) -> Built:
        config = request.config
        shape = read_shape(config)
        experts = experts_shape(config, shape, traits) if config.has("n_routed_experts") else None
        return Built(shape, mla_decoder(config, with_correction(config, traits), indexed=indexed), experts)

    return build


def shaped(builder: Callable[[Config], tuple[Shape, tuple[Block, ...]]], *, pipeline: bool = True) -> Builder:
    """The builder of an architecture that has a function of its own."""

    def build(request: Request) -> Built:
        shape, blocks = builder(request.config)
        return Built(shape, blocks, pipeline=pipeline, experts=hybrid_experts(request.config, shape))

    return build


def hybrid_experts(config: Config, shape: Shape) -> Experts | None:
    """The experts of a hybrid model by the keys vLLM looks for, ``None`` where it has fewer than two."""
    count = config.optional_integer("num_experts", "n_routed_experts", "num_local_experts")
    if count is None or count < 2:
        return None
    return Experts(
        count,
        config.integer("num_experts_per_tok", "num_experts_per_token", default=0),
        config.integer("moe_intermediate_size", "intermediate_size", default=0),
        config.integer("shared_expert_intermediate_size", "shared_intermediate_size", default=0),
        shape.layers,
    )


def dbrx_builder(request: Request) -> Built:
    """DBRX keeps its experts in a section of their own."""
    shape, blocks, experts = dbrx(request.config)
    return Built(shape, blocks, experts)


def nemotron(request: Request) -> Built:
    """Nemotron-H, whose checkpoints call the model ``backbone``."""
    shape, blocks = nemotron_h(request.config)
    return Built(shape, blocks, hybrid_experts(request.config, shape), renames=(("backbone.", "model."),))


def qwen35_text(request: Request) -> Built:
    """The text-only Qwen3.5, whose checkpoints may keep the prefix of the multimodal ones."""
    shape, blocks = qwen35(request.config)
    return Built(shape, blocks, hybrid_experts(request.config, shape), renames=(("model.language_model.", "model."),))


def gemma4_builder(request: Request) -> Built:
    """Gemma 4 names its experts in its own way; multimodal checkpoints are read as well."""
    shape, blocks = gemma4(request.config)
    experts = gemma4_summary(request.config, shape.layers)
    return Built(shape, blocks, experts, renames=(("model.language_model.", "model."),))


def longcat_builder(request: Request) -> Built:
    """LongCat names the width of its experts in its own way."""
    config = request.config
    shape, blocks = longcat(config)
    width = config.integer("expert_ffn_hidden_size")
    per_token = config.integer("moe_topk", default=0)
    return Built(shape, blocks, Experts(config.integer("n_routed_experts"), per_token, width, 0, shape.layers))


def with_step_experts(builder: Callable[[Config], tuple[Shape, tuple[Block, ...]]]) -> Builder:
    """The builder of a Step model, which names its experts in its own way."""

    def build(request: Request) -> Built:
        shape, blocks = builder(request.config)
        return Built(shape, blocks, experts_of(request.config, shape.layers))

    return build


def deepseek_v4_builder(request: Request) -> Built:
    """DeepSeek-V4, whose checkpoints leave out the prefix of the model."""
    shape, blocks = deepseek_v4(request.config)
    return Built(shape, blocks, v4_summary(request.config, shape.layers))


def qwen35_language(request: Request) -> Built:
    """The language model of the multimodal Qwen3.5."""
    shape, blocks = qwen35(request.config)
    return Built(shape, blocks, hybrid_experts(request.config, shape))

"""Layers for multi-token prediction that checkpoints carry: what vLLM builds of them to draft tokens, by architecture.

Shapes from vllm/model_executor/models (*_mtp.py) and vllm/models (mtp.py of deepseek_v32 and deepseek_v4). The layers
read the model's own embedding table and output head (v1/worker/gpu/spec_decode/eagle/utils.py, ``load_eagle_model``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from vram_engine.model.caches import (
    MLA,
    FullAttention,
    Indexer,
    LayerCache,
    SlidingWindow,
    WindowedMLA,
)
from vram_engine.model.config import Config, ConfigError, readable
from vram_engine.model.deepseek_v4 import compressed_attention, hyper_connections, hyper_head, v4_experts
from vram_engine.model.dense import TRAITS, attention, dense_shape, layer
from vram_engine.model.hybrid import nemotron_mixer, read_nemotron_shape
from vram_engine.model.interleaved import mimo_attention
from vram_engine.model.layer_kinds import two_norms
from vram_engine.model.layers import column, gated_mlp, norm, plain, replicated, word_embedding
from vram_engine.model.linear_hybrid import gated_attention, qwen_mlp
from vram_engine.model.mla import MLA_TRAITS, mla_layer, with_correction
from vram_engine.model.moe import MOE_TRAITS, dense_block, expert_block, norms, sparse_step
from vram_engine.model.shapes import Shape, read_shape
from vram_engine.model.spec import Block, Draft, Linear, ModelSpec, Module, Rotary, Unavailable

NEXTN = "num_nextn_predict_layers"
# NVIDIA's NVFP4 leaves the projection into these layers in 16 bits whatever its ignore list says (qwen3_5_mtp.py).
SPARES_PROJECTION = "modelopt_fp4"


@dataclass(frozen=True, slots=True)
class Target:
    """What the layers are built for: a model, the config of its language model and that one's shape."""

    spec: ModelSpec
    config: Config
    shape: Shape

    def like(self, *kinds: type[LayerCache]) -> tuple[LayerCache, ...]:
        """The caches that the model's layers of these kinds keep, for the layer after its last."""
        own = []
        for kind in kinds:
            cache = next((cache for cache in self.spec.caches if type(cache) is kind), None)
            if cache is None:
                raise ConfigError(f"the model has no layer of the kind its prediction layer is ({kind.__name__})")
            own.append(replace(cache, layers=(self.spec.num_layers,)))
        return tuple(own)


@dataclass(frozen=True, slots=True)
class Predictor:
    """The layer, and what stands around it in ``prefix``; ``streams`` as in ``Draft``."""

    layer: Block
    beside: tuple[Module, ...]
    caches: tuple[LayerCache, ...]
    prefix: str = "mtp."
    streams: int = 1
    sees_media: bool = False


Builder = Callable[[Target], tuple[Predictor, ...]]


@readable
def mtp_draft(spec: ModelSpec, language: Config) -> Draft | Unavailable:
    """The prediction layer of a model, as vLLM would load it for speculative decoding with the method ``mtp``."""
    builder, model_types = BUILDERS.get(spec.architecture, (None, ()))
    if builder is None or (model_types and spec.model_type not in model_types):
        return Unavailable(f"layers for multi-token prediction of {spec.architecture[:60]} are not derived")
    parts = builder(Target(spec, language, read_shape(shaped_for(language, spec))))
    blocks = tuple(
        block
        for part in parts
        for block in (_without_shared(part.layer, spec), Block(part.prefix, part.beside, "every"))
    )
    table = Block("model.", (word_embedding("embed_tokens", spec.vocab_size, spec.hidden_size),), "tied")
    own = replace(
        spec,
        modules=(*blocks, table),
        caches=tuple(cache for part in parts for cache in part.caches),
        num_layers=spec.num_layers + len(parts),
        tower=False,
        mtp=None,
    )
    return Draft(own, parts[0].streams, any(part.sees_media for part in parts))


def shaped_for(language: Config, spec: ModelSpec) -> Config:
    """The config with the number of layers that the model has, however it states them."""
    return Config(
        dict(language.data) | {"num_hidden_layers": spec.num_layers, "intermediate_size": spec.intermediate_size},
        language.path,
        language.implied_type,
    )


def _without_shared(block: Block, spec: ModelSpec) -> Block:
    """The layer without the rotary tables that the model keeps anyway."""
    tables = {module for own in spec.modules for module in own.modules if isinstance(module, Rotary)}
    return replace(block, modules=tuple(module for module in block.modules if module not in tables))


def only_one(config: Config, *keys: str, default: int) -> None:
    """vLLM chains several layers in a way of its own."""
    count = config.integer(*keys, default=default)
    if count != 1:
        raise ConfigError(f"{count or 'no'} layers for multi-token prediction are not modelled, only one")


def _placed(prefix: str, index: int, modules: tuple[Module, ...]) -> Block:
    return Block(prefix, modules, layers=(index,))


def projected(hidden: int, *names: str) -> tuple[Module, ...]:
    """Norms over the hidden size, and the 16-bit projection of embedding and hidden state to one."""
    return (*(norm(name, hidden) for name in names), plain("eh_proj", "other", 2 * hidden * hidden))


def latent(name: str, *, indexed: bool = False) -> Builder:
    """DeepSeek V3 and its kin: one more decoder layer, with an indexer of its own where the model has indexers."""
    kinds = (Indexer, MLA) if indexed else (MLA,)

    def build(target: Target) -> tuple[Predictor, ...]:
        config, index = target.config, target.spec.num_layers
        only_one(config, NEXTN, default=0)
        traits = with_correction(config, MLA_TRAITS[name])
        sparse = traits.is_sparse(config, index)
        modules = mla_layer(config, target.shape, traits, sparse=sparse, indexed=indexed)
        around = projected(target.shape.hidden, "enorm", "hnorm", "shared_head.norm")
        return (Predictor(_placed("model.layers.{}.", index, modules), around, target.like(*kinds)),)

    return build


def glm4_moe(target: Target) -> tuple[Predictor, ...]:
    """GLM-4.5: one more decoder layer (glm4_moe_mtp.py)."""
    config, index, traits = target.config, target.spec.num_layers, MOE_TRAITS["glm4_moe"]
    only_one(config, NEXTN, default=0)
    shape = dense_shape(shaped_for(config, target.spec), traits.dense)
    sparse = traits.is_sparse(config, index)
    modules = (
        *attention(config, shape, traits.dense),
        *norms(shape, traits.dense),
        *(expert_block(config, shape, traits) if sparse else dense_block(config, shape, traits)),
    )
    around = projected(shape.hidden, "enorm", "hnorm", "shared_head.norm")
    return (Predictor(_placed("model.layers.{}.", index, modules), around, target.like(FullAttention)),)


def dense_layer(name: str, *around: str) -> Builder:
    """A dense decoder layer in the way of another architecture (mimo_mtp.py, ernie_mtp.py)."""

    def build(target: Target) -> tuple[Predictor, ...]:
        config, index, traits = target.config, target.spec.num_layers, TRAITS[name]
        only_one(config, NEXTN, default=0)
        modules = layer(config, dense_shape(config, traits), traits)
        beside = projected(target.shape.hidden, *around)
        return (Predictor(_placed("model.layers.{}.", index, modules), beside, target.like(FullAttention)),)

    return build


def ernie(target: Target) -> tuple[Predictor, ...]:
    """ERNIE 4.5: a layer of Llama's, whose rotary table is laid out in halves and so not the model's."""
    (found,) = dense_layer("llama", "mtp_emb_norm", "mtp_hidden_norm")(target)
    own = tuple(
        replace(module, identity="halves") if isinstance(module, Rotary) else module for module in found.layer.modules
    )
    return (replace(found, layer=replace(found.layer, modules=own)),)


def fused(target: Target) -> tuple[Module, ...]:
    """The projection that Qwen and EXAONE divide over ranks and may quantize, and the norms around it."""
    hidden, stored = target.shape.hidden, target.spec.quantization
    quantized = stored is None or stored.method != SPARES_PROJECTION
    return (
        column("fc", "other", hidden, 2 * hidden, quantized=quantized),
        norm("norm", hidden),
        norm("pre_fc_norm_hidden", hidden),
        norm("pre_fc_norm_embedding", hidden),
    )


def exaone(target: Target) -> tuple[Predictor, ...]:
    """EXAONE MoE: attention like its first layer's and a dense MLP (exaone_moe_mtp.py)."""
    config, traits = target.config, MOE_TRAITS["exaone_moe"]
    only_one(config, NEXTN, default=1)
    if config.has("sliding_windows") or config.has("mtp_sliding_windows"):
        raise ConfigError("windows of several sizes are not derived for the prediction layer")
    types = config.texts("mtp_layer_types") or config.texts("layer_types")
    kind = SlidingWindow if types[:1] != ("full_attention",) else FullAttention
    shape = dense_shape(config, traits.dense)
    modules = (
        *attention(config, shape, traits.dense),
        *norms(shape, traits.dense),
        *dense_block(config, shape, traits),
    )
    return (Predictor(_placed("mtp.layers.0.", target.spec.num_layers, modules), fused(target), target.like(kind)),)


def qwen(key: str, *, sees_media: bool) -> Builder:
    """Qwen3-Next and Qwen3.5: a layer with full attention (qwen3_next_mtp.py, qwen3_5_mtp.py)."""

    def build(target: Target) -> tuple[Predictor, ...]:
        config = target.config
        only_one(config, key, default=1)
        sparse = config.integer("num_experts", default=0) > 0 and sparse_step(config, 0)
        modules = (
            *gated_attention(config, target.shape),
            *qwen_mlp(config, target.shape, sparse=sparse),
            *two_norms(target.shape),
        )
        layer_block = _placed("mtp.layers.0.", target.spec.num_layers, modules)
        caches = target.like(FullAttention)
        return (Predictor(layer_block, fused(target), caches, sees_media=sees_media and target.spec.tower),)

    return build


def nemotron(target: Target) -> tuple[Predictor, ...]:
    """Nemotron-H: mixers by a pattern of their own, of attention and experts (nemotron_h_mtp.py)."""
    config = target.config
    only_one(config, NEXTN, default=0)
    pattern = nemotron_prediction(config)
    shape = read_nemotron_shape(config, target.spec.num_layers)
    hidden = shape.hidden
    first = (norm("enorm", hidden), norm("hnorm", hidden), column("eh_proj", "other", hidden, 2 * hidden))
    parts = []
    for index, letter in enumerate(pattern):
        modules = (*nemotron_mixer(config, shape, letter, 0), norm("norm", hidden), *(first if index == 0 else ()))
        position = target.spec.num_layers + index
        caches = tuple(replace(cache, layers=(position,)) for cache in target.like(FullAttention)) * (letter == "*")
        parts.append(Predictor(_placed(f"mtp.layers.{index}.", position, modules), (), caches))
    return (replace(parts[0], beside=(norm("final_layernorm", hidden),)), *parts[1:])


NEMOTRON_WORDS: Mapping[str, str] = MappingProxyType({"attention": "*", "full_attention": "*", "moe": "E"})
LONGEST_PATTERN = 64


def nemotron_prediction(config: Config) -> str:
    """The mixers of Nemotron-H's prediction layer by their letters: attention and experts where nothing is said."""
    words = config.texts("mtp_layers_block_type") or ("full_attention", "moe")
    pattern = config.text("mtp_hybrid_override_pattern") or "".join(NEMOTRON_WORDS.get(word, "?") for word in words)
    if not set(pattern) <= set("*E") or "*" not in pattern or len(pattern) > LONGEST_PATTERN:
        raise ConfigError("config.json describes a prediction layer of mixers that are not derived")
    return pattern


def mimo_v2(target: Target) -> tuple[Predictor, ...]:
    """MiMo-V2: one layer with a window and a dense MLP; vLLM loads the first of them only (mimo_v2_mtp.py)."""
    config, shape = target.config, target.shape
    hidden = shape.hidden
    window = config.optional_integer("sliding_window_size")
    (cache,) = target.like(SlidingWindow)
    if not window or not isinstance(cache, SlidingWindow):
        raise ConfigError("config.json gives no sliding_window_size for the prediction layer")
    # The output projection stays in 16 bits here, whatever the checkpoint's method is (mimo_v2.py).
    attended = tuple(
        replace(module, quantized=False) if isinstance(module, Linear) and module.split == "row" else module
        for module in mimo_attention(config, shape, is_local=True)
    )
    modules = (
        *attended,
        *gated_mlp("mlp", hidden, config.integer("intermediate_size")),
        *two_norms(shape),
        replicated("eh_proj", "other", hidden, 2 * hidden, quantized=False),
    )
    beside = tuple(norm(name, hidden) for name in ("enorm", "hnorm", "final_layernorm"))
    layer_block = _placed("model.mtp.layers.0.", target.spec.num_layers, modules)
    return (Predictor(layer_block, beside, (replace(cache, window=window),)),)


def deepseek_v4(target: Target) -> tuple[Predictor, ...]:
    """DeepSeek-V4: one more layer without compression, fed by all residual streams."""
    config, shape, index = target.config, target.shape, target.spec.num_layers
    only_one(config, NEXTN, default=0)
    ratios = config.integers("compress_ratios")
    if len(ratios) <= index or ratios[index] > 1:
        raise ConfigError("a prediction layer that compresses its cache is not derived")
    hidden = shape.hidden
    modules = (
        *compressed_attention(config, shape, 1),
        *v4_experts(config, hidden, shape.vocab, is_hashed=False),
        norm("attn_norm", hidden),
        norm("ffn_norm", hidden),
        *hyper_connections(config, hidden),
        *hyper_head(config, hidden),
        replicated("e_proj", "other", hidden, hidden),
        replicated("h_proj", "other", hidden, hidden),
    )
    beside = tuple(norm(name, hidden) for name in ("enorm", "hnorm", "shared_head.norm"))
    block = _placed("model.layers.{}.", index, modules)
    return (Predictor(block, beside, target.like(WindowedMLA), streams=config.integer("hc_mult")),)


# By architecture: the builder, and the model types for which vLLM looks for these layers (config/speculative.py,
# ``hf_config_override``); none where the architecture alone decides.
BUILDERS: Mapping[str, tuple[Builder, tuple[str, ...]]] = MappingProxyType(
    {
        "DeepseekV3ForCausalLM": (latent("deepseek"), ("deepseek_v3",)),
        "DeepseekV32ForCausalLM": (latent("deepseek", indexed=True), ("deepseek_v32",)),
        "GlmMoeDsaForCausalLM": (latent("deepseek", indexed=True), ("glm_moe_dsa",)),
        "Glm4MoeLiteForCausalLM": (latent("glm4_moe_lite"), ()),
        "DeepseekV4ForCausalLM": (deepseek_v4, ("deepseek_v4",)),
        "Glm4MoeForCausalLM": (glm4_moe, ()),
        "MiMoForCausalLM": (
            dense_layer("qwen2", "token_layernorm", "hidden_layernorm", "final_layernorm"),
            (),
        ),
        "MiMoV2FlashForCausalLM": (mimo_v2, ()),
        "MiMoV2ForCausalLM": (mimo_v2, ()),
        "Ernie4_5_MoeForCausalLM": (ernie, ("ernie4_5_moe",)),
        "ExaoneMoEForCausalLM": (exaone, ("exaone_moe",)),
        "ExaoneMoeForCausalLM": (exaone, ("exaone_moe",)),
        "Qwen3NextForCausalLM": (qwen(NEXTN, sees_media=False), ("qwen3_next",)),
        "Qwen3_5ForCausalLM": (qwen("mtp_num_hidden_layers", sees_media=True), ("qwen3_5", "qwen3_5_text")),
        "Qwen3_5MoeForCausalLM": (qwen("mtp_num_hidden_layers", sees_media=True), ("qwen3_5_moe", "qwen3_5_moe_text")),
        "Qwen3_5ForConditionalGeneration": (qwen("mtp_num_hidden_layers", sees_media=True), ("qwen3_5",)),
        "Qwen3_5MoeForConditionalGeneration": (qwen("mtp_num_hidden_layers", sees_media=True), ("qwen3_5_moe",)),
        "NemotronHForCausalLM": (nemotron, ("nemotron_h",)),
    }
)

"""EAGLE: a decoder layer or few, trained to draft for one model from its hidden states, of several layers in EAGLE-3.

Follows ``EagleLlamaForCausalLM`` and ``Eagle3LlamaForCausalLM`` (vllm/model_executor/models/llama_eagle.py and
llama_eagle3.py), which vLLM takes for these architectures under the methods ``eagle`` and ``eagle3``
(transformers_utils/configs/eagle.py).
"""

from __future__ import annotations

from dataclasses import replace

from vram_engine.model.caches import FullAttention
from vram_engine.model.config import Config, ConfigError, readable
from vram_engine.model.dense import TRAITS, dense_shape, layer
from vram_engine.model.layers import language_head, norm, plain, replicated, word_embedding
from vram_engine.model.spec import Block, Draft, Linear, ModelSpec, Module, Parameter, Unavailable

# Architectures of drafters that no model can be served as, and the decoder whose layers they have.
EAGLE3_ONLY = frozenset({"Eagle3LlamaForCausalLM", "LlamaForCausalLMEagle3"})
EAGLE_ONLY = frozenset({"EagleLlamaForCausalLM"})
ONLY_DRAFTS = EAGLE3_ONLY | EAGLE_ONLY
EITHER = frozenset({"LlamaForCausalLM"})
# Drafters have a layer or few; what is deeper is a model.
MOST_LAYERS = 8
HANDED_OVER = 3
# EAGLE's first layer starts without its norm.
FIRST_NORM = "norm_0"
# Keys with which vLLM builds something else than is derived here.
_ELSEWHERE = ("layer_types", "sliding_window", "speculators_model_type", "dflash_config")


@readable
def eagle3_draft(spec: ModelSpec, config: Config) -> Draft | Unavailable | None:
    """What a checkpoint is as a drafter of this kind; ``None`` where it is none."""
    if spec.architecture not in EAGLE3_ONLY | EITHER or spec.num_layers > MOST_LAYERS:
        return None
    if spec.quantization is not None or any(config.has(key) for key in _ELSEWHERE):
        return Unavailable("an EAGLE-3 drafter that is quantized or of several kinds of layers is not derived")
    states = handed_over(config)
    hidden, vocab = spec.hidden_size, config.integer("draft_vocab_size", default=spec.vocab_size)
    if vocab < 1 or vocab > spec.vocab_size:
        raise ConfigError("config.json gives no draft_vocab_size that can be")
    joined = config.integer("target_hidden_size", default=hidden) * states
    beside: tuple[Module, ...] = (
        replicated("fc", "other", hidden, joined),
        norm("norm", hidden),
        *((norm("input_norm", joined),) if config.flag("norm_before_fc") else ()),
        *((norm("fc_norm", joined),) if config.flag("fc_norm") else ()),
        *((plain("draft_id_to_target_id", "other", vocab, dtype="int64"),) if vocab != spec.vocab_size else ()),
    )
    blocks = (
        *eagle3_layers(config, spec.num_layers),
        Block("model.", beside, "every"),
        Block("", (language_head(vocab, hidden),), "every"),
        Block("model.", (word_embedding("embed_tokens", spec.vocab_size, hidden),), "tied"),
    )
    return Draft(_as_layers(spec, blocks), states=states, tables=True)


@readable
def eagle_draft(spec: ModelSpec, config: Config) -> Draft | Unavailable | None:
    """What a checkpoint is as a drafter of the first kind; ``None`` where it is none."""
    if spec.architecture not in EAGLE_ONLY | EITHER or spec.num_layers > MOST_LAYERS:
        return None
    if spec.quantization is not None or any(config.has(key) for key in _ELSEWHERE):
        return Unavailable("an EAGLE drafter that is quantized or of several kinds of layers is not derived")
    hidden = spec.hidden_size
    modules = layer(config, dense_shape(config, TRAITS["llama"]), TRAITS["llama"])
    bare = tuple(module for module in modules if not (isinstance(module, Parameter) and module.name == FIRST_NORM))
    rest = tuple(range(1, spec.num_layers))
    blocks = (
        Block("model.layers.{}.", bare, layers=(0,)),
        *((Block("model.layers.{}.", modules, layers=rest),) if rest else ()),
        Block("model.", (replicated("fc", "other", hidden, 2 * hidden),), "every"),
        Block("model.", (word_embedding("embed_tokens", spec.vocab_size, hidden),), "tied"),
    )
    return Draft(_as_layers(spec, blocks), tables=True)


def _as_layers(spec: ModelSpec, blocks: tuple[Block, ...]) -> ModelSpec:
    """A drafter of these blocks, each of whose layers has full attention."""
    cache = FullAttention(tuple(range(spec.num_layers)), spec.num_key_value_heads, spec.head_dim, spec.head_dim)
    return replace(spec, modules=blocks, caches=(cache,))


def handed_over(config: Config) -> int:
    """How many layers of the model hand over their hidden states."""
    section = config.section("eagle_config")
    if section.has("use_aux_hidden_state") and not section.flag("use_aux_hidden_state"):
        raise ConfigError("an EAGLE-3 drafter without hidden states of several layers is not derived")
    named = len(section.sequence("eagle_aux_hidden_state_layer_ids"))
    states = config.integer("num_aux_hidden_states", default=named or HANDED_OVER)
    if not 1 <= states <= 16:
        raise ConfigError("config.json hands over hidden states of no layer or of very many")
    return states


def eagle3_layers(config: Config, layers: int) -> tuple[Block, ...]:
    """Llama's layers, of which the first reads the embedding beside the hidden state, each with one more norm."""
    shape = dense_shape(config, TRAITS["llama"])
    modules = (*layer(config, shape, TRAITS["llama"]), norm("hidden_norm", shape.hidden))
    first = tuple(
        replace(module, cols=2 * shape.hidden)
        if isinstance(module, Linear) and module.name.endswith("qkv_proj")
        else module
        for module in modules
    )
    rest = tuple(range(1, layers))
    blocks = (Block("model.layers.{}.", first, layers=(0,)), Block("model.layers.{}.", modules, layers=rest))
    return blocks if rest else blocks[:1]

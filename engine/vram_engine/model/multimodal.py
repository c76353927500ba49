"""Models that put a vision or audio tower before a language model: the tower, the projector and the model below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from vram_engine.model.audio import gemma3n_audio, gemma4_audio, omni_audio_encoder, qwen2_audio_encoder
from vram_engine.model.built import Builder, Built, Request
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import column, merged, norm, replicated, row
from vram_engine.model.spec import Block
from vram_engine.model.vision import (
    Blocks,
    feature_layers,
    held,
    intern_hf_vision,
    intern_vision,
    llava_vision,
    loose,
    qwen2_vision,
    qwen3_vision,
    qwen25_vision,
    siglip_vision,
)
from vram_engine.model.vision_own import gemma4_vision, glm_vision, kimi_k3_vision, kimi_vision, llama4_vision

Place = Callable[[str], str]
Tower = Callable[[Config, Config], Blocks]
Renames = tuple[tuple[str, str], ...]

# Prefixes of checkpoints written by transformers since its models keep everything under ``model.``.
LLAVA_RENAMES: Renames = (
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("lm_head.", "language_model.lm_head."),
)
QWEN2_RENAMES: Renames = (
    ("model.language_model.", "language_model.model."),
    ("model.visual.", "visual."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)
QWEN3_RENAMES: Renames = (
    ("model.visual.", "visual."),
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
)
GEMMA4_RENAMES: Renames = (
    ("model.vision_tower", "vision_tower"),
    ("model.embed_vision", "embed_vision"),
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    ("model", "language_model.model"),
)
OMNI_RENAMES: Renames = (
    ("thinker.lm_head.", "language_model.lm_head."),
    ("thinker.model.", "language_model.model."),
    ("thinker.", ""),
)
KIMI_RENAMES: Renames = (("language_model.layers.", "language_model.model.layers."),)
LLAMA4_RENAMES: Renames = (("model.", "language_model.model."),)

LIGHTON_RENAMES: Renames = (
    ("model.vision_encoder.", "vision_tower."),
    ("model.vision_projection.", "multi_modal_projector."),
    ("lm_head.", "language_model.lm_head."),
    ("model.language_model.", "language_model.model."),
)

TEXT_SECTIONS = ("text_config", "llm_config", "language_config")
VISION_SECTIONS = ("vision_config",)


def language_section(config: Config) -> Config:
    """The config of the language model: a section, or the whole of an older flat config.

    Whether embeddings are tied is the whole model's to say (vllm/config/vllm.py, ``with_hf_config``).
    """
    section = config.optional_section(*TEXT_SECTIONS)
    implied = config.section("text_config").implied_type
    data = dict(config.data) | {"model_type": implied} if section is None and implied else None
    language = section or Config(data or config.data, config.path)
    tied = config.raw("tie_word_embeddings")
    if tied is None:
        return language
    return Config(dict(language.data) | {"tie_word_embeddings": tied[1]}, language.path, language.implied_type)


def below_language_model(prefix: str) -> str:
    """Where most models keep their language model."""
    return f"language_model.{prefix}"


def beside(prefix: str) -> str:
    """Where Phi-4 Multimodal keeps its language model: beside the towers, under no name of its own."""
    return prefix


def without_model(prefix: str) -> str:
    """Where Aria keeps its language model: without the level that holds the output head elsewhere."""
    return prefix.replace("model.", "language_model.", 1)


def within_model(prefix: str) -> str:
    """Where Idefics keeps its language model: beside the tower, with the output head outside."""
    return prefix.replace("model.", "model.text_model.", 1)


def multimodal(
    tower: Tower,
    language: Builder | None,
    renames: Renames,
    *,
    languages: Mapping[str, Builder],
    place: Place = below_language_model,
    pipeline: bool = True,
) -> Builder:
    """The builder of a model of a ``tower`` and a ``language`` model, which its own config names where it is None."""

    def build(request: Request) -> Built:
        config = request.config
        section = language_section(config)
        below = (language or named_language(section, languages))(Request(section, request.pooling))
        blocks = tower(config, config.section(*VISION_SECTIONS))
        under = tuple(replace(block, prefix=place(block.prefix)) for block in below.blocks)
        return replace(
            below,
            blocks=(*blocks, *under),
            language=section,
            pipeline=below.pipeline and pipeline,
            tower=True,
            renames=renames,
        )

    return build


# Architectures of the language models by model_type (transformers, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES).
LANGUAGES: Mapping[str, str] = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "granite": "GraniteForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "glm4": "Glm4ForCausalLM",
    "internlm2": "InternLM2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "lfm2_moe": "Lfm2MoeForCausalLM",
}


def named_language(section: Config, languages: Mapping[str, Builder]) -> Builder:
    """The builder of the architecture that a language model's config names, by itself or by its type."""
    architectures = section.texts("architectures") or (LANGUAGES.get(section.model_type, ""),)
    for architecture in architectures:
        if architecture in languages:
            return languages[architecture]
    raise ConfigError(f"the language model {section.model_type[:40]!r} is not derived")


def text_hidden(config: Config) -> int:
    """The hidden size of the language model."""
    return language_section(config).integer("hidden_size")


def projector(config: Config, vision: Config, *, divided: bool, bias: bool) -> Block:
    """Two matrices from the tower's features to the language model's, divided over ranks or on each."""
    levels = config.raw("vision_feature_layer")
    count = len(levels[1]) if levels and isinstance(levels[1], list | tuple) else 1
    features, hidden = vision.integer("hidden_size") * count, text_hidden(config)
    bias = config.flag("multimodal_projector_bias", default=bias)
    if divided:
        return loose(
            "multi_modal_projector.",
            column("linear_1", "tower", hidden, features, bias=bias),
            row("linear_2", "tower", hidden, hidden, bias=bias),
        )
    return loose(
        "multi_modal_projector.",
        replicated("linear_1", "tower", hidden, features, bias=bias, quantized=False),
        replicated("linear_2", "tower", hidden, hidden, bias=bias, quantized=False),
    )


def llava(config: Config, vision: Config) -> Blocks:
    """Llava 1.5 and Pixtral in the format of transformers (llava.py)."""
    return (*llava_vision(config, vision), projector(config, vision, divided=True, bias=True))


def llava_next(config: Config, vision: Config) -> Blocks:
    """Llava-NeXT: a learned line break between rows of patches (llava_next.py)."""
    return (*llava(config, vision), loose("", held("image_newline", text_hidden(config))))


def llava_onevision(config: Config, vision: Config) -> Blocks:
    """Llava-OneVision, whose projector is on every rank (llava_onevision.py)."""
    return (
        *llava_vision(config, vision),
        projector(config, vision, divided=False, bias=True),
        loose("", held("image_newline", text_hidden(config))),
    )


def mistral3(config: Config, vision: Config) -> Blocks:
    """Mistral Small 3.1: Pixtral's tower with a merger of patches (mistral3.py)."""
    hidden = vision.integer("hidden_size")
    merge = config.integer("spatial_merge_size", default=2) ** 2
    return (
        *llava_vision(config, vision),
        loose(
            "multi_modal_projector.",
            norm("norm", hidden, kind="tower"),
            replicated("patch_merger.merging_layer", "tower", hidden, merge * hidden, quantized=False),
        ),
        projector(config, vision, divided=True, bias=False),
    )


def gemma3_tower(config: Config, vision: Config) -> Blocks:
    """Gemma 3's SigLIP and its projection (gemma3_mm.py)."""
    hidden = vision.integer("hidden_size")
    return (
        *siglip_vision(vision, vision.layers("num_hidden_layers"), post_norm=True),
        loose(
            "multi_modal_projector.",
            held("mm_input_projection_weight", hidden * text_hidden(config)),
            held("mm_soft_emb_norm", hidden),
        ),
    )


def paligemma(config: Config, vision: Config) -> Blocks:
    """PaliGemma's SigLIP and its projection (paligemma.py)."""
    hidden, out = vision.integer("hidden_size"), vision.integer("projection_dim", default=text_hidden(config))
    return (
        *siglip_vision(vision, vision.layers("num_hidden_layers"), post_norm=True),
        loose("multi_modal_projector.", replicated("linear", "tower", out, hidden, bias=True, quantized=False)),
    )


def cohere2_vision(config: Config, vision: Config) -> Blocks:
    """Command A Vision: SigLIP, a pixel shuffle and a gated projection (cohere2_vision.py)."""
    features = vision.integer("hidden_size") * config.integer("downsample_factor", default=2) ** 2
    width = config.integer("alignment_intermediate_size", default=36864) // 2
    return (
        *siglip_vision(vision, vision.layers("num_hidden_layers"), post_norm=True),
        loose(
            "multi_modal_projector.",
            replace(
                merged("linear_1", "tower", (("linear_1", width), ("linear_1", width)), features, bias=True),
                quantized=False,
            ),
            row("linear_2", "tower", text_hidden(config), width, bias=True, quantized=False),
        ),
    )


def idefics3(config: Config, vision: Config) -> Blocks:
    """Idefics 3 and SmolVLM: SigLIP and a pixel shuffle (idefics3.py)."""
    features = vision.integer("hidden_size") * config.integer("scale_factor", default=2) ** 2
    tower = siglip_vision(vision, vision.layers("num_hidden_layers"), post_norm=True, prefix="model.vision_model.")
    return (
        *tower,
        loose("model.", replicated("connector.modality_projection.proj", "tower", text_hidden(config), features)),
    )


def glm4v(_: Config, vision: Config) -> Blocks:
    """The tower of GLM-4.1V and GLM-4.5V."""
    return glm_vision(vision)


def qwen2_audio(config: Config, _: Config) -> Blocks:
    """Qwen2-Audio: Whisper's encoder, on every rank, and one matrix (qwen2_audio.py)."""
    audio = config.section("audio_config")
    features = audio.integer("d_model")
    projection = replicated("linear", "tower", text_hidden(config), features, bias=True, quantized=False)
    return (*qwen2_audio_encoder(audio, "audio_tower."), loose("multi_modal_projector.", projection))


def omni(config: Config, vision: Config) -> Blocks:
    """Qwen2.5-Omni's thinker: it sees as Qwen2.5-VL does, and hears (qwen2_5_omni_thinker.py)."""
    return (*omni_audio_encoder(config.section("audio_config"), "audio_tower."), *qwen25_vision(vision))


def within(section: str, builder: Builder) -> Builder:
    """The builder of a model whose config is a section of the whole; the whole says whether embeddings are tied."""

    def build(request: Request) -> Built:
        part, tied = request.config.section(section), request.config.raw("tie_word_embeddings")
        data = dict(part.data) | {"tie_word_embeddings": tied[1] if tied else None}
        return builder(replace(request, config=Config(data, part.path, part.implied_type)))

    return build


def internvl(config: Config, vision: Config) -> Blocks:
    """InternVL in its own format (internvl.py)."""
    features, hidden = shuffled(config, vision), text_hidden(config)
    return (
        *intern_vision(vision, used_layers(config, vision)),
        loose(
            "mlp1.",
            norm("0", features, bias=True, kind="tower"),
            replicated("1", "tower", hidden, features, bias=True, quantized=False),
            replicated("3", "tower", hidden, hidden, bias=True, quantized=False),
        ),
    )


def nvlm(config: Config, vision: Config) -> Blocks:
    """NVLM-D: InternViT with seven heads more, and a projector as wide as the language model's MLP (nvlm_d.py)."""
    features, hidden = shuffled(config, vision), text_hidden(config)
    width = language_section(config).integer("intermediate_size")
    return (
        *intern_vision(vision, used_layers(config, vision), dummy_heads=7),
        loose(
            "mlp1.",
            norm("0", features, bias=True, kind="tower"),
            replicated("1", "tower", width, features, quantized=False),
            replicated("3", "tower", hidden, width, quantized=False),
        ),
    )


def eagle25(config: Config, vision: Config) -> Blocks:
    """Eagle 2.5: SigLIP before InternVL's projector; a tower cut short has no last norm (eagle2_5_vl.py)."""
    features, hidden = shuffled(config, vision), text_hidden(config)
    layers = used_layers(config, vision)
    is_whole = layers == vision.layers("num_hidden_layers")
    return (
        *siglip_vision(vision, layers, post_norm=is_whole, prefix="vision_model.vision_model."),
        loose(
            "mlp1.",
            norm("0", features, bias=True, kind="tower"),
            replicated("1", "tower", hidden, features, bias=True, quantized=False),
            replicated("3", "tower", hidden, hidden, bias=True, quantized=False),
        ),
    )


def used_layers(config: Config, vision: Config) -> int:
    """How many layers of the tower there are, by the one whose features are taken."""
    layers = vision.layers("num_hidden_layers")
    chosen = config.raw("select_layer")
    depth = chosen[1] if chosen else -1
    if not isinstance(depth, int) or not -layers <= depth < layers:
        raise ConfigError(f"config.json: {config.path}select_layer names no layer of the vision tower")
    return layers + depth + 1 if depth < 0 else depth + 1


def internvl_hf(config: Config, vision: Config) -> Blocks:
    """InternVL and Intern-S1 in the format of transformers (interns1.py)."""
    features = shuffled(config, vision)
    return (
        *intern_hf_vision(vision, feature_layers(config, vision)),
        loose(
            "multi_modal_projector.",
            norm("layer_norm", features, bias=True, kind="tower"),
            replicated("linear_1", "tower", text_hidden(config), features, bias=True, quantized=False),
            replicated("linear_2", "tower", text_hidden(config), text_hidden(config), bias=True, quantized=False),
        ),
    )


def shuffled(config: Config, vision: Config) -> int:
    """Features of a patch after the pixel shuffle has folded its neighbours into it."""
    ratio = config.number("downsample_ratio", default=0.5)
    if not 0.01 < ratio <= 1:
        raise ConfigError(f"config.json: {config.path}downsample_ratio is out of range")
    return vision.integer("hidden_size") * int(1 / ratio) ** 2


def llama4_tower(config: Config, vision: Config) -> Blocks:
    """Llama 4's tower and projector (mllama4.py)."""
    linear = column("linear_1", "tower", text_hidden(config), vision.integer("vision_output_dim"), quantized=False)
    return (*llama4_vision(vision), loose("multi_modal_projector.", linear))


def qwen2_tower(_: Config, vision: Config) -> Blocks:
    """Qwen2-VL's tower."""
    return qwen2_vision(vision)


def qwen25_tower(_: Config, vision: Config) -> Blocks:
    """Qwen2.5-VL's tower."""
    return qwen25_vision(vision)


def qwen3_tower(_: Config, vision: Config) -> Blocks:
    """The tower of Qwen3-VL and Qwen3.5."""
    return qwen3_vision(vision)


def kimi_tower(config: Config, vision: Config) -> Blocks:
    """Kimi-K2.5's tower."""
    return kimi_vision(vision, text_hidden(config))


def kimi_k3_tower(config: Config, vision: Config) -> Blocks:
    """Kimi-K3's tower."""
    return kimi_k3_vision(vision, text_hidden(config))


def gemma4_tower(config: Config, vision: Config) -> Blocks:
    """Gemma 4's towers for images and sound, as far as the config has them."""
    hidden = text_hidden(config)
    seen = gemma4_vision(vision, hidden) if config.has("vision_config") else ()
    heard = gemma4_audio(config.section("audio_config"), hidden) if config.has("audio_config") else ()
    return (*seen, *heard)


# The convolutional tower that Gemma 3n takes from timm has one size, whatever the config says (MobileNet-V5).
MOBILENET_V5 = {"mobilenetv5_300m_enc": 294_126_912}


def gemma3n_tower(config: Config, vision: Config) -> Blocks:
    """Gemma 3n's image and audio towers, with the vocabularies of their own tokens (gemma3n_mm.py)."""
    audio, hidden = config.section("audio_config"), text_hidden(config)
    architecture = vision.text("architecture", default="mobilenetv5_300m_enc")
    if architecture not in MOBILENET_V5:
        raise ConfigError(f"the vision tower {architecture[:40]!r} is not derived")
    return (
        loose("vision_tower.", held("timm_model", MOBILENET_V5[architecture])),
        gemma3n_embedder("embed_vision.", vision, hidden),
        *gemma3n_audio(audio),
        gemma3n_embedder("embed_audio.", audio, hidden),
    )


def gemma3n_embedder(prefix: str, section: Config, hidden: int) -> Block:
    """Brings a tower's features to the language model, and embeds its special tokens."""
    width = section.integer("hidden_size")
    table = column("embedding", "tower", -(-section.integer("vocab_size") // 64) * 64, width, quantized=False)
    return loose(
        prefix,
        table,
        held("norms", 2 * width),
        row("embedding_projection", "tower", hidden, width, quantized=False),
    )

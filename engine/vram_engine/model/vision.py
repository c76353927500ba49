"""Vision towers: the patch embedding, encoder layers and projector that stand before a language model.

Every pipeline stage builds the whole tower. A size that does not divide over ranks is vLLM's to refuse, as elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.layers import column, merged, norm, plain, replicated, row
from vram_engine.model.spec import Block, Linear, Module, Part, Rotary

Blocks = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class EncoderNames:
    """What a tower calls the modules of a layer."""

    qkv: str = "self_attn.qkv_proj"
    out: str = "self_attn.out_proj"
    up: str = "mlp.fc1"
    down: str = "mlp.fc2"
    parts: tuple[str, str, str] = ("q_proj", "k_proj", "v_proj")


@dataclass(frozen=True, slots=True)
class Encoder:
    """A stack of equal layers of attention and MLP.

    ``quantized`` is whether the tower is given the checkpoint's quantization. A tower whose heads cannot be divided
    over ranks keeps attention whole where ``whole_if_uneven``. ``dummy_heads`` are as wide as the others.
    """

    hidden: int
    heads: int
    width: int
    names: EncoderNames = EncoderNames()
    qkv_bias: bool = True
    out_bias: bool = True
    mlp_bias: bool = True
    norm_bias: bool = True
    gated: bool = False
    quantized: bool = True
    mlp_quantized: bool = True
    whole_if_uneven: bool = False
    dummy_heads: int = 0
    extra: tuple[Module, ...] = ()


def encoder_layer(encoder: Encoder) -> tuple[Module, ...]:
    """The modules of one layer of a tower."""
    names, hidden = encoder.names, encoder.hidden
    head_dim = hidden // max(1, encoder.heads)
    heads = encoder.heads + encoder.dummy_heads
    parts = tuple(Part(part, heads, head_dim) for part in names.parts)
    even = heads if encoder.whole_if_uneven else 0
    attention = (
        Linear(names.qkv, "tower", parts, hidden, "column", encoder.qkv_bias, encoder.quantized, even=even),
        replace(
            row(names.out, "tower", hidden, heads * head_dim, bias=encoder.out_bias, quantized=encoder.quantized),
            even=even,
        ),
    )
    norms = (
        norm("norm1", hidden, bias=encoder.norm_bias, kind="tower"),
        norm("norm2", hidden, bias=encoder.norm_bias, kind="tower"),
    )
    return (*attention, *encoder_mlp(encoder), *norms, *encoder.extra)


def encoder_mlp(encoder: Encoder) -> tuple[Module, ...]:
    """The MLP of a tower's layer, gated or not."""
    names, hidden, width, bias = encoder.names, encoder.hidden, encoder.width, encoder.mlp_bias
    quantized = encoder.quantized and encoder.mlp_quantized
    down = row(names.down, "tower", hidden, width, bias=bias, quantized=quantized)
    if encoder.gated:
        up = merged(names.up, "tower", (("gate_proj", width), ("up_proj", width)), hidden, bias=bias)
        return replace(up, quantized=quantized), down
    return column(names.up, "tower", width, hidden, bias=bias, quantized=quantized), down


def stack(prefix: str, modules: tuple[Module, ...], layers: int) -> Block:
    """So many equal layers of a tower under one prefix."""
    return Block(prefix, modules, "every", tuple(range(layers)))


def loose(prefix: str, *modules: Module) -> Block:
    """What a tower has beside its layers."""
    return Block(prefix, modules, "every")


def held(name: str, size: int) -> Module:
    """A tensor of a tower that every rank holds whole."""
    return plain(name, "tower", size)


def perceptron(prefix: str, inner: int, outer: int, names: tuple[str, str], *, bias: bool = True) -> Block:
    """Two matrices that bring ``inner`` features to ``outer``, the first square, both divided over ranks."""
    return loose(
        prefix,
        column(names[0], "tower", inner, inner, bias=bias),
        row(names[1], "tower", outer, inner, bias=bias),
    )


def square(config: Config, name: str) -> tuple[int, int]:
    """A size that is one number, or a number for height and width."""
    sizes = config.integers(name)
    if len(sizes) not in {1, 2}:
        raise ConfigError(f"config.json gives no {config.path}{name}")
    return sizes[0], sizes[-1]


def patches(config: Config) -> int:
    """How many patches an image has, and thereby how many positions."""
    image, patch = square(config, "image_size"), square(config, "patch_size")
    return (image[0] // max(1, patch[0])) * (image[1] // max(1, patch[1]))


def patch_area(config: Config) -> int:
    """Values of one patch: channels times its pixels."""
    height, width = square(config, "patch_size")
    return config.integer("num_channels", "in_channels", "in_chans", default=3) * height * width


# ---- Qwen


QWEN2_NAMES = EncoderNames("attn.qkv", "attn.proj", parts=("qkv", "qkv", "qkv"))
QWEN25_NAMES = EncoderNames("attn.qkv", "attn.proj", "mlp.gate_up_proj", "mlp.down_proj", ("q", "k", "v"))
QWEN3_NAMES = EncoderNames("attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2", ("q", "k", "v"))
VISION_POSITIONS = 8192


def qwen_patches(vision: Config, hidden: int, *, bias: bool) -> Module:
    """The three-dimensional convolution over patches and frames."""
    frames = vision.integer("temporal_patch_size", default=2)
    return held("patch_embed.proj", hidden * (patch_area(vision) * frames + bias))


def qwen_rotary(hidden: int, heads: int) -> Rotary:
    """The tower's rotary table, over half of a head."""
    return Rotary(VISION_POSITIONS, hidden // max(1, heads) // 2, identity="vision")


def qwen2_vision(vision: Config) -> Blocks:
    """Qwen2-VL's tower (qwen2_vl.py)."""
    hidden, heads = vision.integer("embed_dim"), vision.integer("num_heads")
    inner = hidden * vision.integer("spatial_merge_size", default=2) ** 2
    width = int(hidden * vision.number("mlp_ratio", default=4.0))
    return (
        stack("visual.blocks.{}.", encoder_layer(Encoder(hidden, heads, width, QWEN2_NAMES)), vision.layers("depth")),
        loose("visual.", qwen_patches(vision, hidden, bias=False), held("merger.ln_q", 2 * hidden)),
        perceptron("visual.merger.", inner, vision.integer("hidden_size"), ("mlp.0", "mlp.2")),
        loose("visual.", qwen_rotary(hidden, heads)),
    )


def qwen25_vision(vision: Config) -> Blocks:
    """Qwen2.5-VL's tower: gated MLPs and norms without biases (qwen2_5_vl.py)."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_heads")
    inner = hidden * vision.integer("spatial_merge_size", default=2) ** 2
    encoder = Encoder(hidden, heads, vision.integer("intermediate_size"), QWEN25_NAMES, norm_bias=False, gated=True)
    return (
        stack("visual.blocks.{}.", encoder_layer(encoder), vision.layers("depth")),
        loose("visual.", qwen_patches(vision, hidden, bias=False), held("merger.ln_q", hidden)),
        perceptron("visual.merger.", inner, vision.integer("out_hidden_size"), ("mlp.0", "mlp.2")),
        loose("visual.", qwen_rotary(hidden, heads)),
    )


def qwen3_vision(vision: Config) -> Blocks:
    """The tower of Qwen3-VL and Qwen3.5, which may feed several layers of the language model (qwen3_vl.py)."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_heads")
    inner = hidden * vision.integer("spatial_merge_size", default=2) ** 2
    out = vision.integer("out_hidden_size")
    encoder = Encoder(hidden, heads, vision.integer("intermediate_size"), QWEN3_NAMES)
    names = ("linear_fc1", "linear_fc2")
    deep = len(vision.sequence("deepstack_visual_indexes"))
    positions = vision.integer("num_position_embeddings")
    blocks = [
        stack("visual.blocks.{}.", encoder_layer(encoder), vision.layers("depth")),
        loose(
            "visual.",
            qwen_patches(vision, hidden, bias=True),
            held("pos_embed", positions * hidden),
            held("merger.norm", 2 * hidden),
            qwen_rotary(hidden, heads),
        ),
        perceptron("visual.merger.", inner, out, names),
    ]
    if deep:
        mergers = (*perceptron("", inner, out, names).modules, norm("norm", inner, bias=True, kind="tower"))
        blocks.append(stack("visual.deepstack_merger_list.{}.", mergers, deep))
    return tuple(blocks)


# ---- CLIP, SigLIP and Pixtral, as Llava and its relatives use them


PIXTRAL_NAMES = EncoderNames(
    "attention.qkv_proj", "attention.o_proj", "feed_forward.gate_up_proj", "feed_forward.down_proj"
)


def clip_vision(vision: Config, layers: int, *, post_norm: bool) -> Blocks:
    """CLIP's tower (clip.py)."""
    hidden = vision.integer("hidden_size")
    encoder = Encoder(hidden, vision.integer("num_attention_heads"), vision.integer("intermediate_size"))
    prefix = "vision_tower.vision_model."
    return (
        stack(f"{prefix}encoder.layers.{{}}.", encoder_layer(encoder), layers),
        loose(
            prefix,
            held("embeddings.class_embedding", hidden),
            held("embeddings.patch_embedding", hidden * patch_area(vision)),
            held("embeddings.position_embedding", (patches(vision) + 1) * hidden),
            held("pre_layrnorm", 2 * hidden),
            *((held("post_layernorm", 2 * hidden),) if post_norm else ()),
        ),
    )


def siglip_vision(
    vision: Config, layers: int, *, post_norm: bool, prefix: str = "vision_tower.vision_model."
) -> Blocks:
    """SigLIP's tower, without its pooling head (siglip.py)."""
    hidden, width = vision.integer("hidden_size"), vision.integer("intermediate_size")
    aligned = hidden % 64 == 0 and width % 64 == 0
    encoder = Encoder(hidden, vision.integer("num_attention_heads"), width, mlp_quantized=aligned)
    return (
        stack(f"{prefix}encoder.layers.{{}}.", encoder_layer(encoder), layers),
        loose(
            prefix,
            held("embeddings.patch_embedding", hidden * (patch_area(vision) + 1)),
            held("embeddings.position_embedding", patches(vision) * hidden),
            *((held("post_layernorm", 2 * hidden),) if post_norm else ()),
        ),
    )


def pixtral_vision(vision: Config, layers: int) -> Blocks:
    """Pixtral's tower in the format of transformers (pixtral.py, PixtralHFVisionModel)."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_attention_heads")
    encoder = Encoder(
        hidden,
        heads,
        vision.integer("intermediate_size"),
        PIXTRAL_NAMES,
        qkv_bias=False,
        out_bias=False,
        mlp_bias=False,
        norm_bias=False,
        gated=True,
    )
    return (
        stack("vision_tower.transformer.layers.{}.", encoder_layer(encoder), layers),
        loose("vision_tower.", held("patch_conv", hidden * patch_area(vision)), held("ln_pre", hidden)),
    )


def feature_layers(config: Config, vision: Config) -> int:
    """Layers of a tower down to the deepest whose features are used (vision.py, ``get_layer_index``)."""
    layers = vision.layers("num_hidden_layers")
    found = config.raw("vision_feature_layer")
    stated = found[1] if found else -1
    depths = stated if isinstance(stated, list | tuple) else (stated,)
    used = [depth + layers + 1 if isinstance(depth, int) and depth < 0 else depth for depth in depths]
    if not used or not all(isinstance(depth, int) and 0 < depth <= layers for depth in used):
        raise ConfigError(f"config.json: {config.path}vision_feature_layer names no layer of the vision tower")
    return max(depth for depth in used if isinstance(depth, int))


def llava_vision(config: Config, vision: Config) -> Blocks:
    """The tower of Llava's kind that the vision config's type asks for (llava.py, ``init_vision_tower_for_llava``)."""
    layers = feature_layers(config, vision)
    if vision.model_type == "clip_vision_model":
        return clip_vision(vision, layers, post_norm=False)
    if vision.model_type == "siglip_vision_model":
        return siglip_vision(vision, layers, post_norm=False)
    if vision.model_type == "pixtral":
        return pixtral_vision(vision, layers)
    raise ConfigError(f"the vision tower {vision.model_type[:40]!r} is not derived")


# ---- InternVL


INTERN_NAMES = EncoderNames("attn.qkv", "attn.proj", parts=("qkv", "qkv", "qkv"))


def intern_vision(vision: Config, layers: int, *, dummy_heads: int = 0) -> Blocks:
    """InternViT in its own format, with ``dummy_heads`` to make their number even (intern_vit.py)."""
    hidden, heads = vision.integer("hidden_size"), vision.integer("num_attention_heads")
    with_norms = vision.flag("qk_normalization", default=True)
    extra = [held("ls1", hidden), held("ls2", hidden)]
    if with_norms:
        extra += [held("attn.q_norm", hidden), held("attn.k_norm", hidden)]
    encoder = Encoder(
        hidden,
        heads,
        vision.integer("intermediate_size"),
        INTERN_NAMES,
        qkv_bias=vision.flag("qkv_bias"),
        norm_bias=vision.text("norm_type", default="rms_norm") == "layer_norm",
        whole_if_uneven=True,
        dummy_heads=dummy_heads,
        extra=tuple(extra),
    )
    return (
        stack("vision_model.encoder.layers.{}.", encoder_layer(encoder), layers),
        loose(
            "vision_model.embeddings.",
            held("class_embedding", hidden),
            held("patch_embedding", hidden * (patch_area(vision) + 1)),
            held("position_embedding", (patches(vision) + 1) * hidden),
        ),
    )


def intern_hf_vision(vision: Config, layers: int) -> Blocks:
    """InternViT in the format of transformers, whose attention is on every rank (interns1_vit.py)."""
    hidden, width = vision.integer("hidden_size"), vision.integer("intermediate_size")
    bias = vision.flag("attention_bias")
    projections = replace(
        replicated("attention.q_proj", "tower", hidden, hidden, bias=bias, quantized=False), replicas=3
    )
    extra = [held("lambda_1", hidden), held("lambda_2", hidden)]
    if vision.flag("use_qk_norm"):
        extra += [held("attention.q_norm", hidden), held("attention.k_norm", hidden)]
    encoder = Encoder(hidden, 1, width, quantized=False)
    layer: tuple[Module, ...] = (
        projections,
        replicated("attention.projection_layer", "tower", hidden, hidden, bias=True, quantized=False),
        *encoder_mlp(encoder),
        held("norms", hidden * (4 if vision.text("norm_type", default="layer_norm") == "layer_norm" else 2)),
        *extra,
    )
    loose_modules = [held("embeddings.cls_token", hidden)]
    if vision.flag("use_mask_token"):
        loose_modules.append(held("embeddings.mask_token", hidden))
    if vision.flag("use_absolute_position_embeddings"):
        loose_modules.append(held("embeddings.position_embeddings", (patches(vision) + 1) * hidden))
    if not vision.flag("use_mean_pooling", default=True):
        loose_modules.append(held("layernorm", 2 * hidden))
    loose_modules.append(held("embeddings.patch_embeddings", hidden * (patch_area(vision) + 1)))
    return stack("vision_tower.encoder.layer.{}.", layer, layers), loose("vision_tower.", *loose_modules)

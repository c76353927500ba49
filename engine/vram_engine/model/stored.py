"""How a checkpoint says its weights are quantized: one value out of the several formats in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from vram_engine.model.config import Config, ConfigError
from vram_engine.model.spec import CheckpointQuantization, Strategy, Unavailable, WeightFormat

Reader = Callable[[Config], CheckpointQuantization | Unavailable]

NVFP4 = WeightFormat("nvfp4", 4, "group", 16, static=True, packing="modelopt")
NVFP4_W4A16 = WeightFormat("nvfp4", 4, "group", 16, packing="modelopt")
MXFP4 = WeightFormat("mxfp4", 4, "group", 32)
MXFP8 = WeightFormat("mxfp8", 8, "group", 32)
FP8_STATIC = WeightFormat("fp8", 8, static=True)
FP8_CHANNEL = WeightFormat("fp8", 8, "channel")
FP8_BLOCK = WeightFormat("fp8", 8, "block", block=(128, 128))
HF_QUANT_CONFIG = "hf_quant_config."
PACKED_BITS = frozenset({2, 3, 4, 8})


def checkpoint_quantization(
    config: Config, quant_config: Mapping[str, object] | None
) -> CheckpointQuantization | Unavailable | None:
    """The quantization of ``config.json`` or, without one, of ``hf_quant_config.json``; ``None`` for plain weights."""
    section = quantization_section(config)
    if section is None and quant_config is not None:
        section = Config(quant_config, HF_QUANT_CONFIG)
    if section is None:
        return None
    method = quant_method(section)
    if not method:
        # A section of config.json without a method is ignored; a file that was written for its own sake is not.
        return None if section.path != HF_QUANT_CONFIG else Unavailable("hf_quant_config.json names no method")
    if method not in READERS:
        return Unavailable(f"the quantization method {method[:40]} is not derived")
    if config.model_type == "deepseek_v4" and method in {"fp8", "deepseek_v4_fp8"}:
        return read_deepseek_v4(section, config.text("expert_dtype", default="fp4"))
    return READERS[method](section)


def quantization_section(config: Config) -> Config | None:
    """The quantization section of the whole config, or of its text part."""
    names = ("quantization_config", "compression_config")
    found = config.optional_section(*names)
    return found if found is not None else config.section("text_config").optional_section(*names)


def quant_method(section: Config) -> str:
    """The method's name in vLLM's spelling; empty where the section states none (it is then ignored)."""
    stated = section.text("quant_method").lower().replace("compressed_tensors", "compressed-tensors")
    if stated:
        return stated
    modelopt = section.section("producer").text("name") == "modelopt" or section.section("quantization").has(
        "modelopt_quant_config"
    )
    return "modelopt" if modelopt else ""


def strings(section: Config, *names: str) -> tuple[str, ...]:
    """The strings of a list that may also hold lists of strings or other things, which are passed over."""
    flat: list[str] = []
    for item in section.sequence(*names):
        flat.extend(part for part in (item if isinstance(item, list) else [item]) if isinstance(part, str))
    return tuple(flat)


def signed(section: Config, name: str, default: int) -> int:
    """An integer that may be -1."""
    number = section.number(name, default=default)
    if number != int(number) or not -1 <= number <= 2**20 or number == 0:
        raise ConfigError(f"config.json: {section.path}{name} is not a group size")
    return int(number)


def stated(section: Config, *names: str) -> str:
    """The first of ``names`` that the section gives, where vLLM refuses one that gives none (``get_from_keys``)."""
    for name in names:
        if section.has(name):
            return name
    raise ConfigError(f"config.json gives no {section.path}{names[-1]}")


def packed_bits(section: Config, *names: str) -> int:
    """Bits of packed integers, of which a few numbers exist."""
    bits = section.integer(*names)
    if bits not in PACKED_BITS:
        raise ConfigError(f"config.json: {section.path}{names[-1]} is {bits}, which no packing has")
    return bits


def read_awq(section: Config) -> CheckpointQuantization:
    """AutoAWQ: packed int4 with zero points."""
    weight = WeightFormat(
        "packed-int",
        packed_bits(section, "w_bit", "bits"),
        "group",
        signed(section, stated(section, "q_group_size", "group_size"), 128),
        not section.flag(stated(section, "zero_point")),
        packing="awq",
    )
    return CheckpointQuantization(
        "awq",
        weight,
        ignored=strings(section, "modules_to_not_convert"),
        matching="substring",
        lm_head=section.flag("lm_head"),
    )


def read_gptq(section: Config) -> CheckpointQuantization | Unavailable:
    """AutoGPTQ and GPTQModel: packed integers, with per-module exceptions in ``dynamic``."""
    weight = gptq_format(section)
    targets: list[tuple[str, WeightFormat | None]] = []
    for pattern, overrides in section.section("dynamic").data.items():
        if pattern.startswith("-:"):
            targets.append((pattern.removeprefix("-:"), None))
        else:
            merged = dict(section.data) | (dict(overrides) if isinstance(overrides, Mapping) else {})
            targets.append((pattern.removeprefix("+:"), gptq_format(Config(merged, section.path))))
    return CheckpointQuantization("gptq", weight, tuple(targets), matching="regexes", lm_head=section.flag("lm_head"))


def gptq_format(section: Config) -> WeightFormat:
    """The format of GPTQ's bits, group_size and sym."""
    return WeightFormat(
        "packed-int",
        packed_bits(section, "bits"),
        "group",
        signed(section, stated(section, "group_size"), -1),
        section.flag(stated(section, "sym")),
        packing="gptq",
        act_order=section.flag("desc_act"),
    )


# Names of the blocks that AutoRound quantized, in the order in which vLLM looks for them (quantization/inc.py).
AUTOROUND_BLOCKS = ("block_name_to_quantize", "to_quant_block_names")


def read_autoround(section: Config) -> CheckpointQuantization | Unavailable:
    """AutoRound: GPTQ's or AWQ's layout, with exceptions by module name in ``extra_config``."""
    packing = section.text("packing_format", default="auto_round:auto_gptq")
    if "awq" in packing:
        layout = "awq"
    elif "gptq" in packing:
        layout = "gptq"
    else:
        return Unavailable(f"the AutoRound packing {packing[:40]} is not derived")
    weight = autoround_format(section, layout)
    targets = []
    for name, raw in section.section("extra_config").data.items():
        own = autoround_format(Config(dict(section.data) | (dict(raw) if isinstance(raw, Mapping) else {})), layout)
        targets.append((name, None if own.bits >= 16 else own))
    blocks = next((section.data[key] for key in AUTOROUND_BLOCKS if section.data.get(key)), ())
    within = blocks.split(",") if isinstance(blocks, str) else blocks if isinstance(blocks, list | tuple) else ()
    if not all(isinstance(block, str) for block in within):
        return Unavailable("which blocks AutoRound quantized is not known")
    return CheckpointQuantization(
        "inc",
        weight,
        tuple(targets),
        matching="searched",
        lm_head=section.flag("quant_lm_head"),
        within=tuple(within),
    )


def autoround_format(section: Config, layout: str) -> WeightFormat:
    """The format of AutoRound's bits, group_size and sym."""
    group = signed(section, "group_size", 128)
    return WeightFormat(
        "packed-int", section.integer("bits"), "group", group, section.flag("sym", default=True), packing=layout
    )


def read_fp8(section: Config) -> CheckpointQuantization:
    """vLLM's fp8: per tensor, or per block as DeepSeek and Qwen store it."""
    block = section.integers("weight_block_size")
    ignored = strings(section, "ignored_layers") or strings(section, "modules_to_not_convert")
    if block:
        if len(block) != 2 or 0 in block:
            raise ConfigError(f"config.json: {section.path}weight_block_size must have 2 dimensions")
        weight = WeightFormat("fp8", 8, "block", block=(block[0], block[1]), packing="fp8")
    else:
        weight = WeightFormat("fp8", 8, static=section.text(stated(section, "activation_scheme")) == "static")
    return CheckpointQuantization("fp8", weight, ignored=ignored)


def read_deepseek_v4(section: Config, expert_dtype: str) -> CheckpointQuantization | Unavailable:
    """fp8 with experts in four bits, whose scales are powers of two (deepseek_v4/quant_config.py)."""
    stored = read_fp8(section)
    if expert_dtype == "fp8" or stored.default is None:
        return stored
    if expert_dtype != "fp4":
        return Unavailable(f"DeepSeek-V4 experts in {expert_dtype[:20]!r} are not derived")
    experts = NVFP4 if section.text("moe_quant_algo").upper() == "NVFP4" else MXFP4
    return replace(stored, default=replace(stored.default, packing="e8m0"), experts_default=experts)


def read_fbgemm(section: Config) -> CheckpointQuantization:
    """FBGEMM fp8: one scale per output row."""
    return CheckpointQuantization("fbgemm_fp8", FP8_CHANNEL, ignored=strings(section, "modules_to_not_convert"))


def read_mxfp4(section: Config) -> CheckpointQuantization:
    """MXFP4 experts, as gpt-oss ships them; everything else is 16-bit."""
    weight = replace(MXFP4, packing="gpt-oss")
    return CheckpointQuantization(
        "mxfp4", weight, ignored=strings(section, "modules_to_not_convert"), experts_only=True
    )


def read_mxfp8(section: Config) -> CheckpointQuantization:
    """MXFP8 weights in every linear that is not ignored."""
    ignored = strings(section, "ignore", "exclude_modules", "ignored_layers", "modules_to_not_convert")
    return CheckpointQuantization("mxfp8", MXFP8, ignored=ignored, matching="globs", lm_head=True)


def read_bitsandbytes(section: Config) -> CheckpointQuantization:
    """bitsandbytes nf4 or int8."""
    eight = section.flag("load_in_8bit")
    weight = WeightFormat("bnb8", 8, "channel") if eight else WeightFormat("bnb4", 4, "group", 64)
    return CheckpointQuantization(
        "bitsandbytes", weight, ignored=strings(section, "llm_int8_skip_modules"), matching="suffix"
    )


MODELOPT_ALGORITHMS: Mapping[str, tuple[str, WeightFormat]] = MappingProxyType(
    {
        "FP8": ("modelopt", FP8_STATIC),
        "FP8_PER_CHANNEL_PER_TOKEN": ("modelopt", FP8_CHANNEL),
        "FP8_PB_WO": ("modelopt", FP8_BLOCK),
        "FP8_BLOCK_SCALES": ("modelopt", FP8_BLOCK),
        "NVFP4": ("modelopt_fp4", NVFP4),
        "W4A16_NVFP4": ("modelopt_fp4", NVFP4_W4A16),
        "MXFP8": ("modelopt_mxfp8", MXFP8),
    }
)


def read_modelopt(section: Config) -> CheckpointQuantization | Unavailable:
    """NVIDIA ModelOpt: one algorithm for all linears that are not excluded, or one per module."""
    nested = section.optional_section("quantization")
    facts = nested if nested is not None else section
    algorithm = facts.text("quant_algo").upper()
    ignored = strings(facts, "exclude_modules") if nested is not None else strings(facts, "ignore")
    kv_cache = modelopt_kv_cache(facts)
    if algorithm == "MIXED_PRECISION":
        targets = modelopt_targets(facts)
        if isinstance(targets, Unavailable):
            return targets
        return CheckpointQuantization(
            "modelopt_mixed", None, targets, ignored, "globs", lm_head=True, kv_cache=kv_cache
        )
    if algorithm not in MODELOPT_ALGORITHMS:
        return Unavailable(f"the ModelOpt algorithm {algorithm[:40] or 'without a name'} is not derived")
    method, weight = MODELOPT_ALGORITHMS[algorithm]
    if weight.storage == "nvfp4" and facts.optional_integer("group_size") not in {None, 16}:
        return Unavailable("NVFP4 in groups of other than 16 is not derived")
    return CheckpointQuantization(method, weight, (), ignored, "globs", lm_head=True, kv_cache=kv_cache)


def modelopt_kv_cache(facts: Config) -> str | None:
    """The KV cache algorithm that ModelOpt recorded, in either of its two ways."""
    stated = facts.text("kv_cache_quant_algo")
    scheme = facts.optional_section("kv_cache_scheme")
    if scheme is not None and scheme.text("type") == "float" and scheme.optional_integer("num_bits") == 8:
        return "FP8"
    return stated.upper() or None


def modelopt_targets(facts: Config) -> tuple[tuple[str, WeightFormat | None], ...] | Unavailable:
    """Module names and their formats; the many entries of one layer's experts become one."""
    found: dict[str, WeightFormat | None] = {}
    for name, raw in facts.section("quantized_layers").data.items():
        algorithm = str(raw.get("quant_algo", "")).upper() if isinstance(raw, Mapping) else ""
        head, marker, _ = name.partition(".experts.")
        if algorithm not in MODELOPT_ALGORITHMS:
            return Unavailable(f"the ModelOpt algorithm {algorithm[:40] or 'without a name'} is not derived")
        found.setdefault(f"{head}.experts" if marker else name, MODELOPT_ALGORITHMS[algorithm][1])
    return tuple(found.items())


def read_compressed_tensors(section: Config) -> CheckpointQuantization | Unavailable:
    """compressed-tensors: config groups with targets; ``Linear`` is the target of everything."""
    default: WeightFormat | None = None
    targets: list[tuple[str, WeightFormat | None]] = []
    overall = section.text("format")
    groups = section.section("config_groups").data
    if not groups:
        return Unavailable("compressed-tensors without config_groups says nothing of the weights")
    for name in groups:
        group = section.section("config_groups").section(name)
        weight = compressed_tensors_format(group, group.text("format") or overall)
        if isinstance(weight, Unavailable):
            return weight
        for target in strings(group, "targets"):
            if target in {"Linear", "RoutedExperts"}:
                default = weight
            elif not target.endswith("Attention"):
                targets.append((target, weight))
    return CheckpointQuantization(
        "compressed-tensors",
        default,
        tuple(targets),
        strings(section, "ignore"),
        "patterns",
        kv_cache=compressed_tensors_kv_cache(section),
    )


def compressed_tensors_kv_cache(section: Config) -> str | None:
    """``FP8`` where the checkpoint declares an 8-bit float KV cache, by tensor or by head."""
    scheme = section.optional_section("kv_cache_scheme")
    if scheme is None or scheme.optional_integer("num_bits") != 8:
        return None
    return "FP8 by head" if scheme.text("strategy") == "attn_head" else "FP8"


def compressed_tensors_format(group: Config, layout: str) -> WeightFormat | Unavailable:
    """The format of one config group (compressed_tensors.py, ``_get_scheme_from_parts``)."""
    weights = group.section("weights")
    inputs = group.optional_section("input_activations")
    bits = weights.integer("num_bits", default=8)
    strategy = weights.text("strategy", default="tensor")
    size = weights.optional_integer("group_size") or -1
    symmetric = weights.flag("symmetric", default=True)
    static = inputs is not None and not inputs.raw_flag("dynamic")
    if weights.text("type", default="int") == "float":
        return compressed_tensors_float(weights, bits, strategy, size, static=static, has_inputs=inputs is not None)
    if layout == "pack-quantized" and size == -1 and strategy != "channel":
        raise ConfigError(f"config.json: {weights.path}group_size is missing for the strategy {strategy[:20]}")
    if layout == "pack-quantized":
        if bits not in PACKED_BITS:
            return Unavailable(f"compressed-tensors with {bits}-bit packed integers is not derived")
        return WeightFormat("packed-int", bits, "group", size, symmetric, packing="compressed-tensors")
    if bits == 8 and strategy in {"tensor", "channel"}:
        kept: Strategy = "tensor" if strategy == "tensor" else "channel"
        asymmetric = inputs is not None and not inputs.flag("symmetric", default=True)
        return WeightFormat("int8", 8, kept, symmetric=not asymmetric, static=static)
    return Unavailable(f"compressed-tensors with {bits}-bit integers as {layout[:30] or 'no format'} is not derived")


def compressed_tensors_float(
    weights: Config, bits: int, strategy: str, size: int, *, static: bool, has_inputs: bool
) -> WeightFormat | Unavailable:
    """The float formats: NVFP4, MXFP4, MXFP8 and the three layouts of fp8."""
    if bits == 4 and size == 16:
        return WeightFormat("nvfp4", 4, "group", 16, static=has_inputs)
    if bits == 4 and size == 32:
        return MXFP4
    if bits == 8 and strategy == "group" and size == 32:
        return MXFP8
    if bits == 8 and strategy == "block":
        block = weights.integers("block_structure") or (128, 128)
        if len(block) == 2 and 0 not in block:
            return WeightFormat("fp8", 8, "block", block=(block[0], block[1]))
    if bits == 8 and strategy == "channel":
        return WeightFormat("fp8", 8, "channel", static=static)
    if bits == 8 and strategy == "tensor":
        return WeightFormat("fp8", 8, "tensor", static=static)
    return Unavailable(f"compressed-tensors with {bits}-bit floats by {strategy[:20]} is not derived")


def read_quark(section: Config) -> CheckpointQuantization | Unavailable:
    """AMD Quark: one global format and exceptions by layer name."""
    default = quark_format(section.section("global_quant_config").section("weight"), section)
    if isinstance(default, Unavailable):
        return default
    targets = []
    for name in section.section("layer_quant_config").data:
        own = quark_format(section.section("layer_quant_config").section(name).section("weight"), section)
        if isinstance(own, Unavailable):
            return own
        targets.append((name, own))
    return CheckpointQuantization("quark", default, tuple(targets), strings(section, "exclude"), "globs")


def quark_format(weight: Config, section: Config) -> WeightFormat | Unavailable:
    """The format of a Quark weight spec."""
    dtype, scheme = weight.text("dtype"), weight.text("qscheme")
    inputs = section.section("global_quant_config").optional_section("input_tensors")
    static = inputs is not None and not inputs.raw_flag("is_dynamic")
    strategy: Strategy = "channel" if scheme == "per_channel" else "tensor"
    if dtype == "fp4" and scheme == "per_group":
        return MXFP4
    if dtype.startswith("fp8") and scheme in {"per_tensor", "per_channel"}:
        return WeightFormat("fp8", 8, strategy, static=static)
    if dtype == "int8" and scheme in {"per_tensor", "per_channel"}:
        return WeightFormat("int8", 8, strategy, static=static)
    return Unavailable(f"Quark with {dtype[:20]} {scheme[:20]} is not derived")


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "awq": read_awq,
        "gptq": read_gptq,
        "gptq_marlin": read_gptq,
        "awq_marlin": read_awq,
        "auto-round": read_autoround,
        "inc": read_autoround,
        "fp8": read_fp8,
        "deepseek_v4_fp8": read_fp8,
        "fbgemm_fp8": read_fbgemm,
        "mxfp4": read_mxfp4,
        "gpt_oss_mxfp4": read_mxfp4,
        "mxfp8": read_mxfp8,
        "bitsandbytes": read_bitsandbytes,
        "modelopt": read_modelopt,
        "modelopt_fp4": read_modelopt,
        "modelopt_mixed": read_modelopt,
        "modelopt_mxfp8": read_modelopt,
        "compressed-tensors": read_compressed_tensors,
        "quark": read_quark,
    }
)

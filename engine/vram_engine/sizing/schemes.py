"""Which scheme each module of a model is stored in: the checkpoint's quantization, or one applied while loading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from vram_engine.facts.versions import Version
from vram_engine.model.spec import (
    Attention,
    Block,
    CheckpointQuantization,
    Embedding,
    Linear,
    ModelSpec,
    Module,
    RoutedExperts,
    Unavailable,
    WeightFormat,
)
from vram_engine.sizing.budget import Basis
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.names import Names, UnsafePatternError, names_of
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.quantization import (
    INT64,
    BitsAndBytes4,
    Block8,
    Mxfp4,
    Mxfp8,
    Nvfp4,
    Online,
    PackedInt,
    PerChannel8,
    PerTensor8,
    Scheme,
    Unquantized,
)

BLACKWELL = (10, 0)
HOPPER = (9, 0)
# Below, Marlin multiplies 8-bit floats.
NATIVE_FP8 = (8, 9)
FLOAT32 = 4
HALF = 2


@dataclass(frozen=True, slots=True)
class Placed:
    """One module with its block and scheme; a block whose layers differ in scheme appears once for each."""

    block: Block
    module: Module
    scheme: Scheme


@dataclass(frozen=True, slots=True)
class Plan:
    """Every module of a model with its scheme, and what one attention operator holds while loading."""

    modules: tuple[Placed, ...]
    attention: CacheScales
    basis: Basis = "exact"


@dataclass(frozen=True, slots=True)
class CacheScales:
    """Scales that an attention operator holds while a quantized checkpoint is loaded; they are dropped after it.

    ``scalars`` values in the model's dtype, then ``heads`` values in float32 and again in the model's dtype, once or,
    ``by_head``, for each KV head.
    """

    scalars: int = 0
    heads: int = 0
    by_head: bool = False
    latent: bool = False

    def bytes_of(self, operator: Attention, kv_heads: int, element: int) -> int:
        """Bytes beside one attention operator with ``kv_heads`` KV heads on the rank."""
        if operator.latent and not self.latent:
            return 0
        count = kv_heads if self.by_head else 1
        return self.scalars * element + self.heads * count * (FLOAT32 + element)


NO_SCALES = CacheScales()
FOUR_SCALARS = CacheScales(scalars=4)

# Methods applied while loading 16-bit weights, and what they keep (vllm/config/quantization.py, _ONLINE_SHORTHANDS).
ONLINE: Mapping[str, tuple[Scheme, Scheme]] = MappingProxyType(
    {
        "fp8": (PerTensor8(False), PerTensor8(False)),
        "fp8_per_tensor": (PerTensor8(False), PerTensor8(False)),
        "fp8_per_block": (Block8(128, 128, checked=False), Block8(128, 128, checked=False)),
        "fp8_per_channel": (PerChannel8(), PerChannel8()),
        "ptpc_fp8": (PerChannel8(), PerChannel8()),
        "mxfp8": (Mxfp8(), Mxfp8()),
        "mxfp4": (Mxfp4(), Mxfp4()),
        "experts_int8": (Unquantized(), PerChannel8()),
        "int8_per_channel_weight_only": (Unquantized(), PerChannel8()),
        "bitsandbytes": (BitsAndBytes4(), BitsAndBytes4()),
        "nvfp4_per_token": (Unquantized(), Nvfp4(inputs=False, swizzled=True)),
    }
)

# Spellings of --quantization that load a checkpoint of the method (vllm quantization/__init__.py).
SAME_METHOD: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "awq": frozenset({"awq", "awq_marlin", "auto_awq", "marlin", "moe_wna16"}),
        "gptq": frozenset({"gptq", "gptq_marlin", "auto_gptq", "marlin", "moe_wna16"}),
        "inc": frozenset({"inc", "auto-round"}),
        "modelopt_fp4": frozenset({"modelopt_fp4", "modelopt"}),
        "modelopt_mixed": frozenset({"modelopt_mixed", "modelopt"}),
        "modelopt_mxfp8": frozenset({"modelopt_mxfp8", "modelopt"}),
        "mxfp4": frozenset({"mxfp4", "gpt_oss_mxfp4"}),
        "fp8": frozenset({"fp8", "deepseek_v4_fp8"}),
    }
)

# Methods whose bytes are known from measured models, not from the code that allocates them.
BASES: Mapping[str, Basis] = MappingProxyType({"bitsandbytes": "measured"})

# First versions without a method (the wheels' own registries).
REMOVED: Mapping[str, Version] = MappingProxyType(
    {
        "bitsandbytes": Version(0, 28, 0),
        "ptpc_fp8": Version(0, 20, 0),
    }
)


# The first version whose kernels no longer take weights in the order of their activations (gptq_utils.py).
NO_ACT_ORDER = Version(0, 32, 0)


def plan(spec: ModelSpec, args: EngineArgs, gpu_capability: tuple[int, int]) -> Plan | Refusal | Unavailable:
    """The scheme of every module under these arguments."""
    requested = args.quantization.lower() if args.quantization else None
    stored = spec.quantization
    method = stored.method if stored is not None else requested
    if method is not None and method in REMOVED and args.vllm_version >= REMOVED[method]:
        # A plug-in may bring it still; that a release is without it is said beside the verdict, where it is stated.
        return Unavailable(f"the quantization method {method} is not derived for vLLM {args.vllm_version}")
    if stored is not None and requested not in {None, stored.method, *SAME_METHOD.get(stored.method, ())}:
        return Refusal(
            f"Quantization method specified in the model config ({stored.method}) does not match the quantization "
            f"method specified in the `quantization` argument ({requested})."
        )
    if args.vllm_version >= NO_ACT_ORDER and stored is not None and _is_act_ordered(stored):
        return Refusal("GPTQ group activation ordering (desc_act=True) is no longer supported.")
    try:
        return _plan(spec.modules, spec.renames, stored, requested, gpu_capability, _expert_width(args, gpu_capability))
    except UnsafePatternError as unsafe:
        return Unavailable(str(unsafe))


def _expert_width(args: EngineArgs, capability: tuple[int, int]) -> int:
    """What the width of 16-bit experts is rounded up to: Blackwell's kernels ask for it, those for adapters do not."""
    return 128 if capability[:1] == BLACKWELL[:1] and not args.enable_lora else 1


def _is_act_ordered(stored: CheckpointQuantization) -> bool:
    formats = (stored.default, *(weight for _, weight in stored.targets))
    return any(weight is not None and weight.act_order and weight.group_size != -1 for weight in formats)


@lru_cache(maxsize=128)
def _plan(
    blocks: tuple[Block, ...],
    renames: tuple[tuple[str, str], ...],
    stored: CheckpointQuantization | None,
    requested: str | None,
    capability: tuple[int, int],
    expert_width: int,
) -> Plan | Refusal | Unavailable:
    plain = Unquantized(expert_width)
    if stored is None:
        return _online(blocks, requested, plain)
    names = names_of(stored, renames)
    chosen: list[Placed] = []
    for block in blocks:
        for module in block.modules:
            placed = _place(block, module, stored, names, plain, capability)
            if not isinstance(placed, list):
                return placed
            chosen.extend(placed)
    return Plan(tuple(chosen), cache_scales(stored), BASES.get(stored.method, "exact"))


def _online(blocks: tuple[Block, ...], requested: str | None, plain: Scheme) -> Plan | Refusal | Unavailable:
    if requested is None:
        return Plan(tuple(Placed(block, module, plain) for block in blocks for module in block.modules), NO_SCALES)
    if requested not in ONLINE:
        return _not_online(requested)
    linear, experts = ONLINE[requested]
    online = Online(linear, experts)
    return Plan(
        tuple(
            Placed(block, module, online if isinstance(module, Linear | RoutedExperts) and module.quantized else plain)
            for block in blocks
            for module in block.modules
        ),
        NO_SCALES,
        BASES.get(requested, "exact"),
    )


def _not_online(requested: str) -> Refusal | Unavailable:
    if requested in {"awq", "awq_marlin", "gptq", "gptq_marlin", "compressed-tensors", "modelopt", "modelopt_fp4"}:
        return Refusal(f"--quantization {requested} needs a checkpoint that has been quantized so; this one is not.")
    return Unavailable(f"the quantization method {requested[:40]} is not derived")


def _place(
    block: Block,
    module: Module,
    stored: CheckpointQuantization,
    names: Names,
    plain: Scheme,
    capability: tuple[int, int],
) -> list[Placed] | Refusal | Unavailable:
    if not _may_be_quantized(module, stored):
        return [Placed(block, module, plain)]
    layers = block.layers or (0,)
    by_format: dict[WeightFormat | None, list[int]] = {}
    for layer in layers:
        found = _format(block.prefix.replace("{}", str(layer)), module, names)
        if isinstance(found, Refusal):
            return found
        by_format.setdefault(found, []).append(layer)
    placed = []
    for weight, members in by_format.items():
        scheme = plain if weight is None else scheme_of(weight, capability)
        if isinstance(scheme, Unavailable | Refusal):
            return scheme
        part = block if len(by_format) == 1 else replace(block, layers=tuple(members))
        placed.append(Placed(part, module, scheme))
    return placed


def _may_be_quantized(module: Module, stored: CheckpointQuantization) -> bool:
    if isinstance(module, RoutedExperts):
        return module.quantized
    if isinstance(module, Linear):
        # Checkpoints of the integer methods leave towers and routers alone without always saying so.
        spared = stored.method in {"awq", "gptq", "inc", "bitsandbytes"} and module.kind in {"tower", "router"}
        return module.quantized and not stored.experts_only and not spared
    if isinstance(module, Embedding) and module.head:
        return stored.lm_head or stored.matching == "patterns"
    return False


def _format(prefix: str, module: Module, names: Names) -> WeightFormat | Refusal | None:
    if isinstance(module, RoutedExperts):
        return names.experts(prefix + module.name, module.parts)
    if isinstance(module, Embedding):
        return names.head(prefix + module.name)
    assert isinstance(module, Linear)
    parts = tuple(part.name for part in module.parts if part.name)
    return names.linear(prefix + module.name, tuple(dict.fromkeys(parts)))


def cache_scales(stored: CheckpointQuantization) -> CacheScales:
    """What the method's KV cache part registers on each attention operator."""
    if stored.method == "compressed-tensors":
        return CacheScales(heads=3, by_head=stored.kv_cache == "FP8 by head")
    if stored.method == "modelopt_mixed":
        return FOUR_SCALARS if stored.kv_cache else NO_SCALES
    if stored.method.startswith("modelopt") or stored.method == "mxfp8":
        return replace(FOUR_SCALARS, latent=True)
    return FOUR_SCALARS if stored.method in {"fp8", "quark"} else NO_SCALES


def scheme_of(weight: WeightFormat, capability: tuple[int, int]) -> Scheme | Unavailable | Refusal:
    """The scheme that stores weights in this format on a GPU of this compute capability."""
    return SCHEMES[weight.storage](weight, capability)


def _packed_int(weight: WeightFormat, _: tuple[int, int]) -> Scheme | Refusal:
    if weight.packing == "awq":
        if weight.bits != 4:
            return Refusal(f"AWQ with {weight.bits} bits is not supported, only 4.")
        return PackedInt(4, weight.group_size, "kept", finer_experts=True)
    if weight.packing == "gptq":
        if (weight.bits, weight.symmetric) not in {(4, True), (8, True)}:
            return Refusal(f"Unsupported quantization config: bits={weight.bits}, sym={weight.symmetric}")
        return PackedInt(weight.bits, weight.group_size, "loading", expert_bias=True, finer_experts=True)
    zeros = "none" if weight.symmetric else "kept"
    return PackedInt(weight.bits, weight.group_size, zeros, shape=2 * INT64, expert_shape=4)


def _fp8(weight: WeightFormat, capability: tuple[int, int]) -> Scheme:
    if weight.strategy == "block" and weight.block is not None:
        by_exponent = weight.packing == "e8m0"
        return Block8(
            *weight.block,
            1 if by_exponent else FLOAT32,
            fused_may_cut=weight.packing in {"fp8", "e8m0"},
            row_scale_bytes=0 if by_exponent or capability >= NATIVE_FP8 else HALF,
        )
    if weight.strategy == "channel":
        return PerChannel8(static_experts=weight.static)
    return PerTensor8(weight.static)


def _int8(weight: WeightFormat, _: tuple[int, int]) -> Scheme:
    static_bytes = (FLOAT32 + (0 if weight.symmetric else 1)) if weight.static else 0
    if weight.strategy == "channel":
        return PerChannel8(static_bytes, static_experts=weight.static)
    return PerTensor8(weight.static, input_scales=1)


def _nvfp4(weight: WeightFormat, capability: tuple[int, int]) -> Scheme:
    by_modelopt = weight.packing == "modelopt"
    idle = by_modelopt and not weight.static
    return Nvfp4(weight.group_size, weight.static, capability >= BLACKWELL, idle, by_modelopt)


def _mxfp4(weight: WeightFormat, capability: tuple[int, int]) -> Scheme:
    # Triton's kernels, chosen for gpt-oss on Hopper, take widths in steps of 64; TRTLLM on Blackwell and Marlin want
    # larger tiles (fused_moe/oracle/mxfp4.py, mxfp4_round_up_hidden_size_and_intermediate_size).
    by_triton = weight.packing == "gpt-oss" and capability[0] == HOPPER[0]
    return Mxfp4(64, 1) if by_triton else Mxfp4(128, 256)


def _mxfp8(_: WeightFormat, __: tuple[int, int]) -> Scheme:
    return Mxfp8()


def _bitsandbytes(weight: WeightFormat, _: tuple[int, int]) -> Scheme:
    return BitsAndBytes4() if weight.bits == 4 else PerChannel8()


SCHEMES: Mapping[str, Callable[[WeightFormat, tuple[int, int]], Scheme | Unavailable | Refusal]] = MappingProxyType(
    {
        "packed-int": _packed_int,
        "fp8": _fp8,
        "int8": _int8,
        "nvfp4": _nvfp4,
        "mxfp4": _mxfp4,
        "mxfp8": _mxfp8,
        "bnb4": _bitsandbytes,
        "bnb8": _bitsandbytes,
    }
)

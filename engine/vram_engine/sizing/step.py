"""What one step of the engine reads and computes on one rank: the weights it touches, KV cache, and products.

The counterpart of ``weights``, which says what stays on a rank: here an embedding table is not read, an expert only
when a token of the step chooses it, an output head for each sampled token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from vram_engine.hardware import Gpu
from vram_engine.model.caches import MLA, FullAttention, Mamba, SlidingWindow
from vram_engine.model.spec import Block, Embedding, Linear, ModelSpec, Module, RoutedExperts, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import KvLayout
from vram_engine.sizing.kv_specs import CacheSpec, ChunkedLocalSpec, CrossAttentionSpec, MambaSpec, SlidingWindowSpec
from vram_engine.sizing.parallelism import Refusal, local_units, padded_vocab
from vram_engine.sizing.quantization import (
    Block8,
    Mxfp4,
    Mxfp8,
    Nvfp4,
    Online,
    PerChannel8,
    PerTensor8,
    Scheme,
    Unquantized,
)
from vram_engine.sizing.schemes import Placed, Plan, plan
from vram_engine.sizing.weights import Share, model_dtype, module_bytes, module_kind, share_of

# How the operands of a product meet: in 16, 8 or 4 bits both, or small weights expanded to 16 bits in the kernel.
Arithmetic = Literal["16-bit", "8-bit", "4-bit", "weight-only"]

# What stands in for an unknown compute capability, as for the weights themselves.
ANY_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class Routed:
    """The routed experts of a model on one rank: bytes of all of them, how many there are, how many a token takes.

    ``replicas`` is how many data-parallel ranks send tokens to the same experts.
    """

    bytes: int
    count: int
    per_token: int
    replicas: int

    def touched(self, tokens: float, skew: float) -> float:
        """Bytes of the experts that ``tokens`` tokens choose; ``skew`` below 1 for tokens that choose alike."""
        missed = 1 - min(self.per_token, self.count) / self.count
        return self.bytes * (1.0 - float(missed ** ((tokens * self.replicas) ** skew)))


@dataclass(frozen=True, slots=True)
class Step:
    """One rank's part of a step, all pipeline stages together.

    ``weights_bytes`` are read whole in every step, head included. ``products`` and ``expert_products`` are
    floating-point operations per token by arithmetic, ``head_product`` those of one sampled token,
    ``attention_products`` pairs of a window (``None``: all tokens) and operations per token and token of context.
    """

    weights_bytes: int
    routed: Routed | None
    products: Mapping[Arithmetic, float]
    expert_products: Mapping[Arithmetic, float]
    head_product: float
    attention_products: tuple[tuple[int | None, float], ...]
    layers: int
    expert_layers: int
    latent_layers: int
    state_layers: int

    def attention(self, context: float) -> float:
        """Operations of one token's attention over ``context`` tokens."""
        return sum(
            each * (context if window is None else min(window, context)) for window, each in self.attention_products
        )


def step(spec: ModelSpec, args: EngineArgs, gpu: Gpu) -> Step | Refusal | Unavailable:
    """What a step of ``spec`` under ``args`` costs a rank; a refusal or a reason where the weights have one."""
    capability = gpu.capability or ANY_CAPABILITY
    dtype = model_dtype(spec, args, capability)
    chosen = plan(spec, args, capability)
    if isinstance(dtype, Refusal):
        return dtype
    if not isinstance(chosen, Plan):
        return chosen
    count = _Count(spec, gpu, share_of(spec, args, dtype, chosen))
    refusal = count.all()
    return count.result() if refusal is None else refusal


class _Count:
    """The sums over a model's modules while they are walked."""

    def __init__(self, spec: ModelSpec, gpu: Gpu, share: Share) -> None:
        self.spec, self.gpu, self.share, self.args = spec, gpu, share, share.args
        self.weights = self.experts = self.expert_layers = self.count = 0
        self.head = 0.0
        self.products: dict[Arithmetic, float] = {}
        self.expert_products: dict[Arithmetic, float] = {}

    def all(self) -> Refusal | None:
        """Walk every module that a decoding step runs; towers stand idle, a tied table is the same tensor again."""
        for placed in self.share.chosen.modules:
            if placed.block.place != "tied" and module_kind(placed.module) != "tower":
                refusal = self._add(placed, _copies(placed.block))
                if refusal is not None:
                    return refusal
        return None

    def _add(self, placed: Placed, copies: int) -> Refusal | None:
        module = placed.module
        if module_kind(module) == "embedding" and not self._is_head(module):
            return None
        stored = module_bytes(placed, self.share)
        if isinstance(stored, Refusal):
            return stored
        if isinstance(module, RoutedExperts):
            self.experts += stored.resident * copies
            self._add_experts(module, placed.scheme, copies)
            return None
        self.weights += stored.resident * copies
        if isinstance(module, Embedding):
            self.head += 2 * padded_vocab(module.vocab) * module.hidden / self.args.tensor_parallel_size
        if isinstance(module, Linear):
            arithmetic = arithmetic_of(placed.scheme, self.gpu)
            done = self.products.get(arithmetic, 0.0)
            self.products[arithmetic] = done + copies * _operations(module, self.share.ranks(module))
        return None

    def _is_head(self, module: Module) -> bool:
        """An output head, or the table of a model whose embeddings serve as one."""
        spec = self.spec
        if not isinstance(module, Embedding):
            return False
        tied = spec.tie_word_embeddings and (module.vocab, module.hidden) == (spec.vocab_size, spec.hidden_size)
        return module.head or tied

    def _add_experts(self, module: RoutedExperts, scheme: Scheme, copies: int) -> None:
        per_token = self.spec.experts.per_token if self.spec.experts is not None else 1
        matrices = 3 if module.gated else 2
        shared = self.args.tensor_parallel_size
        self.expert_layers, self.count = self.expert_layers + copies, module.count
        arithmetic = arithmetic_of(scheme, self.gpu)
        done = self.expert_products.get(arithmetic, 0.0)
        operations = 2 * per_token * matrices * module.width * module.hidden / shared
        self.expert_products[arithmetic] = done + copies * operations

    def result(self) -> Step:
        """The sums as a value."""
        caches = self.spec.caches
        per_token = self.spec.experts.per_token if self.spec.experts is not None else 1
        routed = Routed(self.experts, self.count, per_token, self.args.data_parallel_size) if self.count > 0 else None
        return Step(
            weights_bytes=self.weights,
            routed=routed,
            products=self.products,
            expert_products=self.expert_products,
            head_product=self.head,
            attention_products=tuple(_attention(self.spec, self.args.tensor_parallel_size)),
            layers=self.spec.num_layers,
            expert_layers=self.expert_layers,
            latent_layers=sum(len(cache.layers) for cache in caches if isinstance(cache, MLA)),
            state_layers=sum(len(cache.layers) for cache in caches if isinstance(cache, Mamba)),
        )


def _copies(block: Block) -> int:
    return len(block.layers) if block.place == "layers" else 1


def _operations(module: Linear, ranks: int) -> float:
    """Operations of one token's product on one rank; a part that ranks cannot share is done by each."""
    ranks = 1 if module.even % ranks else ranks
    rows = 0
    for part in module.parts:
        units = local_units(part, ranks if module.split == "column" else 1)
        rows += (part.units if isinstance(units, Refusal) else units) * part.width
    cols = module.cols / (ranks if module.split == "row" else 1)
    return 2.0 * rows * cols * module.replicas


def _attention(spec: ModelSpec, ranks: int) -> Iterator[tuple[int | None, float]]:
    """For each kind of attention its window and the operations per token and token of context."""
    heads = spec.num_attention_heads / ranks
    for cache in spec.caches:
        if isinstance(cache, FullAttention):
            yield None, 2 * len(cache.layers) * heads * (cache.head_size + cache.head_size_v)
        elif isinstance(cache, SlidingWindow):
            yield cache.window, 2 * len(cache.layers) * heads * (cache.head_size + cache.head_size_v)
        elif isinstance(cache, MLA):
            yield None, 2 * len(cache.layers) * heads * (2 * cache.qk_nope_head_dim + cache.qk_rope_head_dim)


def arithmetic_of(scheme: Scheme, gpu: Gpu) -> Arithmetic:
    """How a GPU multiplies weights of this scheme."""
    if isinstance(scheme, Online):
        return arithmetic_of(scheme.kept_linear, gpu)
    if isinstance(scheme, Unquantized | Mxfp4):
        # Triton's kernels expand MXFP4 for the GPU's own 16-bit instructions.
        return "16-bit"
    if isinstance(scheme, PerTensor8 | PerChannel8 | Block8 | Mxfp8):
        return "8-bit" if gpu.native_fp8 and gpu.tflops_fp8 is not None else "weight-only"
    if isinstance(scheme, Nvfp4):
        return "4-bit" if gpu.native_fp4 and gpu.tflops_fp4 is not None else "weight-only"
    return "weight-only"


def kv_bytes(layout: KvLayout, context: float) -> float:
    """Bytes of KV cache one rank reads to decode a token of a request that has ``context`` tokens."""
    return sum(
        len(member.layers) * _read(member.spec, context, layout.limits.encoder_tokens)
        for group in layout.groups
        for member in group.members
    )


def _read(spec: CacheSpec, context: float, encoder_tokens: int) -> float:
    per_token = spec.page_bytes / spec.block_size
    if isinstance(spec, MambaSpec):
        # A state is read and written back.
        return 2.0 * spec.page_bytes
    if isinstance(spec, SlidingWindowSpec):
        return per_token * min(spec.window, context)
    if isinstance(spec, ChunkedLocalSpec):
        return per_token * min(spec.chunk, context)
    if isinstance(spec, CrossAttentionSpec):
        return per_token * encoder_tokens
    return per_token * context

"""The kinds of cache a layer may keep, as facts of the model: no tensor parallelism, no block, no cache dtype yet.

One value stands for all layers that are alike: ``layers`` holds their indices in order, so that pipeline stages can
be cut. A layer that keeps two caches appears in two values. ``sizing.kv_cache`` turns them into pages and blocks.
The nouns are those of ``vllm/v1/kv_cache_interface.py`` and ``vllm/model_executor/layers/mamba/mamba_utils.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class LayerCache:
    """What some layers of a model keep per request."""

    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FullAttention(LayerCache):
    """Keys and values of every token. ``head_size_v`` differs from ``head_size`` in a few models only.

    ``native`` caches stay in the model's dtype, whatever ``--kv-cache-dtype`` says.
    """

    kv_heads: int
    head_size: int
    head_size_v: int
    native: bool = False


@dataclass(frozen=True, slots=True)
class SlidingWindow(LayerCache):
    """Keys and values of the last ``window`` tokens.

    A ``fixed`` window is not read from ``sliding_window``, so that ``--disable-sliding-window`` does not lift it.
    """

    kv_heads: int
    head_size: int
    head_size_v: int
    window: int
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class ChunkedLocal(LayerCache):
    """Keys and values of the current chunk of ``chunk`` tokens."""

    kv_heads: int
    head_size: int
    chunk: int


@dataclass(frozen=True, slots=True)
class CrossAttention(LayerCache):
    """Keys and values of the encoder's output, ``encoder_tokens`` of them at most."""

    kv_heads: int
    head_size: int
    encoder_tokens: int


@dataclass(frozen=True, slots=True)
class MLA(LayerCache):
    """One latent vector of ``head_size`` per token, whole on every rank.

    ``sparse`` layers read the tokens an indexer picks. ``qk_nope_head_dim`` and ``qk_rope_head_dim`` decide which
    attention backends can run it.
    """

    head_size: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    sparse: bool


@dataclass(frozen=True, slots=True)
class Indexer(LayerCache):
    """The keys by which a sparse layer picks tokens: ``token_bytes`` per token, scales included."""

    token_bytes: int


@dataclass(frozen=True, slots=True)
class BlockIndexer(LayerCache):
    """MiniMax-M3: one key of ``head_size`` 16-bit values per token, by which a layer picks blocks of tokens."""

    head_size: int


@dataclass(frozen=True, slots=True)
class CompressedMLA(LayerCache):
    """DeepSeek V4: one latent of ``head_size`` per ``ratio`` tokens."""

    head_size: int
    ratio: int


@dataclass(frozen=True, slots=True)
class CompressedIndexer(LayerCache):
    """DeepSeek V4: an indexer's keys, one entry of ``token_bytes`` per ``ratio`` tokens."""

    token_bytes: int
    ratio: int


@dataclass(frozen=True, slots=True)
class WindowedMLA(LayerCache):
    """DeepSeek V4: latents of the last ``window`` tokens, beside the compressed ones."""

    head_size: int
    window: int


@dataclass(frozen=True, slots=True)
class CompressorState(LayerCache):
    """DeepSeek V4: a ring of float32 states from which the next compressed entry is made."""

    state_dim: int
    ratio: int


class StateTensor(NamedTuple):
    """A tensor of one request's state on one rank; ``dtype`` ``None`` is the model's own."""

    elements: int
    dtype: str | None


@dataclass(frozen=True, slots=True)
class Mamba(LayerCache):
    """A state of fixed size instead of a cache that grows."""

    def state(self, tp: int, drafted: int = 0) -> tuple[StateTensor, ...]:
        """The tensors of the state on one of ``tp`` ranks.

        With ``drafted`` tokens a step, most convolutions keep as many more positions.
        """
        raise NotImplementedError

    def divides(self, tp: int) -> bool:
        """Whether ``tp`` ranks can share the state; vLLM refuses what does not divide evenly."""
        raise NotImplementedError

    @property
    def exports_checkpoints(self) -> bool:
        """Whether a prefill may leave one more state behind for prefix caching, in a block of its own."""
        return False

    @property
    def every_block(self) -> int | None:
        """Tokens of one chunk of the scan where prefix caching can keep the state of every block, else ``None``."""
        return None


@dataclass(frozen=True, slots=True)
class Mamba1(Mamba):
    """Selective state space of Mamba: convolution tail and ``state_size`` values per channel."""

    intermediate_size: int
    state_size: int
    conv_kernel: int
    ssm_dtype: str | None = None

    @property
    def every_block(self) -> int | None:
        """Mamba keeps states at the ends of blocks; it has no chunks, and vLLM takes 2048 tokens for one."""
        return 2048

    def state(self, tp: int, drafted: int = 0) -> tuple[StateTensor, ...]:
        """``mamba1_state_shape``: channels are divided over ranks; nothing is kept of drafts."""
        del drafted
        channels = self.intermediate_size // tp
        conv = (self.conv_kernel - 1) * channels
        return StateTensor(conv, None), StateTensor(channels * self.state_size, self.ssm_dtype)

    def divides(self, tp: int) -> bool:
        """Channels are shared."""
        return self.intermediate_size % tp == 0


@dataclass(frozen=True, slots=True)
class Mamba2(Mamba):
    """Selective state space of Mamba 2, by heads and groups."""

    intermediate_size: int
    num_heads: int
    head_dim: int
    n_groups: int
    state_size: int
    conv_kernel: int
    ssm_dtype: str | None = None
    chunk_size: int = 256

    @property
    def every_block(self) -> int | None:
        """Mamba 2 keeps states at the ends of blocks of whole chunks."""
        return self.chunk_size

    def state(self, tp: int, drafted: int = 0) -> tuple[StateTensor, ...]:
        """``mamba2_state_shape``: heads are divided; groups too few to divide are first raised to one per rank."""
        groups = self.n_groups if self.n_groups % tp == 0 else tp
        conv = (self.conv_kernel - 1 + drafted) * ((self.intermediate_size + 2 * groups * self.state_size) // tp)
        ssm = self.num_heads // tp * self.head_dim * self.state_size
        return StateTensor(conv, None), StateTensor(ssm, self.ssm_dtype)

    def divides(self, tp: int) -> bool:
        """Heads are shared, and groups unless there is but one (``MambaMixer2.__init__``)."""
        grouped = self.n_groups % tp == 0 or self.n_groups == 1
        return grouped and self.num_heads % tp == 0 and self.intermediate_size % tp == 0

    @property
    def exports_checkpoints(self) -> bool:
        """``MambaMixer2.get_kv_cache_spec`` asks for one prefill checkpoint block."""
        return True


@dataclass(frozen=True, slots=True)
class GatedDeltaNet(Mamba):
    """Linear attention with gated delta rule (Qwen3-Next and later)."""

    num_k_heads: int
    num_v_heads: int
    head_k_dim: int
    head_v_dim: int
    conv_kernel: int
    ssm_dtype: str | None = None

    def state(self, tp: int, drafted: int = 0) -> tuple[StateTensor, ...]:
        """``gated_delta_net_state_shape``: both head counts are divided."""
        channels = 2 * self.num_k_heads * self.head_k_dim + self.num_v_heads * self.head_v_dim
        conv = (self.conv_kernel - 1 + drafted) * (channels // tp)
        recurrent = self.num_v_heads // tp * self.head_v_dim * self.head_k_dim
        return StateTensor(conv, None), StateTensor(recurrent, self.ssm_dtype)

    def divides(self, tp: int) -> bool:
        """Key heads and value heads are shared."""
        return self.num_k_heads % tp == 0 and self.num_v_heads % tp == 0


@dataclass(frozen=True, slots=True)
class KimiDeltaAttention(Mamba):
    """Kimi's linear attention: a square float32 state per head."""

    num_heads: int
    head_dim: int
    conv_kernel: int

    def state(self, tp: int, drafted: int = 0) -> tuple[StateTensor, ...]:
        """``kda_state_shape`` with as many key heads as value heads."""
        conv = (self.conv_kernel - 1 + drafted) * (3 * self.num_heads * self.head_dim // tp)
        recurrent = self.num_heads // tp * self.head_dim * self.head_dim
        return StateTensor(conv, None), StateTensor(recurrent, "float32")

    def divides(self, tp: int) -> bool:
        """Heads are shared."""
        return self.num_heads % tp == 0


@dataclass(frozen=True, slots=True)
class ShortConv(Mamba):
    """Short convolution (LFM2): only the tail of the convolution."""

    dim: int
    conv_kernel: int

    def state(self, tp: int, drafted: int = 0) -> tuple[StateTensor, ...]:
        """``short_conv_state_shape``: channels are divided."""
        return (StateTensor((self.conv_kernel - 1 + drafted) * (self.dim // tp), None),)

    def divides(self, tp: int) -> bool:
        """Channels are shared."""
        return self.dim % tp == 0


@dataclass(frozen=True, slots=True)
class LinearAttention(Mamba):
    """Lightning attention (MiniMax, Bailing): a square state per head."""

    num_heads: int
    head_dim: int
    ssm_dtype: str | None = None

    def state(self, tp: int, drafted: int = 0) -> tuple[StateTensor, ...]:
        """``linear_attention_state_shape``: heads are divided; nothing is kept of drafts."""
        del drafted
        return (StateTensor(self.num_heads // tp * self.head_dim * self.head_dim, self.ssm_dtype),)

    def divides(self, tp: int) -> bool:
        """Heads are shared."""
        return self.num_heads % tp == 0

"""What one layer's cache costs on one rank: the bytes of a page, and the blocks a request takes.

One small class per kind of attention, as in ``vllm/v1/kv_cache_interface.py``. A page is one layer's part of a block.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What bounds the blocks of one request: its longest length, and the tokens the scheduler may have in flight."""

    max_model_len: int
    in_flight_tokens: int
    encoder_tokens: int
    decode_context_parallel_size: int


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """Blocks of ``block_size`` tokens, ``page_bytes`` each on this rank.

    ``content`` is what else must agree before vLLM treats two layers as one: heads, head sizes, format.
    """

    block_size: int
    page_bytes: int
    content: tuple[object, ...]

    def blocks(self, limits: RequestLimits) -> int:
        """Blocks one request of the longest length holds at most (``max_memory_usage_bytes``)."""
        raise NotImplementedError

    @property
    def uniform_key(self) -> tuple[object, ...]:
        """Layers with equal keys need the same token slots, whatever their page sizes (``is_uniform_type``)."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class FullAttentionSpec(CacheSpec):
    """Every token is kept; decode context parallelism spreads them over its ranks."""

    def blocks(self, limits: RequestLimits) -> int:
        """Blocks of the whole sequence."""
        return ceil_div(ceil_div(limits.max_model_len, limits.decode_context_parallel_size), self.block_size)

    @property
    def uniform_key(self) -> tuple[object, ...]:
        """All full attention goes together, latent or not."""
        return "full", self.block_size


@dataclass(frozen=True, slots=True)
class LatentSpec(FullAttentionSpec):
    """MLA: like full attention, but its page can be padded only in whole tokens."""


@dataclass(frozen=True, slots=True)
class SlidingWindowSpec(CacheSpec):
    """The last ``window`` tokens and those in flight, plus one block as a window may start inside a block."""

    window: int

    def blocks(self, limits: RequestLimits) -> int:
        """Blocks held while a prefill runs."""
        tokens = min(self.window - 1 + limits.in_flight_tokens, limits.max_model_len)
        return ceil_div(tokens, self.block_size) + 1

    @property
    def uniform_key(self) -> tuple[object, ...]:
        """Windows of one size go together."""
        return "sliding", self.block_size, self.window


@dataclass(frozen=True, slots=True)
class ChunkedLocalSpec(CacheSpec):
    """The current chunk and the tokens in flight."""

    chunk: int

    def blocks(self, limits: RequestLimits) -> int:
        """Blocks held while a prefill runs."""
        return ceil_div(min(self.chunk + limits.in_flight_tokens, limits.max_model_len), self.block_size)

    @property
    def uniform_key(self) -> tuple[object, ...]:
        """Chunks of one size go together."""
        return "chunked", self.block_size, self.chunk


@dataclass(frozen=True, slots=True)
class CrossAttentionSpec(CacheSpec):
    """The encoder's output, as long as the encoder budget allows."""

    def blocks(self, limits: RequestLimits) -> int:
        """Blocks of the longest encoder input."""
        return ceil_div(limits.encoder_tokens, self.block_size)

    @property
    def uniform_key(self) -> tuple[object, ...]:
        """Cross attention goes with its like."""
        return "cross", self.block_size


@dataclass(frozen=True, slots=True)
class MambaSpec(CacheSpec):
    """A state per request: ``states`` blocks of it, whatever the length."""

    states: int

    def blocks(self, limits: RequestLimits) -> int:
        """The states alive at once."""
        del limits
        return self.states

    @property
    def uniform_key(self) -> tuple[object, ...]:
        """States of one page size go together."""
        return "mamba", self.block_size, self.page_bytes, self.states


@dataclass(frozen=True, slots=True)
class EveryStateSpec(MambaSpec):
    """States kept at the end of every block, for prefix caching in mode "all", and ``states`` of drafts."""

    def blocks(self, limits: RequestLimits) -> int:
        """One state per block of the longest sequence, and those of drafts."""
        return ceil_div(limits.max_model_len, self.block_size) + self.states


def ceil_div(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)

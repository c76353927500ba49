"""What is recalled of earlier sizings: most keys that are typed change nothing that the weights depend on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from vram_engine.sizing.engine_args import EngineArgs

T = TypeVar("T")

# Several models with a dozen sets of arguments each; an answer is a few kilobytes.
REMEMBERED = 64


@dataclass(frozen=True, slots=True, eq=False)
class Same(Generic[T]):
    """A model as part of a key: equal only to itself, as comparing two of a thousand modules costs more than sizing.

    A cache that holds the key keeps the model alive, so that no other one can take its identity.
    """

    value: T

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def about_weights(args: EngineArgs) -> EngineArgs:
    """The arguments without those that come after loading: lengths, batches, the share of the GPU, the KV cache.

    Weights are computed from what this returns, so that a key made of it covers all they can depend on.
    """
    return replace(
        args,
        kv_cache_dtype="auto",
        max_model_len=None,
        block_size=None,
        max_num_seqs=None,
        max_num_batched_tokens=None,
        enable_chunked_prefill=None,
        enable_prefix_caching=None,
        enforce_eager=False,
        gpu_memory_utilization=None,
        kv_cache_memory_bytes=None,
        num_gpu_blocks_override=None,
    )

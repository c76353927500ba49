"""What engines that share a GPU leave of it to the one that starts last."""

from __future__ import annotations

from vram_engine.deployment import Deployment, Peer
from vram_engine.feasibility import SMALLEST_CONTEXT
from vram_engine.model.spec import Unavailable


def awake_peers(deployment: Deployment) -> tuple[Peer, ...]:
    """The engines that hold their memory while this one starts; none where any of them, or it, can sleep."""
    asleep = deployment.is_on("enable-sleep-mode") or any(peer.may_sleep for peer in deployment.peers)
    return () if asleep else deployment.peers


def free_at_start(deployment: Deployment, gpu_bytes: int) -> int | Unavailable | None:
    """Bytes of a GPU that are free when an engine starts behind its peers; None where nothing says how many.

    vLLM compares them with its share of the whole GPU (vllm/v1/worker/utils.py, ``request_memory``). Each peer holds
    the share it asks for, and this engine's own CUDA context is there before it looks.
    """
    said = deployment.integer("free-memory-bytes")
    peers = awake_peers(deployment)
    if said is not None or not peers:
        return said
    shares = [peer.utilization for peer in peers]
    unknown = [peer.name for peer in peers if peer.utilization is None]
    if unknown:
        return Unavailable(f"how much of the GPU {unknown[0]} takes beside it cannot be told")
    taken = sum(round(gpu_bytes * share) for share in shares if share is not None)
    return max(gpu_bytes - taken - SMALLEST_CONTEXT, 0)


def is_short_because_of_peers(deployment: Deployment, condition: str | None) -> bool:
    """Whether it is what the peers hold that is missing when ``condition`` says that too little is free."""
    told = deployment.integer("free-memory-bytes") is not None
    return condition == "free-memory-below-target" and not told and bool(awake_peers(deployment))

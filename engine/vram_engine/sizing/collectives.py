"""How long the ranks of a tensor-parallel group take to add up their parts: two all-reduces a layer.

vLLM's own all-reduce runs over NVLink and, for two ranks, over PCIe; otherwise NCCL's rings do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vram_engine.facts.performance import Pace, figure
from vram_engine.hardware import Gpu
from vram_engine.sizing.non_torch import meshed

Link = Literal["mesh", "fabric", "pcie", "network"]

PER_LAYER = 2
# AMD's architectures of Instinct cards, which Infinity Fabric joins; its Radeon cards have PCIe alone.
_FABRIC = "cdna"
_PCIE5 = frozenset({"blackwell", "hopper", "rdna4"})
# The product line whose drivers do not let one GPU address another.
_WITHOUT_PEERS = "GeForce"
LINK_WORDS = {"mesh": "NVLink", "fabric": "Infinity Fabric", "pcie": "PCIe", "network": "a network between machines"}


@dataclass(frozen=True, slots=True)
class Collective:
    """An all-reduce between ``ranks``: its time when small in microseconds, and the GB/s (1e9) a large one moves."""

    ranks: int
    small_us: float
    gbs: float

    def milliseconds(self, size: float) -> float:
        """Time to add up ``size`` bytes over all ranks; a ring moves each byte 2 (n - 1) / n times."""
        if self.ranks == 1:
            return 0.0
        return self.small_us / 1e3 + 2 * (self.ranks - 1) / self.ranks * size / self.gbs / 1e6


def link_between(gpu: Gpu, *, stated: str | None, machines: int) -> Link:
    """What joins the GPUs of one engine; ``stated`` is what the deployment says of it (``pcie`` or ``nvlink``)."""
    if machines > 1 or gpu.unified_memory:
        # Every machine with unified memory has one GPU.
        return "network"
    if stated == "pcie":
        return "pcie"
    if gpu.architecture is not None and gpu.architecture.startswith(_FABRIC):
        return "fabric"
    return "mesh" if meshed(gpu) else "pcie"


def collective(gpu: Gpu, link: Link, ranks: int, pace: Pace) -> Collective:
    """An all-reduce of ``ranks`` over ``link`` at a pace."""
    if link == "mesh":
        gbs = (gpu.nvlink_gbs or 0) * figure("mesh_share", pace)
        return Collective(ranks, figure("all_reduce_mesh_us", pace), gbs)
    if link == "fabric":
        return Collective(ranks, figure("all_reduce_mesh_us", pace), figure("fabric_gbs", pace))
    if link == "network":
        return Collective(ranks, figure("all_reduce_network_us", pace), figure("network_gbs", pace))
    gbs = figure("pcie5_gbs" if gpu.architecture in _PCIE5 else "pcie4_gbs", pace)
    if gpu.name.startswith(_WITHOUT_PEERS):
        gbs *= figure("without_peers_share", pace)
    return Collective(ranks, figure("all_reduce_hop_us", pace) * 2 * (ranks - 1), gbs)

"""Engines that start on the same physical GPU, and so have to share its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vram_engine.deployment import Deployment, Peer
from vram_engine.dialects.compose_gpus import Devices
from vram_engine.facts.versions import NEWEST, Version, parse_version

# vllm/config/cache.py: the default of --gpu-memory-utilization.
_UTILIZATION, _UTILIZATION_BEFORE = 0.92, 0.90
_UTILIZATION_SINCE = Version(0, 20, 0)


@dataclass(frozen=True, slots=True)
class Started:
    """A deployment with the devices it sees, and the profiles that start it."""

    deployment: Deployment
    devices: Devices | None
    profiles: frozenset[str]

    def named(self, name: str) -> Started:
        """The same under a name."""
        return replace(self, deployment=replace(self.deployment, name=name))

    @property
    def used(self) -> frozenset[str]:
        """The devices that vLLM takes: the first it sees, one for each rank; empty where that is unknown."""
        deployment = self.deployment
        if (
            self.devices is None
            or self.devices.reason is not None
            or deployment.effective("more-arguments") is not None
        ):
            return frozenset()
        world = 1
        for name in ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"):
            size = deployment.integer(name) if deployment.effective(name) is not None else 1
            world *= size if size is not None else 0
        if not 0 < world <= 64:
            return frozenset()
        names = self.devices.names
        return frozenset(map(str, range(world)) if names is None else names[:world])


def with_peers(started: Sequence[Started]) -> tuple[Deployment, ...]:
    """Every deployment with its peers: those that start with it on one of its devices."""
    used = [each.used for each in started]
    return tuple(
        replace(
            each.deployment,
            peers=tuple(
                peer_of(other.deployment)
                for number, other in enumerate(started)
                if number != index and used[index] & used[number] and each.profiles == other.profiles
            ),
        )
        for index, each in enumerate(started)
    )


def peer_of(deployment: Deployment) -> Peer:
    """A deployment as its peers see it."""
    setting = deployment.effective("gpu-memory-utilization")
    where = (setting.place or setting.span) if setting is not None else deployment.anchor
    return Peer(deployment.name, utilization(deployment), where, deployment.is_on("enable-sleep-mode"))


def utilization(deployment: Deployment) -> float | None:
    """The share of each GPU that an engine asks for, vLLM's default included; None where it cannot be told."""
    if deployment.effective("kv-cache-memory-bytes") is not None:
        return None
    if deployment.effective("gpu-memory-utilization") is not None:
        return deployment.number("gpu-memory-utilization")
    version = parse_version(deployment.text("vllm-version") or "") or NEWEST
    return _UTILIZATION if version >= _UTILIZATION_SINCE else _UTILIZATION_BEFORE

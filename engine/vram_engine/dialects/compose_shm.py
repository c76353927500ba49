"""The shared memory of a compose service."""

from __future__ import annotations

from vram_engine.deployment import Known, MapSite, Setting, Site, Unknown
from vram_engine.dialects.accelerators import docker_size
from vram_engine.dialects.compose_services import Service
from vram_engine.dialects.pod_hardware import CONTAINER_SHM_BYTES
from vram_engine.dialects.trees import items
from vram_engine.syntax.nodes import Mapping, Scalar
from vram_engine.text import Span


def shared_memory(service: Service) -> Setting | None:
    """What a service has on /dev/shm: a size of its own, the host's, or the 64 MiB that every container gets."""
    size = service.node("shm_size")
    if isinstance(size, Scalar):
        number = docker_size(size.text)
        value = Known(number) if number is not None else Unknown(f"shm_size: {size.text} is not a size")
        return Setting("shm-bytes", value, "file", "shm_size", span=size.span)
    shown = service.node("ipc")
    if isinstance(shown, Scalar) and shown.text not in ("private", "none", ""):
        return Setting("shm-bytes", Unknown("shared memory of elsewhere"), "file", "ipc", span=shown.span)
    for mount in (*items(service.node("volumes")), *items(service.node("tmpfs"))):
        span = _mounted(mount)
        if span is not None:
            return Setting("shm-bytes", Unknown("a mount on /dev/shm"), "file", "/dev/shm", span=span)
    if service.is_partial:
        return None
    return Setting("shm-bytes", Known(CONTAINER_SHM_BYTES), "default")


def shm_site(number: int, service: Service) -> dict[str, Site | None]:
    """Where the size is, or would be, written, as Docker spells sizes."""
    spellings = {str(gib * 2**30): f"{gib}gb" for gib in (1, 2, 4, 8, 16, 32, 64)}
    return {"shm-bytes": MapSite(number, ("services", service.name, "shm_size"), spellings)}


def _mounted(mount: object) -> Span | None:
    if isinstance(mount, Mapping):
        target = mount.get("target")
        return target.span if isinstance(target, Scalar) and target.text == "/dev/shm" else None
    return mount.span if isinstance(mount, Scalar) and "/dev/shm" in mount.text else None

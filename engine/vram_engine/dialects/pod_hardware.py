"""What a pod runs on: its GPUs, its shared memory, and the release its image holds."""

from __future__ import annotations

from vram_engine.deployment import Known, Setting, Unknown
from vram_engine.dialects.accelerators import (
    gpu_of_labels,
    gpus_of_resources,
    quantity,
    required,
    selected,
)
from vram_engine.dialects.container import Container, Given, version_setting
from vram_engine.dialects.pods import Pod
from vram_engine.dialects.trees import items
from vram_engine.syntax.nodes import Mapping, Node, Scalar

# What a container gets of shared memory when nothing mounts /dev/shm.
CONTAINER_SHM_BYTES = 64 * 2**20


def hardware(pod: Pod, container: Container) -> Given:
    """The GPUs, shared memory and release of one container."""
    found = gpus_of_resources(pod.container.get("resources"))
    if not any(setting.name == "gpu" for setting in found.settings):
        gpu = gpu_of_pod(pod.spec)
        machine = container.image.machine if container.image is not None else None
        if machine is not None:
            gpu = Setting("gpu", Unknown(f"the image is {machine}"), "file", "image", span=container.image_span)
        found += Given(() if gpu is None else (gpu,))
    extra = (version_setting(container.image, container.image_span), shared_memory(pod))
    return found + Given(tuple(setting for setting in extra if setting is not None))


def gpu_of_pod(spec: Mapping) -> Setting | None:
    """The GPU that a pod's node selector or required affinity asks for."""
    found = gpu_of_labels(selected(spec.get("nodeSelector")))
    if found is not None:
        return found
    affinity = spec.get("affinity")
    node = affinity.get("nodeAffinity") if isinstance(affinity, Mapping) else None
    rule = node.get("requiredDuringSchedulingIgnoredDuringExecution") if isinstance(node, Mapping) else None
    terms = list(required(rule.get("nodeSelectorTerms"))) if isinstance(rule, Mapping) else []
    if terms and all(gpu_of_labels(term) is not None for term in terms):
        return gpu_of_labels(label for term in terms for label in term)
    return None


def shared_memory(pod: Pod) -> Setting | None:
    """What is mounted on /dev/shm; the container's own 64 MiB where nothing is; None where the rest is elsewhere."""
    host = pod.spec.get("hostIPC")
    if isinstance(host, Scalar) and host.value is True:
        return Setting("shm-bytes", Unknown("the host's shared memory"), "file", "hostIPC", span=host.span)
    for mount in items(pod.container.get("volumeMounts")):
        path = mount.get("mountPath") if isinstance(mount, Mapping) else None
        if isinstance(mount, Mapping) and isinstance(path, Scalar) and path.text.rstrip("/") == "/dev/shm":
            size = _volume_size(pod.spec, mount.get("name"))
            value = Known(size) if size is not None else Unknown("as large as the node allows")
            return Setting("shm-bytes", value, "file", "/dev/shm", span=path.span)
    if pod.container.get("image") is None:
        return None
    return Setting("shm-bytes", Known(CONTAINER_SHM_BYTES), "default")


def _volume_size(spec: Mapping, name: Node | None) -> int | None:
    for volume in items(spec.get("volumes")):
        called = volume.get("name") if isinstance(volume, Mapping) else None
        if not isinstance(volume, Mapping) or not isinstance(called, Scalar) or not isinstance(name, Scalar):
            continue
        empty = volume.get("emptyDir")
        limit = empty.get("sizeLimit") if isinstance(empty, Mapping) and called.text == name.text else None
        if isinstance(limit, Scalar):
            return quantity(limit.text)
    return None


def without_default_shm(given: Given) -> Given:
    """Where a controller mounts shared memory by itself, that nothing in the file does says nothing."""
    kept = (each for each in given.settings if each.name != "shm-bytes" or each.origin != "default")
    return Given(tuple(kept), given.sites)

"""Engines spread over several pods: what makes one, and how many GPUs it has."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf

from vram_engine.deployment import Known, Setting, Unknown
from vram_engine.dialects.accelerators import count, gpus_of_resources, with_nodes
from vram_engine.dialects.container import Container, Given
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.launch import Launch
from vram_engine.dialects.pods import Pod, pods
from vram_engine.dialects.trees import items
from vram_engine.syntax.nodes import Mapping, Scalar

# Arguments that say that other machines serve the same model with this one.
ACROSS_MACHINES = frozenset(
    {
        *("data-parallel-address", "data-parallel-start-rank", "data-parallel-hybrid-lb", "data-parallel-rank"),
        *("data-parallel-external-lb", "node-rank", "master-addr", "headless"),
    }
)
# Kinds whose pods are each other's strangers: nothing but their own command can join them to a Ray cluster.
_LONE_PODS = frozenset({"Deployment", "Pod", "Job"})


def group_of(pod: Pod, given: Given) -> Given:
    """The GPUs of all pods that one engine runs on, where it is spread over several."""
    for key, holder in reversed(pod.path):
        if key in ("leaderTemplate", "workerTemplate"):
            size = holder.get("size")
            nodes = count(size)
            span = size.span if isinstance(size, Scalar) else None
            if nodes == 1 or size is None:
                return given
            return with_nodes(given, nodes, span, "the size of the group is not known")
        if key == "headGroupSpec":
            return _ray_cluster(holder, given)
        if key == "roles":
            break
    return given


def _ray_cluster(cluster: Mapping, given: Given) -> Given:
    """The GPUs of a Ray cluster: those of its head and of every worker."""
    total = _gpus(given) or 0
    nodes = 1
    for group in items(cluster.get("workerGroupSpecs")):
        if not isinstance(group, Mapping):
            continue
        replicas, hosts = count(group.get("replicas")), count(group.get("numOfHosts")) or 1
        each = sum(_gpus(gpus_of_resources(pod.container.get("resources"))) or 0 for pod in pods(group))
        if replicas is None:
            return with_nodes(given, None, None, "the number of workers is not known")
        nodes += replicas * hosts
        total += replicas * hosts * each
    if nodes == 1:
        return given
    kept = tuple(setting for setting in given.settings if setting.name != "gpus")
    gpus = next((setting for setting in given.settings if setting.name == "gpus"), None)
    counted = Setting("gpus", Known(total), "file", gpus.spelling if gpus else "", span=gpus.span if gpus else None)
    return Given((*kept, counted, Setting("nodes", Known(nodes), "file", "workerGroupSpecs")), {"gpus": None})


def _gpus(given: Given) -> int | None:
    for setting in given.settings:
        if setting.name == "gpus" and isinstance(setting.value, Known) and isinstance(setting.value.value, int):
            return setting.value.value
    return None


def spread_by_arguments(
    kind: str, pod: Pod, container: Container, launch: Launch, engine: EngineSettings, given: Given
) -> Given:
    """The GPUs where the arguments themselves speak of other machines."""
    if any(setting.name == "nodes" for setting in given.settings):
        return given
    settings = {name: occurrences[-1].value for name, occurrences in engine.settings.items()}
    nnodes = settings.get("nnodes")
    if nnodes is not None and nnodes != Known(1):
        number = nnodes.value if isinstance(nnodes, Known) and isinstance(nnodes.value, int) else None
        return with_nodes(given, number, None, "the number of machines is not known")
    if ACROSS_MACHINES & set(settings) or _dp_elsewhere(settings):
        return with_nodes(given, None, None, "other machines take part")
    if settings.get("distributed-executor-backend") == Known("ray") and not _is_alone(kind, pod, container, launch):
        return with_nodes(given, None, None, "Ray may add machines")
    return given


def _dp_elsewhere(settings: MappingOf[str, Known | Unknown]) -> bool:
    """Whether only a part of the data-parallel ranks run here."""
    here, everywhere = settings.get("data-parallel-size-local"), settings.get("data-parallel-size")
    return here is not None and here != everywhere


def _is_alone(kind: str, pod: Pod, container: Container, launch: Launch) -> bool:
    """Whether Ray can find no GPUs but the container's own."""
    joined = "RAY_ADDRESS" in container.variables or pod.container.get("envFrom") is not None
    return kind in _LONE_PODS and not launch.scripted and not joined

"""What an artifact has to say: a deployment's settings and hardware put in order, or why they cannot be passed on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vram_engine.deployment import OWN_SETTINGS, Deployment, Known, Scalar, Setting, Unknown
from vram_engine.facts.flags import Flag, flag
from vram_engine.facts.gpus import GpuMatch, find_gpu
from vram_engine.facts.versions import NEWEST, Version, parse_version
from vram_engine.generate.surroundings import Carried, carried_variables, own_image
from vram_engine.hardware import Gpu, Node
from vram_engine.images import ImageName
from vram_engine.resolution import node
from vram_engine.rules.shared_memory_missing import ENOUGH_BYTES

# Flags whose value is a secret, and the variable from which vLLM takes it instead (vllm/envs.py, huggingface_hub).
SECRETS: Mapping[str, str] = {"api-key": "VLLM_API_KEY", "hf-token": "HF_TOKEN"}

# Settings of our own that a "# vram:" comment can give in a file that has no key for them, by the comment's keys.
HINTS: Mapping[str, str] = {
    "gpu-memory-bytes": "gpu-memory-bytes",
    "free-memory-bytes": "free-memory-bytes",
    "concurrency": "concurrency",
    "prompt-tokens": "prompt-tokens",
    "gen-tokens": "gen-tokens",
    "estimator": "estimator",
}
# Those that only the profile has a place for: they do not change what vLLM does.
POLICY = ("mode", "interconnect", "headroom-gib", "overhead-gib", "fragmentation-factor", "params-b")

# These say which GPUs there are, not how many of them this deployment takes.
_AT_HAND = frozenset({"default", "detected", "settings", "project"})
_CONTAINER_SHM_BYTES = 64 * 2**20
_DEFAULT_PORT = 8000
# A section of production-stack's values that is read as the connector it stands for, without its role.
_FILLED_IN = "lmcacheConfig"
# Neither a shell nor YAML carries these through unharmed: control characters, lone surrogates, a byte order mark.
_BUILD = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}(?:\.?post\d{1,3}|rc\d{1,3})?", re.ASCII)
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an artifact cannot be written, in a sentence for the user."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """The GPUs to ask for. ``gpu`` is None where nothing names one, ``setting`` is what named it.

    ``vendor`` is the GPU's, else that of the resource that counts them, else NVIDIA as for vLLM's usual image.
    ``unknown`` is why they cannot be asked for, where that is so.
    """

    gpu: Gpu | None
    setting: Setting | None
    count: int
    vendor: str = "nvidia"
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One deployment, ready to be written in any form.

    ``flags`` are vLLM's, in the order of the source, without the model and without ``secrets`` (names of flags).
    ``hints`` and ``policy`` are settings of our own that somebody gave. ``shm_bytes`` is 0 where a container's own
    64 MiB will do, ``needed`` the number of GPUs that the parallel sizes multiply to. ``pinned`` is the release as it
    was asked for, ``image`` the source's own where that is to be started, ``variables`` what is taken over of its
    environment.
    """

    source: str
    name: str
    model: str | None
    flags: tuple[tuple[Flag, Scalar], ...]
    secrets: tuple[str, ...]
    version: Version
    version_said: bool
    hardware: Hardware
    needed: int
    shm_bytes: int
    shm_said: bool
    hints: Mapping[str, Scalar]
    policy: Mapping[str, Scalar]
    pinned: str
    image: ImageName | None
    variables: Carried

    @property
    def port(self) -> int:
        """The port that vLLM listens on."""
        return next((value for each, value in self.flags if each.name == "port" and type(value) is int), _DEFAULT_PORT)

    def value(self, name: str) -> Scalar | None:
        """The value of a flag; None where it is not given."""
        return next((value for each, value in self.flags if each.name == name), None)


def order_of(deployment: Deployment) -> Order | Refused:
    """The order that a deployment amounts to; refused where a part of it cannot be told, and so not passed on."""
    deployment = _without_detected(deployment)
    reason = next(_reasons(deployment), None)
    if reason is not None:
        return Refused(reason)
    hardware, needed = _hardware(deployment), _needed(deployment)
    shm = deployment.effective("shm-bytes")
    shm_said = shm is not None and shm.origin != "default" and isinstance(shm.value, Known)
    model, release = deployment.value("model"), _release(deployment)
    return Order(
        source=deployment.dialect,
        name=deployment.name,
        model=None if model is None else str(model),
        flags=tuple((each, value) for each, value in _flags(deployment) if each.name not in SECRETS),
        secrets=tuple(name for name in deployment.settings if name in SECRETS),
        version=release or NEWEST,
        version_said=release is not None,
        hardware=hardware,
        needed=needed,
        shm_bytes=_shared_memory(deployment, max(needed, hardware.count)),
        shm_said=shm_said,
        hints={name: value for name, value in _own(deployment) if name in HINTS},
        policy={name: value for name, value in _own(deployment) if name in POLICY},
        pinned=_pinned(deployment),
        image=own_image(deployment, release),
        variables=carried_variables(deployment),
    )


def _without_detected(deployment: Deployment) -> Deployment:
    """The GPUs of the machine that happens to write the artifact are no part of it."""
    kept = {
        name: tuple(each for each in occurrences if each.origin != "detected")
        for name, occurrences in deployment.settings.items()
    }
    return replace(deployment, settings={name: occurrences for name, occurrences in kept.items() if occurrences})


def _reasons(deployment: Deployment) -> Iterator[str]:
    """Why a deployment cannot be passed on."""
    more = deployment.effective("more-arguments")
    if more is not None:
        reason = more.value.reason if isinstance(more.value, Unknown) else "not all arguments can be read"
        yield f"it may have arguments that cannot be told: {reason}"
    if deployment.effective("config") is not None:
        yield f"settings are in {deployment.value('config') or 'a file of --config'}: generate from that file instead"
    for name in deployment.settings:
        setting = deployment.effective(name)
        if setting is None or name in OWN_SETTINGS or name in SECRETS:
            continue
        if isinstance(setting.value, Unknown):
            yield f"{name} is not known ({setting.value.reason}): give it a value, or --{name} as an argument"
        elif _UNWRITABLE.search(str(setting.value.value)):
            yield f"{name} holds a character that cannot be written"
    yield from _refused_by_release(deployment)
    store = deployment.effective("model-store")
    if store is not None:
        yield f"{store.spelling} is set, and artifacts are for models of Hugging Face"
    nodes = deployment.effective("nodes")
    if nodes is not None and nodes.value != Known(1):
        yield "the engine is spread over several machines, and artifacts are for one"


def _refused_by_release(deployment: Deployment) -> Iterator[str]:
    """Flags that the release to be pinned does not have, and those that stand for what only a chart knows."""
    release = _release(deployment) or NEWEST
    for known, _ in _flags(deployment):
        setting = deployment.effective(known.name)
        if known.accepted_by(release) is False:
            yield f"vLLM {release} has no --{known.name}: take it out, or say for which release with --vllm-version"
        elif setting is not None and setting.spelling == _FILLED_IN:
            yield f"{_FILLED_IN} is turned into arguments by its chart, in a way that is not known here"


def _release(deployment: Deployment) -> Version | None:
    """The release that somebody asked for, newer ones than are known included."""
    return parse_version(deployment.text("vllm-version") or "")


def _pinned(deployment: Deployment) -> str:
    """The release in the words it was asked for in, a later build of it (``.post1``) included."""
    said = (deployment.text("vllm-version") or "").strip().removeprefix("v")
    return said if _BUILD.fullmatch(said) else str(_release(deployment) or NEWEST)


def _flags(deployment: Deployment) -> Iterator[tuple[Flag, Scalar]]:
    for name in deployment.settings:
        known, value = flag(name), deployment.value(name)
        if known is None or known.name == "model" or name in OWN_SETTINGS or value is None:
            continue
        # A switch that is off and has no other way to be is off by being left out.
        if not (known.type == "bool" and value is False and not known.has_no_form):
            yield known, value


def _own(deployment: Deployment) -> Iterator[tuple[str, Scalar]]:
    """Settings of our own that somebody gave; a default of the profile says nothing about a deployment."""
    for name in OWN_SETTINGS:
        setting = deployment.effective(name)
        if setting is not None and setting.origin != "default" and isinstance(setting.value, Known):
            yield name, setting.value.value


def _needed(deployment: Deployment) -> int:
    """The world size times the data parallel ranks that run here (vllm/config/parallel.py)."""
    ranks = deployment.integer("data-parallel-size-local") or deployment.integer("data-parallel-size") or 1
    sizes = [deployment.integer(name) or 1 for name in ("tensor-parallel-size", "pipeline-parallel-size")]
    return max(1, ranks * sizes[0] * sizes[1])


def _hardware(deployment: Deployment) -> Hardware:
    setting, where = deployment.effective("gpu"), node(deployment)
    gpu = where.gpu if isinstance(where, Node) and where.gpu.id != "unnamed" else None
    if setting is not None and isinstance(setting.value, Unknown):
        return Hardware(None, None, 0, unknown=setting.value.reason)
    said = deployment.effective("gpus")
    vendor = gpu.vendor if gpu is not None else _vendor(said)
    if said is not None and said.origin not in _AT_HAND:
        number = deployment.integer("gpus")
        if isinstance(said.value, Unknown) or number is None or number < 1:
            reason = getattr(said.value, "reason", "the number of GPUs is not known")
            return Hardware(gpu, setting, 0, vendor, reason)
        return Hardware(gpu, setting, number, vendor)
    named = find_gpu(str(setting.value.value)) if setting is not None and isinstance(setting.value, Known) else None
    counted = named.count if isinstance(named, GpuMatch) else None
    return Hardware(gpu, setting, counted or _needed(deployment), vendor)


def _vendor(counted: Setting | None) -> str:
    """Whose GPUs a resource such as ``amd.com/gpu`` counts."""
    resource = counted.spelling if counted is not None else ""
    return next((maker for maker in ("amd", "intel") if f"{maker}.com/" in resource), "nvidia")


def _shared_memory(deployment: Deployment, ranks: int) -> int:
    """Bytes of /dev/shm: as said, else enough where several GPUs work together."""
    said = deployment.effective("shm-bytes")
    size = deployment.integer("shm-bytes")
    if said is not None and said.origin != "default" and size is not None:
        return size if size > _CONTAINER_SHM_BYTES or ranks == 1 else ENOUGH_BYTES
    return ENOUGH_BYTES if ranks > 1 else 0

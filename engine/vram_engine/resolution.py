"""From settings to the things they name: which model, which GPUs, which engine arguments, which workload.

Nothing is fetched and nothing guessed: what cannot be told becomes a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from vram_engine.deployment import AUTHORITY, Deployment, Known, Scalar, Setting, Unknown
from vram_engine.engine_variables import estimates_graphs, uses_v1
from vram_engine.facts.gpus import Ambiguous, GpuMatch, find_gpu, suggest_gpus
from vram_engine.facts.versions import NEWEST, Version, parse_version
from vram_engine.feasibility import Workload
from vram_engine.hardware import Gpu, Node
from vram_engine.model.reference import ModelRef
from vram_engine.modelled import MODELLED
from vram_engine.sizing.budget import GIB
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.lora import target_modules
from vram_engine.sizing.media_size import media_sizes
from vram_engine.sizing.offload import offload_gib
from vram_engine.sizing.speculative import speculation, speculative_method
from vram_engine.sizing.towers import media_limits


@dataclass(frozen=True, slots=True)
class NoGpu:
    """Why there is no GPU to size for.

    ``setting`` is what named one in vain, ``candidates`` are the ids it may have meant.
    """

    reason: str
    setting: Setting | None = None
    candidates: tuple[str, ...] = ()


def model_ref(deployment: Deployment) -> ModelRef | None:
    """The model a deployment names; None when it names none, or its name cannot be told.

    A path in a container stands for what is mounted there, where that is known.
    """
    name = deployment.value("model")
    if name is None or str(name).strip() == "":
        return None
    revision = deployment.value("revision")
    mounted = deployment.outside(str(name)) if str(name).startswith("/") else None
    return ModelRef(mounted or str(name), None if revision is None else str(revision))


def draft_ref(deployment: Deployment) -> ModelRef | None:
    """The model that drafts tokens for the deployment's, where its speculative-config names one that is followed."""
    told = speculation(deployment.value("speculative-config"))
    return None if told is None or told.model is None else ModelRef(told.model, told.revision)


def vllm_version(deployment: Deployment) -> Version:
    """The version to size for: the one in force, but none newer than what is known; else the newest known."""
    asked = parse_version(deployment.text("vllm-version") or "")
    return NEWEST if asked is None else min(asked, NEWEST)


def workload(deployment: Deployment) -> Workload:
    """What is asked of the deployment."""
    headroom = deployment.number("headroom-gib")
    return Workload(deployment.integer("concurrency") or 1, None if headroom is None else round(headroom * GIB))


def node(deployment: Deployment) -> Node | NoGpu:
    """The GPUs of a deployment: the catalogue's row for the name in force, with the memory and count in force.

    A memory or a count that weaker words say of other hardware is not combined with the GPU.
    """
    setting, memory = deployment.effective("gpu"), deployment.effective("gpu-memory-bytes")
    size = deployment.integer("gpu-memory-bytes")
    if setting is not None and memory is not None and _speaks_of_another(setting, memory, size):
        setting = None
    if setting is None:
        if size is None:
            return NoGpu("nothing says which GPU this runs on")
        return Node(_unnamed(size), _count(deployment, None, memory))
    if memory is not None and _is_weaker(memory, setting):
        size = None
    if isinstance(setting.value, Unknown):
        return NoGpu(setting.value.reason, setting)
    return _named(deployment, setting, str(setting.value.value), size)


# More kinds of GPU than this are not gone through while somebody types.
_MOST_CHOICES = 8


def choices(deployment: Deployment) -> tuple[Deployment, ...]:
    """The deployment itself; where the file leaves open which of several GPUs it runs on, on each of them in turn."""
    setting = deployment.effective("gpu")
    any_of = setting.value.any_of if setting is not None and isinstance(setting.value, Unknown) else ()
    if setting is None or not 0 < len(any_of) <= _MOST_CHOICES:
        return (deployment,)
    return tuple(_on(deployment, setting, gpu) for gpu in dict.fromkeys(any_of))


def _on(deployment: Deployment, gpu: Setting, choice: str) -> Deployment:
    """The deployment with one choice made, whose name holds the number where it is not the same for all."""
    settings = {**deployment.settings, "gpu": (replace(gpu, value=Known(choice)),)}
    counted = deployment.effective("gpus")
    if counted is not None and isinstance(counted.value, Unknown):
        settings.pop("gpus")
    return replace(deployment, settings=settings)


# These say what hardware is at hand in general, each by itself; a file and a directive speak of one deployment.
_AT_HAND = frozenset({"detected", "settings", "project"})


def _is_weaker(one: Setting, other: Setting) -> bool:
    return AUTHORITY.index(one.origin) < AUTHORITY.index(other.origin)


def _speaks_of_another(gpu: Setting, memory: Setting, size: int | None) -> bool:
    """Whether a stated memory makes a GPU that is merely at hand the wrong one, because it is not its own."""
    if gpu.origin not in _AT_HAND or not _is_weaker(gpu, memory) or size is None or isinstance(gpu.value, Unknown):
        return False
    match = find_gpu(str(gpu.value.value))
    return isinstance(match, GpuMatch) and abs(match.gpu.memory_bytes - size) > _SAME_CARD * size


# Drivers and sellers differ by this much about the memory of one card.
_SAME_CARD = 0.06


def _named(deployment: Deployment, setting: Setting, text: str, memory: int | None) -> Node | NoGpu:
    """The GPU called ``text``; a stated memory tells cards of one name apart, and stands for one nobody knows."""
    match = find_gpu(text)
    if memory is not None and not isinstance(match, GpuMatch):
        sized = find_gpu(f"{text} {round(memory / GIB)}GB")
        if not isinstance(sized, GpuMatch):
            return Node(_unnamed(memory), _count(deployment, None, setting))
        match = sized
    if match is None:
        close = suggest_gpus(text)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return NoGpu(f"{text} is not a GPU of the catalogue{hint}", setting, close)
    if isinstance(match, Ambiguous):
        ids = tuple(gpu.id for gpu in match.candidates)
        return NoGpu(f"{match.reason}; say which: {', '.join(ids)}" if ids else match.reason, setting, ids)
    gpu = match.gpu if memory is None else _with_memory(match.gpu, memory)
    return Node(gpu, _count(deployment, match.count, setting))


def _count(deployment: Deployment, counted: int | None, gpu: Setting | None) -> int | None:
    """How many GPUs: a stated number, else the one in the GPU's own name (``8xH200``).

    A default is no statement, and a count of the hardware at hand says nothing of a GPU named by stronger words.
    """
    said = deployment.effective("gpus")
    if said is None or said.origin == "default":
        return counted
    if gpu is not None and _is_weaker(said, gpu) and (said.origin in _AT_HAND or counted is not None):
        return counted
    return deployment.integer("gpus")


def _with_memory(gpu: Gpu, memory: int) -> Gpu:
    return replace(gpu, memory_bytes=memory, memory_low=memory, memory_high=memory, memory_status="declared")


def _unnamed(memory: int) -> Gpu:
    """A GPU of which only the memory is known: sized as a current data-centre card, and said to be assumed."""
    return Gpu(
        id="unnamed",
        name="unnamed GPU",
        vendor="nvidia",
        capability=(8, 0),
        memory_bytes=memory,
        memory_low=memory,
        memory_high=memory,
        memory_status="assumed",
        bandwidth_gbs=None,
        tflops_16bit=None,
        tflops_fp8=None,
        nvlink_gbs=None,
        native_bf16=True,
        native_fp8=False,
        unified_memory=False,
        source="declared memory",
    )


def engine_args(deployment: Deployment) -> EngineArgs:
    """The arguments sizing reads; what is unknown or invalid is left at "not given" (and said by ``modelled``)."""
    fields: dict[str, object] = {}
    for name, field in MODELLED.items():
        value = deployment.value(name)
        read = _READ.get(name)
        usable = read(value) if read is not None and value is not None else value
        if usable is not None:
            fields[field] = usable
    told = speculation(deployment.value("speculative-config"))
    if told is not None:
        fields |= {
            "num_speculative_tokens": told.num_speculative_tokens,
            "draft_tensor_parallel_size": told.draft_tensor_parallel_size,
        }
    version = vllm_version(deployment)
    fields |= {
        "use_v1": uses_v1(deployment, version),
        "estimate_cuda_graphs": estimates_graphs(deployment, version),
    }
    return replace(EngineArgs(vllm_version=version), **fields)  # type: ignore[arg-type]  # MODELLED pairs each flag with a field of its type


def _length(value: Scalar) -> Scalar | None:
    """-1 and ``auto`` ask vLLM to choose, which is not the same as not asking."""
    return value if isinstance(value, int) and value > 0 else None


def _count_of(value: Scalar) -> Scalar | None:
    """At least one."""
    return value if isinstance(value, int) and value > 0 else None


def _utilization(value: Scalar) -> Scalar | None:
    """Outside (0, 1] vLLM refuses, and a rule says so."""
    return value if isinstance(value, int | float) and 0 < value <= 1 else None


_READ: Mapping[str, Callable[[Scalar], object]] = {
    "limit-mm-per-prompt": media_limits,
    "mm-processor-kwargs": media_sizes,
    "max-loras": _count_of,
    "max-lora-rank": _count_of,
    "lora-target-modules": target_modules,
    "cpu-offload-gb": offload_gib,
    "speculative-config": speculative_method,
    "max-model-len": _length,
    "gpu-memory-utilization": _utilization,
}

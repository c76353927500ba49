"""The axes of the search: ways to divide the model, to store weights and KV cache, and to bound a step.

Each option is a change of settings, the precision it gives up, and a clause that says what it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from vram_engine.deployment import Deployment, Scalar
from vram_engine.feasibility import gib
from vram_engine.hardware import Gpu, Node
from vram_engine.model.reference import FoundModel
from vram_engine.model.spec import ModelSpec
from vram_engine.recommend.goal import Goal
from vram_engine.recommend.remedies import FP8_CAPABILITY, FP8_PER_TENSOR_SINCE
from vram_engine.recommend.siblings import Sibling, bits, usable
from vram_engine.resolution import engine_args
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.schemes import SAME_METHOD
from vram_engine.sizing.weights import weights

Settings = Mapping[str, Scalar]

_LARGEST_TP = 64
_LARGEST_PP = 16
# What a card must keep beside the share vLLM may use: its CUDA context, graphs where they are not charged, a display.
_KEPT_FREE = 3 * 2**29
_FEWER_TOKENS = (4096, 2048)
# From half a GPU on: a share written far too small is raised no further than it must be.
UTILIZATIONS = (0.5, 0.7, 0.85, 0.9, 0.92, 0.95)
_LOWER_UTILIZATIONS = (0.95, 0.92, 0.9, 0.85)
# experts_int8 keeps linears as they are; vllm/model_executor/layers/quantization/experts_int8.py asks for Ampere.
_EXPERTS_INT8_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class Option:
    """One choice on an axis.

    ``loss`` adds up over axes; ``model`` replaces the deployment's where it is another; ``tuned`` is whether steps are
    as the mode wants them.
    """

    settings: Settings = field(default_factory=dict)
    loss: float = 0.0
    because: str = ""
    model: FoundModel | None = None
    tuned: bool = False


AS_IT_IS = Option()

# What formats give up, as an order and not a measurement: 16 bits nothing, 8 bits little, 4 bits more; a checkpoint
# that was calibrated less than the same bits rounded while loading.
LOSS: Mapping[str, float] = MappingProxyType(
    {"kv-8-bit": 1.0, "sibling-8-bit": 1.0, "experts-8-bit": 1.5, "online-8-bit": 1.5, "sibling-4-bit": 4.0}
)


def divisions(deployment: Deployment, spec: ModelSpec, node: Node, *, most: int | None = None) -> Iterator[Option]:
    """Tensor and pipeline parallel sizes on the GPUs there are, the present ones first; ``most`` replaces how many."""
    yield AS_IT_IS
    args = engine_args(deployment)
    if deployment.effective("nodes") is not None or deployment.effective("more-arguments") is not None:
        return
    now = args.tensor_parallel_size * args.pipeline_parallel_size
    there = node.count if node.count is not None else now * args.data_parallel_size
    present = most or max(there // args.data_parallel_size, 1)
    least = min(now, present)
    for stages in range(1, min(present, _LARGEST_PP) + 1):
        for size in range(1, min(present // stages, _LARGEST_TP) + 1):
            world = size * stages
            if world < least or spec.num_attention_heads % size or (stages > 1 and not _may_be_cut(spec, stages)):
                continue
            if (size, stages) != (args.tensor_parallel_size, args.pipeline_parallel_size):
                yield Option(_sizes(deployment, size, stages), because=_divided(size, stages))


def _may_be_cut(spec: ModelSpec, stages: int) -> bool:
    """Stages of whole layers; only as many as leave none nearly empty, in powers of two as machines have GPUs."""
    return spec.pipeline and not spec.shapes_guessed and stages & (stages - 1) == 0 and spec.num_layers >= 2 * stages


def _sizes(deployment: Deployment, size: int, stages: int) -> Settings:
    now = {"tensor-parallel-size": size, "pipeline-parallel-size": stages}
    return {name: value for name, value in now.items() if (deployment.integer(name) or 1) != value}


def _divided(size: int, stages: int) -> str:
    shared = f"each layer is divided over {size} GPUs" if size > 1 else "each layer stays on one GPU"
    return shared + (f" and the layers are dealt out to {stages} stages" if stages > 1 else "")


def precisions(deployment: Deployment, spec: ModelSpec, node: Node, siblings: Iterable[Sibling]) -> tuple[Option, ...]:
    """Ways to store the weights, what the file says first."""
    return (
        AS_IT_IS,
        *_online(deployment, spec, node.gpu),
        *(_sibling(deployment, each, node.gpu.capability) for each in _siblings(deployment, spec, node.gpu, siblings)),
    )


def _online(deployment: Deployment, spec: ModelSpec, gpu: Gpu) -> Iterator[Option]:
    """Methods that quantize a 16-bit checkpoint while it is loaded, where the GPU computes in the format."""
    is_plain = spec.quantization is None and deployment.value("quantization") in (None, "none", "")
    if not is_plain or gpu.capability is None:
        return
    if gpu.capability >= FP8_CAPABILITY:
        because = "weights are rounded to 8 bits while they are loaded, from the same checkpoint"
        yield Option({"quantization": online_fp8(deployment)}, LOSS["online-8-bit"], because)
    elif spec.experts is not None and gpu.capability >= _EXPERTS_INT8_CAPABILITY:
        because = "the experts are rounded to 8 bits while they are loaded, the rest stays as it is"
        yield Option({"quantization": "experts_int8"}, LOSS["experts-8-bit"], because)


def online_fp8(deployment: Deployment) -> str:
    """What this release and this kind of file call weights rounded to FP8 while loading."""
    if deployment.dialect == "profile" or engine_args(deployment).vllm_version < FP8_PER_TENSOR_SINCE:
        return "fp8"
    return "fp8_per_tensor"


# Settings that are about one repository's own files; another repository may have others.
_OF_THE_CHECKPOINT = ("revision", "hf-overrides", "speculative-config", "tokenizer", "load-format", "hf-config-path")


def _siblings(deployment: Deployment, spec: ModelSpec, gpu: Gpu, siblings: Iterable[Sibling]) -> tuple[Sibling, ...]:
    if any(deployment.effective(name) is not None for name in _OF_THE_CHECKPOINT):
        return ()
    return usable(siblings, spec, gpu.capability, engine_args(deployment).vllm_version)


def _whole(sibling: Sibling, capability: tuple[int, int] | None) -> tuple[Term, ...]:
    """Its weights on one GPU, however large that would have to be."""
    stages = weights(sibling.model.spec, EngineArgs(), capability or FP8_CAPABILITY)
    return stages if isinstance(stages, tuple) else ()


def _sibling(deployment: Deployment, sibling: Sibling, capability: tuple[int, int] | None) -> Option:
    stored = sibling.model.spec.quantization
    method, width = stored.method if stored is not None else "", bits(sibling.model.spec)
    settings: dict[str, Scalar] = {"model": sibling.ref.name}
    asked = deployment.text("quantization")
    # vLLM refuses a method that is not the checkpoint's own.
    if asked is not None and asked.lower() not in {method, *SAME_METHOD.get(method, ())}:
        settings["quantization"] = method
    size = sum(stage.bytes for stage in _whole(sibling, capability))
    because = f"{sibling.ref.name} is the same model stored in {width} bits, {gib(size)} of weights"
    return Option(settings, LOSS["sibling-8-bit"] if width >= 8 else LOSS["sibling-4-bit"], because, sibling.model)


def caches(gpu: Gpu, *, is_16bit: bool) -> tuple[Option, ...]:
    """Ways to store the KV cache; 8 bits where the GPU reads them itself."""
    if not is_16bit or gpu.capability is None or gpu.capability < FP8_CAPABILITY:
        return (AS_IT_IS,)
    because = "keys and values take half the memory in 8 bits"
    return (AS_IT_IS, Option({"kv-cache-dtype": "fp8"}, LOSS["kv-8-bit"], because))


def lean_steps(deployment: Deployment, spec: ModelSpec, node: Node, goal: Goal) -> Iterator[Option]:
    """Smaller bounds of a step, which take less memory for activations and graphs."""
    args = engine_args(deployment)
    if spec.runner != "generate" or spec.shapes_guessed or deployment.text("estimator") == "closed_form":
        return
    now = batch(args, node.gpu, args.max_model_len or goal.tokens, spec)
    places = max(-(-goal.concurrency // 8) * 8, 8)
    because = "smaller steps take less memory beside the KV cache"
    few: dict[str, Scalar] = {"max-num-seqs": places} if places < now.max_num_seqs else {}
    if few:
        yield Option(few, 0.0, because)
    for tokens in _FEWER_TOKENS:
        if now.chunked_prefill and places <= tokens < now.max_num_batched_tokens:
            yield Option({"max-num-batched-tokens": tokens, **few}, 0.0, because)


def utilizations(deployment: Deployment, gpu: Gpu, requested: int, memory: int) -> tuple[float, ...]:
    """Shares of the GPU to try in place of the present one, nearest first; none where others live on it as well."""
    if deployment.peers or gpu.unified_memory or deployment.effective("kv-cache-memory-bytes") is not None:
        return ()
    free = deployment.integer("free-memory-bytes") or memory
    now = requested / memory
    higher = tuple(each for each in UTILIZATIONS if each > now + 0.005 and leaves_enough(each, memory, free))
    lower = tuple(each for each in _LOWER_UTILIZATIONS if each < now and leaves_enough(each, memory, free))
    return (*higher, *lower) if not leaves_enough(now, memory, free) else higher


def leaves_enough(utilization: float, memory: int, free: int) -> bool:
    """Whether a share leaves what vLLM does not count, and is free when it starts."""
    return utilization * memory <= min(memory - _KEPT_FREE, free)

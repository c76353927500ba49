"""Memory outside torch's allocator that is charged to vLLM: the growth of the CUDA context and of communicators.

Since 0.11.0 communicators are set up before the first snapshot, so that only what they allocate later is charged
(``Worker.init_device``).
"""

from __future__ import annotations

from vram_engine.facts.constants import constant
from vram_engine.hardware import Gpu
from vram_engine.sizing.budget import Term, total
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era

# GB/s of one GPU's NVLink from which it joins all GPUs of a node; bridges of workstation cards join pairs.
MESH_GBS = 200


def meshed(gpu: Gpu) -> bool:
    """Whether NVLink joins all GPUs of a node."""
    return gpu.nvlink_gbs is not None and gpu.nvlink_gbs >= MESH_GBS


def non_torch(args: EngineArgs, era: Era, gpu: Gpu) -> Term:
    """What grows beside torch between vLLM's first look at the device and the end of the profile run."""
    parts = [_constant("kernels and libraries", "loaded while profiling", _modules(era, gpu))]
    if era.accounting == "device use":
        parts.append(cuda_context())
    if args.tensor_parallel_size > 1:
        parts.append(_communicators(args, era, gpu))
    if gpu.unified_memory:
        parts.append(
            _constant("shared memory", "CPU and GPU share memory: page cache and other programs count", "unified")
        )
    return total("non-torch", "grows outside torch's allocator", *parts)


def cuda_context() -> Term:
    """A fresh CUDA context: in use on the device, but by no allocation of the process."""
    return _constant("CUDA context", "in use on the device before anything is allocated", "cuda_context")


def _modules(era: Era, gpu: Gpu) -> str:
    names = {9: "non_torch_hopper", 10: "non_torch_blackwell"}
    if gpu.capability is not None and gpu.capability[0] in names:
        return names[gpu.capability[0]]
    if era.communicators_charged:
        return "non_torch_early"
    return "non_torch_consumed" if era.accounting == "consumed" else "non_torch"


def _communicators(args: EngineArgs, era: Era, gpu: Gpu) -> Term:
    link = "nvlink" if meshed(gpu) else "pcie"
    when = "charged" if era.communicators_charged else "late"
    row = constant(f"nccl_{when}_{link}")
    peers = args.tensor_parallel_size - 1
    return Term(
        "communicators",
        row.value * peers,
        f"NCCL and all-reduce buffers for {peers} peers",
        "modelled",
        spread=(row.low * peers, row.high * peers),
    )


def _constant(name: str, because: str, key: str) -> Term:
    row = constant(key)
    return Term(name, row.value, because, "modelled", spread=(row.low, row.high))

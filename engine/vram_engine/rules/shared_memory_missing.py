"""Several GPUs work together in a container that has only the 64 MiB of shared memory every container gets.

What it checks
    tensor-parallel-size and pipeline-parallel-size above 1 where nothing gives the container more of /dev/shm: in
    compose ``shm_size``, ``ipc: host`` or a mount, in Kubernetes a memory-backed volume mounted there.

Why
    Workers pass messages through shared memory, and NCCL takes it where GPUs do not reach each other directly. Start-up
    then ends in "No space left on device", a bus error or "unhandled system error".

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --tensor-parallel-size 2
        gpus:
          - count: 2

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --tensor-parallel-size 2
        gpus:
          - count: 2
        shm_size: 16gb
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Rule

ENOUGH_BYTES = 16 * 2**30
_CONTAINER_DEFAULT_BYTES = 64 * 2**20


def check(plan: Plan) -> Iterator[Finding]:
    """More ranks than one, and no shared memory to speak of."""
    deployment = plan.deployment
    present = deployment.integer("shm-bytes")
    size = (deployment.integer("tensor-parallel-size") or 1) * (deployment.integer("pipeline-parallel-size") or 1)
    if present is None or present > _CONTAINER_DEFAULT_BYTES or size < 2:
        return
    message = f"{size} GPUs work together, and /dev/shm has only {present >> 20} MiB: start-up may fail in NCCL"
    change = ChangeSettings(plan.index, {"shm-bytes": ENOUGH_BYTES})
    fixes = (Fix("Set shm_size to 16gb", change),) if "shm-bytes" in deployment.sites else ()
    yield Finding(RULE.name, "warning", plan.at("shm-bytes", "tensor-parallel-size"), message, "likely", fixes)


RULE = Rule("shared-memory-missing", __doc__ or "", check_plan=check)

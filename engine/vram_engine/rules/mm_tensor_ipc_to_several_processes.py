"""Tensors in shared memory reach one process, and the model runs in several.

What it checks
    Whether mm-tensor-ipc torch_shm comes with a tensor, pipeline or data parallel size above 1.

Why
    Its queue ends at rank 0; vLLM refuses more ranks (vllm/config/model.py, ``verify_with_parallel_config``).

Example
    # vram: gpu=h100-sxm-80 gpus=2
    model: Qwen/Qwen2.5-VL-3B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 2
    mm-tensor-ipc: torch_shm

Fixed
    # vram: gpu=h100-sxm-80 gpus=2
    model: Qwen/Qwen2.5-VL-3B-Instruct
    max-model-len: 8192
    tensor-parallel-size: 2
    mm-tensor-ipc: direct_rpc
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """One queue for several processes."""
    return refusal(plan, RULE.name, ("mm-tensor-ipc",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"mm-tensor-ipc": "direct_rpc"})


RULE = Rule("mm-tensor-ipc-to-several-processes", __doc__ or "", check_plan=check)

"""Engines that start on one GPU ask together for more than all of its memory.

What it checks
    Services of one compose file on the same device: by number, by device ids, or by ``count: 1``, which gives each the
    same first card. vLLM's default share counts where none is given, and each engine is sized as the one that starts
    last, in what the others leave. Engines that can sleep are left alone.

Why
    gpu-memory-utilization is a share of the whole GPU. The second engine finds less free than it asks for and stops
    with "Free memory on device ... is less than desired GPU memory utilization".

Example
    # vram: gpu=h100-sxm-80
    services:
      chat:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --gpu-memory-utilization 0.6
        gpus:
          - device_ids: ["0"]
      code:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --gpu-memory-utilization 0.5
        gpus:
          - device_ids: ["0"]

Fixed
    # vram: gpu=h100-sxm-80
    services:
      chat:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --gpu-memory-utilization 0.6
        gpus:
          - device_ids: ["0"]
      code:
        image: vllm/vllm-openai:v0.32.0
        command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 8192 --gpu-memory-utilization 0.39
        gpus:
          - device_ids: ["0"]
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.beside import awake_peers, is_short_because_of_peers
from vram_engine.dialects.peers import utilization
from vram_engine.plan import Plan
from vram_engine.rules.base import ChangeSettings, Finding, Fix, Related, Rule

# A smaller share is not what anybody means by serving a model.
_SMALLEST_SHARE = 0.2


def check(plan: Plan) -> Iterator[Finding]:
    """The shares of a deployment and its peers added up."""
    own, others = utilization(plan.deployment), awake_peers(plan.deployment)
    shares = [peer.utilization for peer in others]
    if not others or own is None or None in shares:
        return
    taken = sum(share for share in shares if share is not None)
    if round(own + taken, 4) <= 1 and not _is_short(plan):
        return
    names = ", ".join(f"{peer.name} {peer.utilization:g}" for peer in others)
    message = f"on the same GPU {names} and this one's {own:g} of its memory are asked for: {own + taken:g} in all"
    if round(own + taken, 4) <= 1:
        message += ", and the CUDA contexts take some, too"
    related = (Related(peer.place, f"{peer.name}: {peer.utilization:g}") for peer in others if peer.place is not None)
    where = plan.at("gpu-memory-utilization")
    yield Finding(RULE.name, "error", where, message, "likely", tuple(_fixes(plan, own, taken)), tuple(related))


def _is_short(plan: Plan) -> bool:
    """Whether the sizing says so, which knows that a CUDA context takes some of what is left."""
    condition = plan.feasibility.condition if plan.feasibility is not None else None
    return is_short_because_of_peers(plan.deployment, condition)


def _fixes(plan: Plan, own: float, taken: float) -> Iterator[Fix]:
    """The rest, but for a hundredth that is left to the CUDA contexts."""
    left = int(round((1 - taken) * 100, 4) - 1) / 100
    if _SMALLEST_SHARE <= left < own:
        change = ChangeSettings(plan.index, {"gpu-memory-utilization": left})
        yield Fix(f"Set gpu-memory-utilization to {left:g}, what the others leave", change)


RULE = Rule("gpu-shared-over-committed", __doc__ or "", check_plan=check)

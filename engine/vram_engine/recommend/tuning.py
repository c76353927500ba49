"""How many tokens and requests a step should hold and how much of the GPU vLLM may take, by mode and GPU class.

vLLM's own advice on chunked prefill is about 2,048 tokens a step for even answers and above 8,192 for throughput on
large GPUs; its defaults by GPU class (``sizing/batch.py``) lie between.
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Deployment, Scalar
from vram_engine.hardware import Gpu, Node
from vram_engine.model.spec import ModelSpec
from vram_engine.recommend.goal import Goal
from vram_engine.recommend.options import UTILIZATIONS, Option, leaves_enough
from vram_engine.resolution import engine_args
from vram_engine.sizing.batch import LARGE_GPU, LARGEST_GPU, batch

# More than any engine runs at once, whatever a workload says.
_MOST_REQUESTS = 4096

_BECAUSE = {
    "latency": "short steps and few places keep answers even: a prefill never holds up the tokens of others for long",
    "throughput": "long steps and many places get the most out of each read of the weights",
    "balanced": "as many places as requests come at once, so that none waits for one",
}


def tuned_steps(deployment: Deployment, spec: ModelSpec, node: Node, goal: Goal) -> Iterator[Option]:
    """The bounds of a step that suit the mode, where they are others than those in force."""
    args = engine_args(deployment)
    if spec.runner != "generate" or spec.shapes_guessed or deployment.text("estimator") == "closed_form":
        return
    now = batch(args, node.gpu, args.max_model_len or goal.tokens, spec)
    wanted: dict[str, tuple[int, int]] = {
        "max-num-batched-tokens": (now.max_num_batched_tokens, step_tokens(node.gpu, goal)),
        "max-num-seqs": (now.max_num_seqs, step_requests(node.gpu, goal, now.max_num_seqs)),
    }
    if not now.chunked_prefill or goal.mode == "balanced":
        # Without chunks a step must hold a whole prompt; and with nothing to win, the default is vLLM's choice.
        del wanted["max-num-batched-tokens"]
    settings: dict[str, Scalar] = {name: then for name, (before, then) in wanted.items() if before != then}
    share = highest_share(deployment, node.gpu) if goal.mode == "throughput" else None
    if share is not None:
        settings["gpu-memory-utilization"] = share
    if settings:
        yield Option(settings, 0.0, _BECAUSE[goal.mode], tuned=True)


def highest_share(deployment: Deployment, gpu: Gpu) -> float | None:
    """The most of the GPU that vLLM may safely take, where that is more than it does; KV cache is what throughput is.

    None where other engines are on the GPU, or the file says anything about its memory itself.
    """
    spoken = ("gpu-memory-utilization", "kv-cache-memory-bytes", "free-memory-bytes")
    if deployment.peers or gpu.unified_memory or any(deployment.effective(name) is not None for name in spoken):
        return None
    most = max(UTILIZATIONS)
    return most if leaves_enough(most, gpu.memory_bytes, gpu.memory_bytes) else None


def step_tokens(gpu: Gpu, goal: Goal) -> int:
    """Tokens a step should hold, never fewer than the requests that share it."""
    sharing = min(goal.concurrency, _MOST_REQUESTS)
    if goal.mode == "latency":
        return max(2048, sharing)
    large = 16384 if goal.mode == "throughput" or gpu.memory_bytes >= LARGEST_GPU else 8192
    small = 8192 if goal.mode == "throughput" else 2048
    return max(large if gpu.memory_bytes >= LARGE_GPU else small, sharing)


def step_requests(gpu: Gpu, goal: Goal, now: int) -> int:
    """Requests a step should hold: those that come, in eights, and for throughput all that a GPU of its class takes."""
    asked = min(max(-(-goal.concurrency // 8) * 8, 8), _MOST_REQUESTS)
    if goal.mode == "latency":
        return asked
    if goal.mode == "throughput":
        return max(asked, 1024 if gpu.memory_bytes >= LARGE_GPU else 256)
    return max(asked, now)

"""How many GPUs a deployment takes on its machine: tensor- and pipeline-parallel ranks of every engine it starts."""

from __future__ import annotations

from vram_engine.deployment import Deployment

# With these, each process or machine is told which of the data-parallel ranks is its own.
_RANKS_ELSEWHERE = (
    *("data-parallel-rank", "data-parallel-start-rank", "data-parallel-external-lb", "data-parallel-hybrid-lb"),
    *("data-parallel-address", "node-rank", "headless"),
)


def engines_here(deployment: Deployment) -> int:
    """The least number of data-parallel engines that start here, each with GPUs of its own.

    --data-parallel-size-local where it is given, else all of them (vllm/engine/arg_utils.py, ``create_engine_config``);
    one where Ray or other processes may start them elsewhere, none for a front that only hands requests on.
    """
    if deployment.effective("data-parallel-size-local") is not None:
        local = deployment.integer("data-parallel-size-local")
        return 1 if local is None else max(local, 0)
    if deployment.text("data-parallel-backend") == "ray" or any(map(deployment.effective, _RANKS_ELSEWHERE)):
        return 1
    return max(deployment.integer("data-parallel-size") or 1, 1)

"""Prints the time of one sizing, warm, by class of model, beside a parse of the same file, and where the time goes.

``python -m tests.bench.sizing``. Nothing is judged.
"""

from __future__ import annotations

import cProfile
import pstats
import statistics
import time
from collections.abc import Callable

from vram_engine.analysis import Context, analyse
from vram_engine.estimate import estimate
from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.syntax.parse import parse

MODELS = {
    "dense": ("meta-llama/Llama-3.1-8B-Instruct", "h100", 1),
    "mixture of experts": ("Qwen/Qwen3-30B-A3B", "h100", 1),
    "latent attention": ("deepseek-ai/DeepSeek-V3", "h200", 8),
    "sliding window": ("google/gemma-3-27b-it", "h100", 1),
    "hybrid": ("Qwen/Qwen3.5-35B-A3B", "h100", 1),
}
RUNS = 200


def milliseconds(work: Callable[[], object]) -> float:
    """The median of RUNS, after one that is not counted."""
    work()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def context_for(text: str) -> Context:
    """What the catalogue knows of a text's model."""
    wants = analyse(text).wants
    found = {ref: CatalogueModels().find(ref, ()) for ref in wants}
    return Context(models={ref: answer for ref, answer in found.items() if isinstance(answer, FoundModel)})


def main() -> None:
    """One row a class, then the profile of the slowest."""
    slowest: tuple[float, Callable[[], object]] = (0.0, lambda: None)
    print(f"{'class':<20} {'sizing ms':>10} {'analysis ms':>12} {'parse ms':>9}")
    for name, (model, gpu, tp) in MODELS.items():
        text = f"# vram: gpu={gpu} gpus=8\nmodel: {model}\nmax-model-len: 8192\ntensor-parallel-size: {tp}\n"
        context = context_for(text)
        (plan,) = analyse(text, context).plans
        if not isinstance(plan.model, FoundModel) or not isinstance(plan.node, Node):
            print(f"{name:<20} not in the catalogue: {model}")
            continue
        deployment, spec, node = plan.deployment, plan.model.spec, plan.node

        def size(deployment=deployment, spec=spec, node=node):  # type: ignore[no-untyped-def]  # bound per row
            return estimate(deployment, spec, node)

        took = milliseconds(size)
        slowest = max(slowest, (took, size), key=lambda each: each[0])
        whole = milliseconds(lambda text=text, context=context: analyse(text, context))  # type: ignore[misc]  # the same
        print(f"{name:<20} {took:>10.2f} {whole:>12.2f} {milliseconds(lambda text=text: parse(text)):>9.2f}")  # type: ignore[misc]  # the same
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(RUNS):
        slowest[1]()
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()

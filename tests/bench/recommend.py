"""Prints how many candidate budgets a second are judged on one sizing, and what whole searches take.

``python -m tests.bench.recommend``. Nothing is judged. The grid varies what needs no sizing again (share of the GPU,
length, requests) over every sizing of a search; its rate is shown with the sizings and without them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product

from tests.bench.sizing import context_for
from vram_engine.analysis import Context, analyse
from vram_engine.offering import case_of
from vram_engine.recommend.advice import advise
from vram_engine.recommend.case import Case, Sized, at_share, sized
from vram_engine.recommend.gpus import fitting_gpus
from vram_engine.recommend.search import combinations

DEPLOYMENTS = {
    "dense, one GPU": "# vram: gpu=l4 gpus=1 concurrency=16\nmodel: Qwen/Qwen3-14B\nmax-model-len: 8192\n",
    "dense, eight GPUs": "# vram: gpu=h100 gpus=8 concurrency=8\nmodel: meta-llama/Llama-3.1-70B-Instruct\n",
    "experts": "# vram: gpu=h100 gpus=4 concurrency=64\nmodel: Qwen/Qwen3-30B-A3B\nmax-model-len: 32768\n",
    "latent attention": "# vram: gpu=h200 gpus=8 concurrency=8\nmodel: deepseek-ai/DeepSeek-V3\nmax-model-len: 8192\n",
    "sliding window": "# vram: gpu=h100 gpus=2 concurrency=32\nmodel: google/gemma-3-27b-it\nmax-model-len: 32768\n",
    "hybrid": "# vram: gpu=h100 gpus=2 concurrency=32\nmodel: Qwen/Qwen3.5-35B-A3B\nmax-model-len: 65536\n",
}
SHARES = (None, 0.85, 0.9, 0.95)
LENGTHS = (1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128)


def sizings(case: Case) -> Iterator[Sized]:
    """One exact sizing for every combination of options."""
    for option in combinations(case):
        spec = option.model.spec if option.model is not None else case.spec
        found = sized(case, option.settings, spec)
        if found is not None:
            yield found


def grid(base: Sized) -> int:
    """Judge every share, length and concurrency on one sizing; how many that were."""
    judged = 0
    for utilization in SHARES:
        share = at_share(base, utilization)
        for tokens, requests in product(LENGTHS, REQUESTS):
            share.fits(tokens, requests)
            judged += 1
    return judged


def main() -> None:
    """One row a deployment."""
    print(f"{'':<18} {'sizings':>8} {'budgets':>9} {'per s':>9} {'with sizing':>12} {'search ms':>10} {'GPUs ms':>8}")
    for name, text in DEPLOYMENTS.items():
        analysis = analyse(text, context_for(text))
        case = case_of(analysis, analysis.plans[0], Context())
        if case is None:
            print(f"{name:<18} not in the catalogue")
            continue
        began = time.perf_counter()
        bases = list(sizings(case))
        sized_by = time.perf_counter()
        judged = sum(grid(base) for base in bases)
        judged_by = time.perf_counter()
        advise(case)
        searched_by = time.perf_counter()
        list(fitting_gpus(case))
        placed_by = time.perf_counter()
        alone, whole = judged / (judged_by - sized_by), judged / (judged_by - began)
        search, placing = (searched_by - judged_by) * 1e3, (placed_by - searched_by) * 1e3
        rates = f"{len(bases):>8,} {judged:>9,} {alone:>9,.0f} {whole:>12,.0f}"
        print(f"{name:<18} {rates} {search:>10.0f} {placing:>8.0f}")


if __name__ == "__main__":
    main()

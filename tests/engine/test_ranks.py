"""Data-parallel engines take GPUs, too: those that start on this machine."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context
from vram_engine.fixing import edits_of
from vram_engine.syntax.edits import apply

RULES = ("tensor-parallel-exceeds-gpus", "data-parallel-exceeds-gpus")
SCRIPT = "resources: {accelerators: H100:4}\nrun: vllm serve Qwen/Qwen3-30B-A3B %s\n"


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        ("-tp 4", None),
        ("-tp 2 -dp 2", None),
        ("-tp 2 -dp 4", "4 data-parallel ranks of 2 GPUs each need 8 GPUs and there are 4"),
        ("-dp 8", "8 data-parallel ranks need 8 GPUs and there are 4"),
        ("-dp 8 -dpl 4", None),
        ("-dp 16 -dpl 8", "8 data-parallel ranks need 8 GPUs and there are 4"),
        ("-tp 8 -dp 16 -dpl 0", None),
        ("-tp 2 -dp 4 --data-parallel-rank 1", None),
        ("-tp 2 -dp 4 --data-parallel-backend ray", None),
        ("-dp 8 --headless --data-parallel-address 10.0.0.1", None),
        ("-tp 8 -dp 4 --data-parallel-rank 1", "tensor-parallel-size 8 needs 8 GPUs and there are 4"),
    ],
)
def test_engines_that_start_here_are_counted(flags, needed, analysed):
    """All of them where nothing is said, else the local ones; what may start elsewhere is not."""
    found = [each.message for each in analysed(SCRIPT % flags).findings if each.rule in RULES]
    assert found == ([needed] if needed else [])


def test_the_fixes_make_the_engines_fit_the_gpus(analysed):
    """One engine of four GPUs fits on four; or the file asks for as many as two need."""
    text = SCRIPT % "-tp 4 -dp 2"
    analysis = analysed(text)
    (finding,) = (each for each in analysis.findings if each.rule == "data-parallel-exceeds-gpus")
    context = Context(models={plan.ref: plan.model for plan in analysis.plans})
    written = [apply(text, edits_of(analysis, fix, context)) for fix in finding.fixes]
    assert written == [SCRIPT % "-tp 4 -dp 1", text.replace("H100:4", "H100:8")]

"""Data-parallel engines take GPUs, too: those that start on this machine."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context
from vram_engine.fixing import edits_of
from vram_engine.syntax.edits import apply

SCRIPT = "resources: {accelerators: H100:4}\nrun: vllm serve Qwen/Qwen3-30B-A3B %s\n"


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        ("-tp 4", None),
        ("-tp 2 -dp 2", None),
        ("-tp 2 -dp 4", "tensor-parallel-size 2 x data-parallel-size 4 needs 8 GPUs and there are 4"),
        ("-dp 8", "tensor-parallel-size 1 x data-parallel-size 8 needs 8 GPUs and there are 4"),
        ("-dp 8 -dpl 4", None),
        ("-dp 16 -dpl 8", "tensor-parallel-size 1 x data-parallel-size-local 8 needs 8 GPUs and there are 4"),
        ("-tp 8 -dp 16 -dpl 0", None),
        ("-tp 2 -dp 4 --data-parallel-rank 1", None),
        ("-tp 2 -dp 4 --data-parallel-backend ray", None),
        ("-dp 8 --headless --data-parallel-address 10.0.0.1", None),
        ("-tp 8 -dp 4 --data-parallel-rank 1", "tensor-parallel-size 8 needs 8 GPUs and there are 4"),
    ],
)
def test_engines_that_start_here_are_counted(flags, needed, analysed):
    """All of them where nothing is said, else the local ones; what may start elsewhere is not."""
    found = [each.message for each in analysed(SCRIPT % flags).findings if each.rule == "tensor-parallel-exceeds-gpus"]
    assert found == ([needed] if needed else [])


def test_the_fix_leaves_room_for_all_engines(analysed):
    """Two engines on four GPUs have two each; or the file asks for as many as they need."""
    text = SCRIPT % "-tp 4 -dp 2"
    analysis = analysed(text)
    (finding,) = (each for each in analysis.findings if each.rule == "tensor-parallel-exceeds-gpus")
    context = Context(models={plan.ref: plan.model for plan in analysis.plans})
    written = [apply(text, edits_of(analysis, fix, context)) for fix in finding.fixes]
    assert written == [SCRIPT % "-tp 2 -dp 2", text.replace("H100:4", "H100:8")]

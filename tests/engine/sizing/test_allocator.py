"""The ends of segments that torch's allocator leaves with the weights, by hand and as logs print them."""

from __future__ import annotations

import pytest

from tests.engine.sizing.test_activations import CONFIGS, card, spec
from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.allocator import ALLOCATION_SLACK, allocation_slack
from vram_engine.sizing.budget import GIB, MIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.startup import StartupBudget, startup
from vram_engine.sizing.weights import weights

AMPERE = (8, 0)


def test_ends_of_up_to_1_mib_stay() -> None:
    """A layer's qkv of 31.5 MiB, gate and up of 259, down of 129.5 round up to whole 2 MiB; o of 24.5 is split.

    That is 2 MiB in each of 28 layers, and half of one for each of two tables of 1,039.5 MiB.
    """
    (slack,) = allocation_slack(spec("qwen-7b"), EngineArgs(), AMPERE)
    assert slack.bytes == 57 * MIB


def test_round_sizes_have_no_ends() -> None:
    """Every matrix of a model with sizes of whole 2 MiB fits its segment, as its log shows to the last digit."""
    (slack,) = allocation_slack(spec("llama-8b"), EngineArgs(), AMPERE)
    assert (slack.low, slack.bytes, slack.high) == (0, 0, 0)


@pytest.mark.parametrize(("name", "printed"), [("qwen-7b", 14.25), ("qwen-14b", 27.52)])
def test_weights_and_ends_are_what_logs_print(name: str, printed: float) -> None:
    """The line "Model loading took" counts the ends."""
    stages = weights(spec(name), EngineArgs(), AMPERE)
    assert isinstance(stages, tuple)
    (slack,) = allocation_slack(spec(name), EngineArgs(), AMPERE)
    assert (stages[0].bytes + slack.bytes) / GIB == pytest.approx(printed, abs=0.006)


def test_repacked_weights_land_where_others_were() -> None:
    """Two logs of AWQ checkpoints print 9.44 GiB where the tensors have 9.30: inside the band, near its middle."""
    packed = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
    model = from_config({**CONFIGS["qwen-14b"], "quantization_config": packed})
    assert isinstance(model, ModelSpec)
    (slack,) = allocation_slack(model, EngineArgs(), (8, 9))
    assert slack.low <= 0.139 * GIB <= slack.high
    assert slack.bytes / GIB == pytest.approx(0.139, abs=0.03)


def test_measured_weights_have_their_ends_in_them() -> None:
    """Beside weights that were measured nothing is added."""
    model, gpu = spec("qwen-7b"), card("a100-sxm-80")
    for basis, added in (("measured", 0), ("exact", 1)):
        stages = (Term("weights", 14 * GIB, "told", basis),)
        found = startup(model, EngineArgs(), gpu, stages, max_model_len=8192)
        assert isinstance(found, StartupBudget)
        assert sum(part.name == ALLOCATION_SLACK for part in found.stages[0].spent.parts) == added

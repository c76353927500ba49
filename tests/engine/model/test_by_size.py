"""A model of which only the number of parameters is told."""

from __future__ import annotations

import pytest

from vram_engine.model.by_size import from_parameter_count
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import weights


@pytest.mark.parametrize(
    ("billions", "layers", "hidden"),
    [(1.1, 22, 2048), (3, 28, 3072), (7, 32, 4096), (8, 32, 4096), (13, 40, 5120), (34, 48, 8192), (70, 80, 8192)],
)
def test_nearest_llama_shapes(billions: float, layers: int, hidden: int) -> None:
    """The shapes are those of the nearest Llama-family model, and marked as guessed."""
    spec = from_parameter_count(round(billions * 1e9))
    assert isinstance(spec, ModelSpec)
    assert (spec.num_layers, spec.hidden_size, spec.shapes_guessed) == (layers, hidden, True)


@pytest.mark.parametrize(("ranks", "quantization", "expected"), [(1, None, 24e9), (2, None, 12e9), (1, "fp8", 12e9)])
def test_weights_are_parameters_times_bytes(ranks: int, quantization: str | None, expected: float) -> None:
    """12 billion parameters are 24 GB in 16 bits, half of it on each of two GPUs or in 8 bits: a rule of thumb."""
    spec = from_parameter_count(12_000_000_000)
    assert isinstance(spec, ModelSpec)
    stages = weights(spec, EngineArgs(tensor_parallel_size=ranks, quantization=quantization), (9, 0))
    assert isinstance(stages, tuple)
    assert (stages[0].bytes, stages[0].basis) == (expected, "rule of thumb")

"""Weights of every model of the reference data against vLLM's own figures, where that data is at hand."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from vram_engine.facts.versions import Version
from vram_engine.model import Unavailable, from_config
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import allocated_bytes, weights

HERE = Path(__file__).resolve()
DATA = Path(os.environ.get("VRAM_LSP_SHARED", HERE.parents[4] / "shared")) / "data"
GOLDENS = DATA / "goldens" / "goldens.jsonl"
TOLERANCE = 0.001


def read_spec(name: str) -> ModelSpec | Unavailable:
    """The model of one directory of configs."""
    folder = DATA / "models" / name
    config = json.loads((folder / "config.json").read_text())
    beside = folder / "hf_quant_config.json"
    quant_config = json.loads(beside.read_text()) if beside.exists() else None
    return from_config(config, quant_config=quant_config, pooling=(folder / "modules.json").exists())


def verdict(spec: ModelSpec | Unavailable, row: dict) -> str:
    """How our weights of one row compare with vLLM's."""
    if isinstance(spec, Unavailable):
        return "unavailable"
    asked = row["args"]
    args = EngineArgs(
        vllm_version=Version(0, 32, 0),
        tensor_parallel_size=asked["tp"],
        pipeline_parallel_size=asked["pp"],
        data_parallel_size=asked.get("dp") or 1,
    )
    stages = weights(spec, args, tuple(row["platform"]["cap"]))
    if not isinstance(stages, tuple):
        return "refused"
    ours = [allocated_bytes(stage) for stage in stages]
    theirs = [stage["param_bytes"] for stage in row["weights_per_stage"]]
    if ours == theirs:
        return "equal"
    close = all(abs(mine - its) <= TOLERANCE * its for mine, its in zip(ours, theirs, strict=True))
    return "within tolerance" if close else "wrong"


def test_weights_equal_those_of_vllm(capsys: pytest.CaptureFixture[str]) -> None:
    """No row of the reference data is off by more than a thousandth, and the counts are printed."""
    if not GOLDENS.exists():
        pytest.skip(f"no reference data at {GOLDENS}: set VRAM_LSP_SHARED to the directory that holds data/goldens")
    rows = [json.loads(line) for line in GOLDENS.read_text().splitlines()]
    specs = {name: read_spec(name) for name in {row["config"] for row in rows}}
    verdicts = {id(row): verdict(specs[row["config"]], row) for row in rows}
    counts = Counter(verdicts.values())
    with capsys.disabled():
        print(f"\nweights against vLLM: {len(rows)} compared, {dict(counts)}")
    failed = sorted({row["config"] for row in rows if verdicts[id(row)] in {"wrong", "refused", "unavailable"}})
    assert failed == []

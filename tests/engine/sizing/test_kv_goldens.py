"""The KV cache against everything vLLM 0.32's own code computed for a collection of models, where that is at hand."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from vram_engine.facts.versions import Version
from vram_engine.model import ModelSpec, Unavailable, from_config
from vram_engine.model.spec import Runner
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import KvLayout, kv_layout

DATA = Path(os.environ.get("VRAM_LSP_SHARED") or Path(__file__).parents[4] / "shared") / "data"
GOLDENS = DATA / "goldens" / "goldens.jsonl"

Record = Mapping[str, Any]


@cache
def records() -> tuple[Record, ...]:
    """All records; skips the test where there are none."""
    if not GOLDENS.is_file():
        pytest.skip("no golden figures; set VRAM_LSP_SHARED to a folder that has data/goldens/goldens.jsonl")
    return tuple(json.loads(line) for line in GOLDENS.read_text(encoding="utf-8").splitlines())


@cache
def model_of(name: str, runner: Runner) -> ModelSpec | Unavailable:
    """A model of the collection."""
    folder = DATA / "models" / name
    beside = folder / "hf_quant_config.json"
    quant_config = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else None
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return from_config(config, quant_config=quant_config, pooling=runner == "pooling")


def runner_of(record: Record) -> Runner:
    """How the model was served: asynchronous scheduling, off for pooling, keeps one more batch in flight."""
    kv, stages = record["kv"], record["args"]["pp"]
    return "pooling" if kv["max_in_flight_tokens"] == kv["max_num_batched_tokens"] * stages else "generate"


def is_whole(record: Record) -> bool:
    """Whether the record's layers were built for the cache format it states.

    Some were taken over from a model that had been built earlier, under another format.
    """
    stated = record["kv"]["cache_dtype"]
    specs = (layer["spec"] for stage in record["kv"]["specs_per_stage"] for layer in stage)
    return all(spec.get("cache_dtype_str") in (None, stated) for spec in specs)


def layout_of(record: Record) -> KvLayout | Unavailable:
    """The layout of a record's deployment."""
    model = model_of(record["config"], runner_of(record))
    if isinstance(model, Unavailable):
        return model
    args = EngineArgs(
        vllm_version=Version(0, 32, 0),
        dtype=record["dtype"],
        kv_cache_dtype=record["args"]["kv_cache_dtype"],
        tensor_parallel_size=record["args"]["tp"],
        pipeline_parallel_size=record["args"]["pp"],
    )
    major, minor = record["platform"]["cap"]
    return kv_layout(
        replace(model, runner=runner_of(record)),
        args,
        (major, minor),
        max_num_batched_tokens=record["kv"]["max_num_batched_tokens"],
        max_model_len=record["kv"]["max_model_len"],
    )


def laid_out(layout: KvLayout, record: Record) -> Iterator[tuple[str, object, object]]:
    """What is compared: a name, our figure, vLLM's."""
    kv, length = record["kv"], record["kv"]["max_model_len"]
    stored = record["dtype"] if kv["cache_dtype"] == "auto" else kv["cache_dtype"]
    yield "cache dtype", layout.cache_dtype, stored
    yield "block size", layout.block_size, kv["block_size"]
    yield "mamba block size", layout.mamba_block_size, kv["mamba_block_size"]
    yield "mamba cache mode", layout.mamba_cache_mode, kv["mamba_cache_mode"]
    yield "in-flight tokens", layout.limits.in_flight_tokens, kv["max_in_flight_tokens"]
    yield "bytes per block", layout.bytes_per_block, tuple(kv["bytes_per_block_per_stage"])
    yield "layers of the groups", [group.layers for group in layout.groups], [g["n_layers"] for g in kv["groups"]]
    sizes = [group["spec"]["block_size"] for group in kv["groups"]]
    yield "blocks of the groups", [group.block_size for group in layout.groups], sizes
    yield "blocks per request", layout.blocks_per_group(length), tuple(kv["blocks_per_request_by_group"])
    yield "needed bytes", layout.one_request_bytes(length), tuple(kv["needed_bytes_one_request_per_stage"])


def held(layout: KvLayout, result: Record) -> Iterator[tuple[str, object, object]]:
    """The same for a given memory."""
    available = [result["available_bytes"]] * len(layout.bytes_per_block)
    yield "longest", layout.max_model_len_that_fits(available), result["estimate_max_model_len_groups"]
    yield "fits", layout.fits(available), result["ok"]
    if result["ok"]:
        yield "blocks", layout.num_blocks(available), result["num_blocks"]
        yield "tokens", layout.capacity_tokens(available), result["kv_cache_size_tokens"]
        yield "concurrency", layout.max_concurrency(available), result["max_concurrency"]


def differences(record: Record) -> list[str]:
    """Where our figures are not vLLM's."""
    layout = layout_of(record)
    if isinstance(layout, Unavailable):
        return [layout.reason]
    if "note" in record["kv"]:
        return ["keeps a cache"] if layout.groups else []
    compared = [*laid_out(layout, record)]
    for result in record["kv"]["results"]:
        compared += held(layout, result)
    return [f"{name}: {ours}, not {theirs}" for name, ours, theirs in compared if ours != theirs]


def test_every_figure_is_vllms(capsys: pytest.CaptureFixture[str]) -> None:
    """Layout, needs, blocks, tokens, concurrency and longest length of every whole record, to the byte and token."""
    counts: Counter[str] = Counter()
    wrong = []
    for record in records():
        if not is_whole(record):
            counts["not whole"] += 1
            continue
        found = differences(record)
        counts["different" if found else "equal"] += 1
        wrong += [f"{record['config']} {record['args']}: {difference}" for difference in found]
    with capsys.disabled():
        print(f"\nKV cache goldens: {dict(counts)}")
    assert not wrong, "\n".join(wrong[:20])

"""Where vLLM picks FlashInfer for attention, and when its workspace is charged."""

from __future__ import annotations

import pytest

from tests.engine.sizing.test_activations import card, spec
from vram_engine.facts.versions import Version
from vram_engine.sizing.attention_workspace import attention_workspace
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import GIB, MIB
from vram_engine.sizing.cuda_graphs import graph_estimate
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era


@pytest.mark.parametrize(
    ("gpu_id", "version", "cache_dtype", "picked"),
    [
        ("rtx-5090", Version(0, 20, 0), "fp8_e4m3", True),
        ("rtx-5090", Version(0, 20, 0), "auto", False),
        ("rtx-3090", Version(0, 22, 0), "fp8_e5m2", True),
        ("h100-sxm-80", Version(0, 22, 0), "fp8", False),
        ("h100-sxm-80", Version(0, 22, 0), "fp8_e5m2", True),
        ("b200", Version(0, 22, 0), "auto", True),
        ("t4", Version(0, 25, 0), "auto", True),
        ("t4", Version(0, 26, 0), "auto", False),
        ("v100-sxm2-32", Version(0, 22, 0), "auto", False),
        ("rtx-5090", Version(0, 17, 0), "fp8_e4m3", False),
    ],
)
def test_who_gets_flashinfer(gpu_id: str, version: Version, cache_dtype: str, picked: bool) -> None:
    """FlashAttention comes first but on Blackwell's data centre GPUs, and reads 8-bit keys on Hopper only."""
    model, gpu = spec("llama-8b"), card(gpu_id)
    args = EngineArgs(vllm_version=version, kv_cache_dtype=cache_dtype)
    term = attention_workspace(model, args, era(model, args, gpu.capability), gpu)
    assert term.bytes == (394 * MIB if picked else 0)


def test_estimate_of_few_graphs_is_the_workspace() -> None:
    """A boot of one request at a time with 8-bit keys printed an estimate of 0.39 GiB for its three graphs."""
    model, gpu = spec("llama-8b"), card("rtx-5090")
    args = EngineArgs(vllm_version=Version(0, 20, 0), kv_cache_dtype="fp8_e4m3", max_num_seqs=1)
    limits = batch(args, gpu, 65536, model)
    term = graph_estimate(model, args, limits, era(model, args, gpu.capability), gpu)
    assert term.bytes / GIB == pytest.approx(0.40, abs=0.02)


def test_eager_charges_no_workspace() -> None:
    """Without graphs nothing runs attention before the KV cache is sized."""
    model, gpu = spec("llama-8b"), card("rtx-5090")
    args = EngineArgs(vllm_version=Version(0, 22, 0), kv_cache_dtype="fp8", enforce_eager=True)
    limits = batch(args, gpu, 65536, model)
    assert graph_estimate(model, args, limits, era(model, args, gpu.capability), gpu).bytes == 0

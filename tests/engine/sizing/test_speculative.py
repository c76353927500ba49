"""Drafting tokens from n-grams: which settings are followed, and what they take on the GPU."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.sizing.test_activations import card, spec
from tests.engine.sizing.test_weights_table import MODELS, spec_of
from vram_engine.analysis import Context, analyse
from vram_engine.estimate import Estimate
from vram_engine.facts.versions import Version
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.plan import Plan
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.cuda_graphs import capture_sizes, full_graph_sizes
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era
from vram_engine.sizing.kv_cache import concurrent_batches
from vram_engine.sizing.kv_eras import kv_era
from vram_engine.sizing.speculative import Speculation, drafting_state, speculation
from vram_engine.sizing.startup import StartupBudget, startup

NGRAM = EngineArgs(vllm_version=Version(0, 32, 0), speculative_method="ngram", num_speculative_tokens=4)
SETTING = 'speculative-config: {"method": "ngram", "num_speculative_tokens": 4}\n'


def plan(name: str, settings: str, gpu: str = "h100-sxm-80") -> Plan:
    """The plan of a model under some settings."""
    known = {ModelRef(f"org/{name}"): FoundModel(spec_of(MODELS[name]), "declared")}
    head = f"# vram: gpu={gpu}\nmodel: org/{name}\n"
    (found,) = analyse(f"{head}{settings}", Context(models=known)).plans
    return found


def graph_sizes(seqs: int, drafted: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """All capture sizes, and those of whole decode steps, of a dense model."""
    model, gpu = spec("llama-8b"), card("l40s")
    args = replace(NGRAM, max_num_seqs=seqs, num_speculative_tokens=drafted)
    limits, regime = batch(args, gpu, 8192, model), era(model, args, gpu.capability)
    return capture_sizes(args, limits, regime, gpu), full_graph_sizes(args, limits, regime, gpu)


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ('{"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4}', Speculation("ngram", 5)),
        ('{"model": "[ngram]", "num_speculative_tokens": 5, "prompt_lookup_min": 2}', Speculation("ngram", 5)),
        ('{"method": "ngram_gpu", "num_speculative_tokens": 1}', Speculation("ngram_gpu", 1)),
        ('{"method": "ngram"}', None),
        ('{"method": "ngram", "num_speculative_tokens": 0}', None),
        ('{"method": "ngram", "num_speculative_tokens": true}', None),
        ('{"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_min": 5, "prompt_lookup_max": 2}', None),
        ('{"method": "ngram", "num_speculative_tokens": 3, "model": "org/draft"}', None),
        ('{"method": "ngram", "num_speculative_tokens": 3, "enforce_eager": true}', None),
        ('{"method": "mtp", "num-speculative-tokens": 2}', Speculation("mtp", 2)),
        ('{"method": "deepseek_mtp", "num_speculative_tokens": 1}', Speculation("mtp", 1)),
        (
            '{"method": "mtp", "num_speculative_tokens": 1, "rejection_sample_method": "standard"}',
            Speculation("mtp", 1),
        ),
        (
            '{"method": "mtp", "num_speculative_tokens": 1, "draft_tensor_parallel_size": 2}',
            Speculation("mtp", 1, draft_tensor_parallel_size=2),
        ),
        ('{"method": "mtp", "num_speculative_tokens": 1, "draft_tensor_parallel_size": "2"}', None),
        ('{"method": "mtp"}', None),
        ('{"method": "mtp", "num_speculative_tokens": 0}', None),
        ('{"method": "mtp", "num_speculative_tokens": 1, "model": "org/other"}', Speculation("mtp", 1, "org/other")),
        ('{"method": "mtp", "num_speculative_tokens": 1, "model": " "}', None),
        ('{"method": "mtp", "num_speculative_tokens": 1, "model": 7}', None),
        ('{"method": "mtp", "num_speculative_tokens": 1, "draft_sample_method": "probabilistic"}', None),
        ('{"method": "suffix", "num_speculative_tokens": 3}', None),
        ('{"method": ["ngram"], "num_speculative_tokens": 3}', None),
        ('{"model": "org/draft", "num_speculative_tokens": 3}', Speculation("draft_model", 3, "org/draft")),
        ("[" * 100_000, None),
        (7, None),
    ],
)
def test_what_is_read(text: object, config: Speculation | None) -> None:
    """Only a configuration understood in every part is read."""
    assert speculation(text) == config


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda part: st.lists(part), max_leaves=4))
def test_hostile_values_are_no_configuration(value: object) -> None:
    """Whatever is written in place of the names and counts is refused, not raised about."""
    for key in ("method", "model", "num_speculative_tokens", "prompt_lookup_max"):
        told = {"method": "ngram", "num_speculative_tokens": 3} | {key: value}
        assert isinstance(speculation(json.dumps(told)), Speculation | None)


@pytest.mark.parametrize(
    ("name", "settings", "gpu"),
    [
        ("Qwen3-8B", f"# vram: vllm=0.31.0\n{SETTING}", "h100-sxm-80"),
        ("Qwen3-8B", SETTING, "mi300x"),
        ("DeepSeek-V3", SETTING, "h200"),
        ("Qwen3.5-35B-A3B", SETTING, "h200"),
        ("Qwen3-8B", f"{SETTING}enable-lora: true\n", "h100-sxm-80"),
        ("Qwen3-8B", f"{SETTING}max-model-len: auto\n", "h100-sxm-80"),
        ("Qwen3-8B", "spec-method: ngram\nspec-tokens: 3\n", "h100-sxm-80"),
        ("Qwen3-8B", 'speculative-config: {"method": "suffix"}\n', "h100-sxm-80"),
        ("Qwen3-8B", 'speculative-config: {"model": "org/draft", "num_speculative_tokens": 1}\n', "h100-sxm-80"),
        (
            "Qwen3-8B",
            'speculative-config: {"method": "ngram", "model": "[ngram", "num_speculative_tokens": 3}\n',
            "h100-sxm-80",
        ),
    ],
)
def test_what_is_not_followed_leaves_no_verdict(name: str, settings: str, gpu: str) -> None:
    """Another method, release, GPU or companion leaves the verdict unknown."""
    assert plan(name, settings, gpu).verdict == "unknown"


def test_token_ids_are_kept_on_the_gpu() -> None:
    """Every slot keeps its longest context: 256 × 8192 × 4 B, scores of 256 positions each, and drafts twice."""
    state = drafting_state(NGRAM, 256, 8192, last_stage=True)
    assert state.bytes == 8 * 2**20 + 256 * 32 * 8 + 2 * 256 * 4 * 8
    assert drafting_state(NGRAM, 256, 8192, last_stage=False).bytes == 8 * 2**20 + 256 * 4 * 8


@pytest.mark.parametrize(("length", "scanned"), [(1024, 4), (1000, 8), (100, 2), (40, 1), (7, 1)])
def test_scores_of_short_contexts(length: int, scanned: int) -> None:
    """Short contexts are scanned in smaller pieces: by 256, 128, 64, or whole."""
    slots = drafting_state(replace(NGRAM, num_speculative_tokens=0), 1, length, last_stage=True)
    assert slots.bytes == length * 4 + scanned * 8


def test_token_ids_leave_less_for_the_kv_cache() -> None:
    """The KV cache loses the token ids and the graphs of the additional sizes, nothing else."""
    model, gpu = spec("llama-8b"), card("h100-sxm-80")

    def left(args: EngineArgs) -> StartupBudget:
        found = startup(
            model, replace(args, enforce_eager=True), gpu, (Term("weights", 16 * GIB, ""),), max_model_len=131072
        )
        assert isinstance(found, StartupBudget), found
        return found

    plain, drafting = left(EngineArgs(vllm_version=Version(0, 32, 0))), left(NGRAM)
    lost = plain.kv_cache_available.expected - drafting.kv_cache_available.expected
    assert lost == 1024 * 131072 * 4 + 1024 * 512 * 8 + 2 * 1024 * 4 * 8


def test_the_setting_reaches_the_budget() -> None:
    """A file with n-gram drafting gets a verdict, and its budget holds the token ids."""
    found, without = plan("Qwen3-8B", f"max-model-len: 4096\n{SETTING}"), plan("Qwen3-8B", "max-model-len: 4096\n")
    assert found.verdict == "fits"
    assert isinstance(found.estimate, Estimate)
    assert isinstance(without.estimate, Estimate)
    more = found.estimate.budget.non_torch.bytes - without.estimate.budget.non_torch.bytes
    assert more == 1024 * 4096 * 4 + 1024 * 16 * 8 + 2 * 1024 * 4 * 8


def test_graphs_of_few_requests() -> None:
    """Of 4 requests with 2 drafts each: the usual sizes up to 24, and 3, 6 and 12 for steps of whole requests."""
    sizes, whole = graph_sizes(4, 2)
    assert sizes == (1, 2, 3, 4, 6, 8, 12, 16, 24)
    assert whole == (3, 6, 9, 12)


def test_graphs_of_many_requests_end_at_the_ceiling() -> None:
    """Of 256 requests with 4 drafts the largest graph holds 512 tokens, the largest whole step of decoding 500."""
    sizes, whole = graph_sizes(256, 4)
    assert sizes[-1] == 512
    assert {5, 10, 20, 40, 480} <= set(sizes)
    assert whole[-1] == 500


def test_async_scheduling_ends_with_ngram_only() -> None:
    """The method ngram turns asynchronous scheduling off, which leaves one step in flight; ngram_gpu does not."""
    model, gpu = spec("llama-8b"), card("l40s")
    steps = {
        method: concurrent_batches(
            model, replace(NGRAM, speculative_method=method), gpu.capability, kv_era(NGRAM.vllm_version)
        )
        for method in ("ngram", "ngram_gpu")
    }
    assert steps == {"ngram": 1, "ngram_gpu": 2}


def test_windows_hold_the_tokens_of_the_steps_in_flight() -> None:
    """A windowed layer reserves for one step in flight with ngram, for two with ngram_gpu or without drafts."""
    model = spec_of(MODELS["gemma-3-1b-it"])
    methods = ("ngram", "ngram_gpu", None)
    steps = [
        concurrent_batches(model, replace(NGRAM, speculative_method=method), (9, 0), kv_era(NGRAM.vllm_version))
        for method in methods
    ]
    assert steps == [1, 2, 2]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('{"method": "suffix", "num_speculative_tokens": 3}', "model runner V1"),
        ('{"method": "medusa", "model": "org/medusa", "num_speculative_tokens": 3}', "model runner V1"),
        ('{"method": "dflash", "model": "org/x", "num_speculative_tokens": 3}', "layers of dflash"),
        ('{"method": {"a": 1}}', "is followed for"),
        ("[]", "is followed for"),
    ],
)
def test_the_reason_names_the_method(setting: str, words: str) -> None:
    """What is not followed says which method it is about, and what is certain of it."""
    found = plan("Qwen3-8B", f"speculative-config: '{setting}'\n")
    assert found.verdict == "unknown"
    assert words in found.unmodelled[0].reason

"""The options of ``vllm serve``: spellings, versions, types and marks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vram_engine.facts import flags
from vram_engine.facts.flags import (
    SCANNED,
    Ambiguous,
    Flag,
    all_flags,
    edit_distance,
    flag,
    removed_flag,
    resolve_flag,
    short_flag,
    sizing_flags,
    suggest_flags,
)
from vram_engine.facts.versions import NEWEST, Version


def _resolved(name: str) -> str:
    found = resolve_flag(name)
    assert isinstance(found, Flag), f"{name}: {found}"
    return found.name


def test_the_table_is_complete() -> None:
    """317 options of 0.32.0, 63 that went before and 3 that came after."""
    current = [known for known in all_flags() if known.accepted_by(Version(0, 32, 0))]
    assert len(current) == 317
    assert sum(known.gone_in is not None for known in all_flags()) == 63
    assert len(all_flags()) == 383


def test_every_row_says_what_it_is() -> None:
    """Descriptions are short sentences of their own, and types are of the known kinds."""
    kinds = {"str", "int", "float", "bool", "json", "json or str", "list[str]", "list[int]", "list[float]"}
    for known in all_flags():
        assert 0 < len(known.description) <= 90, known.name
        assert known.type in kinds, known.name
        assert known.group
        assert known.type.startswith("list[") == (known.nargs == "+"), known.name
        assert not known.choices or known.default is None or str(known.default) in known.choices, known.name
        assert known.replacement is None or flag(known.replacement) is not None, known.name


def test_kebab_and_snake_case_name_the_same_flag() -> None:
    """Dashes and underscores are one to vLLM's parser."""
    assert flag("gpu_memory_utilization") is flag("gpu-memory-utilization")
    assert flag("--gpu-memory-utilization") is None


def test_other_names_lead_to_the_flag() -> None:
    """A second long name and the short options of the parser are known."""
    assert _resolved("device-memory-utilization") == "gpu-memory-utilization"
    short = {
        option: known.name
        for option in ("-tp", "-pp", "-dp", "-q", "-ep", "-sc", "-cc")
        if (known := short_flag(option))
    }
    assert short == {
        "-tp": "tensor-parallel-size",
        "-pp": "pipeline-parallel-size",
        "-dp": "data-parallel-size",
        "-q": "quantization",
        "-ep": "enable-expert-parallel",
        "-sc": "speculative-config",
        "-cc": "compilation-config",
    }


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("max-num-seq", "max-num-seqs"),
        ("max_num_batched_token", "max-num-batched-tokens"),
        ("kv-cache-memory", "kv-cache-memory-bytes"),
        ("tensor-parallel", "tensor-parallel-size"),
        ("model", "model"),
    ],
)
def test_a_unique_prefix_is_the_flag(prefix: str, name: str) -> None:
    """argparse takes abbreviations, and an exact name before any longer one."""
    assert _resolved(prefix) == name


def test_a_prefix_of_several_flags_is_ambiguous() -> None:
    """The parser refuses it, so it is no flag and no misspelling either."""
    found = resolve_flag("max-num")
    assert isinstance(found, Ambiguous)
    assert {"max-num-seqs", "max-num-batched-tokens"} <= set(found.candidates)
    assert isinstance(resolve_flag("no"), Ambiguous)


@pytest.mark.parametrize("name", ["", "zzz", "no-enable-prefix-caching", "model-tag", "max-tokens", "x" * 10_000])
def test_what_is_no_option_is_nothing(name: str) -> None:
    """Unknown words, ``no-`` forms and the positional model are not options by that name."""
    assert resolve_flag(name) is None


def test_prefixes_follow_the_version() -> None:
    """``--device`` was an option of its own once; ``--swap`` is one only where swap-space is."""
    assert _resolved("device") == "device"
    swap = resolve_flag("swap", Version(0, 16, 0))
    assert isinstance(swap, Flag)
    assert swap.name == "swap-space"
    assert not isinstance(resolve_flag("swap", Version(0, 18, 0)), Flag)


@pytest.mark.parametrize(
    ("name", "version", "accepted"),
    [
        ("swap-space", Version(0, 16, 0), True),
        ("swap-space", Version(0, 17, 0), None),
        ("swap-space", Version(0, 18, 0), False),
        ("kv-cache-memory-bytes", Version(0, 9, 2), False),
        ("kv-cache-memory-bytes", Version(0, 10, 0), None),
        ("kv-cache-memory-bytes", Version(0, 10, 2), True),
        ("gpu-memory-utilization", Version(0, 6, 0), True),
        ("task", Version(0, 12, 0), True),
        ("task", Version(0, 14, 1), False),
        ("sleep-mode-backend", Version(0, 32, 0), False),
        ("sleep-mode-backend", Version(0, 33, 0), True),
        ("cuda-graph-sizes", Version(0, 8, 5), False),
        ("cuda-graph-sizes", Version(0, 11, 0), True),
        ("cuda-graph-sizes", Version(0, 14, 1), False),
    ],
)
def test_a_flag_is_accepted_between_the_versions_scanned(name: str, version: Version, accepted: bool | None) -> None:
    """Between the last release seen with a flag and the first without it, nothing is claimed."""
    known = flag(name)
    assert known is not None
    assert known.accepted_by(version) is accepted


def test_removed_flags_say_what_to_use() -> None:
    """A flag counts as removed from the first release seen without it, with its successor where it has one."""
    gone = removed_flag("disable_log_requests", NEWEST)
    assert gone is not None
    assert (gone.until, gone.gone_in, gone.replacement) == (Version(0, 16, 0), Version(0, 18, 0), "enable-log-requests")
    assert removed_flag("disable-log-requests", Version(0, 16, 0)) is None
    assert removed_flag("max-model-len", NEWEST) is None


def test_types_ranges_and_defaults_are_data() -> None:
    """What the parser checks is in the row: range, choices, human-readable integers, switches."""
    utilization, length, dtype, eager = (
        flag(name) for name in ("gpu-memory-utilization", "max-model-len", "dtype", "enforce-eager")
    )
    assert utilization is not None
    assert (utilization.type, utilization.gt, utilization.le, utilization.default) == ("float", 0, 1, 0.92)
    assert length is not None
    assert (length.human_int, length.ge, length.nullable, length.default) == (True, -1, False, None)
    assert dtype is not None
    assert dtype.choices == ("auto", "bfloat16", "float", "float16", "float32", "half")
    assert eager is not None
    assert (eager.type, eager.has_no_form, eager.default) == ("bool", True, False)


def test_human_readable_integers_are_those_of_the_parser() -> None:
    """Six flags take 32k and 32K (vllm/engine/arg_utils.py)."""
    assert {known.name for known in all_flags() if known.human_int} == {
        "max-model-len",
        "max-num-batched-tokens",
        "max-num-scheduled-tokens",
        "kv-cache-memory-bytes",
        "safetensors-prefetch-block-size",
        "max-num-queued-tokens",
    }


def test_flags_that_change_memory_are_marked() -> None:
    """What vLLM's accounting reads is marked; what only names, logs or listens is not."""
    assert {
        *("max-model-len", "gpu-memory-utilization", "kv-cache-dtype", "block-size", "tensor-parallel-size"),
        *("max-num-seqs", "max-num-batched-tokens", "enforce-eager", "enable-lora", "max-lora-rank", "cpu-offload-gb"),
        *(
            "speculative-config",
            "limit-mm-per-prompt",
            "kv-cache-memory-bytes",
            "num-gpu-blocks-override",
            "hf-overrides",
        ),
        *("disable-hybrid-kv-cache-manager", "compilation-config", "quantization", "dtype", "performance-mode"),
    } <= sizing_flags()
    assert not {"port", "host", "served-model-name", "api-key", "seed", "swap-space", "tokenizer"} & sizing_flags()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gpu-memory-utilisation", "gpu-memory-utilization"),
        ("max_modle_len", "max-model-len"),
        ("max-model-length", "max-model-len"),
        ("tenosr-parallel-size", "tensor-parallel-size"),
        ("quantisation", "quantization"),
        ("dtpe", "dtype"),
    ],
)
def test_a_misspelling_leads_to_the_flag(typed: str, meant: str) -> None:
    """A few keystrokes off is close enough."""
    assert suggest_flags(typed)[0] == meant


@pytest.mark.parametrize("name", ["tensor-model-parallel-size", "temperature", "max-tokens", "name", "model-name", ""])
def test_another_word_is_not_a_misspelling(name: str) -> None:
    """Keys of other programs do not come close, however alike they read."""
    assert suggest_flags(name) == ()


def test_edit_distance_counts_keystrokes() -> None:
    """Adding, dropping, replacing and swapping neighbours cost one each."""
    pairs = [
        ("abc", "abc"),
        ("abc", "ab"),
        ("abc", "abcd"),
        ("abc", "axc"),
        ("abc", "acb"),
        ("", "abc"),
        ("abc", "cab"),
    ]
    assert [edit_distance(one, other) for one, other in pairs] == [0, 1, 1, 1, 1, 3, 2]


def test_an_unknown_key_in_the_data_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt key of a row does not pass unnoticed."""
    row = {"group": "g", "type": "str", "description": "d", "chioces": ["a"]}
    monkeypatch.setattr(flags, "table", lambda _: {"x": row})
    with pytest.raises(TypeError, match="chioces"):
        flags._flags.__wrapped__()


def test_changes_are_of_scanned_versions() -> None:
    """Every version in the table is one of those that were scanned."""
    for known in all_flags():
        assert {known.since, known.gone_in} - {None} <= set(SCANNED), known.name


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_no_text_breaks_the_lookups(text: str) -> None:
    """Whatever a key says, the lookups answer."""
    assert resolve_flag(text) is None or isinstance(resolve_flag(text), Flag | Ambiguous)
    assert all(flag(name) for name in suggest_flags(text))


def test_core_flags_belong_to_vllm_alone() -> None:
    """The signature of its config file is made of these; words that any program uses are not among them."""
    core = {known.name for known in all_flags() if known.core}
    assert {
        *("gpu-memory-utilization", "max-model-len", "tensor-parallel-size", "max-num-seqs", "max-num-batched-tokens"),
        *("kv-cache-dtype", "enforce-eager", "enable-prefix-caching", "compilation-config", "speculative-config"),
        *("limit-mm-per-prompt", "tool-call-parser"),
    } <= core
    assert not {"model", "host", "port", "dtype", "seed", "config", "revision", "load-format"} & core

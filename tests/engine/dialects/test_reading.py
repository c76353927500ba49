"""The same deployment says the same, whatever dialect and spelling it is written in."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.deployment import Known, Setting


def effective(text, *settings):
    """Every known value in force of a text's only deployment."""
    (plan,) = analyse(text, Context(settings=settings)).plans
    return {name: plan.deployment.value(name) for name in plan.deployment.settings}


def remarks(text):
    """What a text's only deployment was found fault with: kind, written place, suggestion."""
    (plan,) = analyse(text).plans
    return [(each.kind, each.place.route[-1], each.instead) for each in plan.deployment.remarks]


def test_flags_are_read_in_any_spelling():
    """Kebab, snake, unique beginnings and quoted numbers mean the same flag and value."""
    for text in (
        "model: m\nmax-model-len: 8192\ntensor-parallel-size: 2\n",
        "model: m\nmax_model_len: '8192'\ntensor_parallel_size: 2\n",
        "model: m\ngpu-memory-utilization: 0.9\nmax-model: 8192\ntensor-par: 2\n",
    ):
        values = effective(text)
        assert (values["max-model-len"], values["tensor-parallel-size"]) == (8192, 2), text


@pytest.mark.parametrize(
    ("written", "value"), [("32k", 32000), ("32K", 32768), ("25.6k", 25600), ("auto", -1), ("010", 8)]
)
def test_lengths_are_read_as_vllm_reads_them(written, value):
    """k is a thousand and K is 1024 (vLLM's CLI guide); YAML 1.1 reads a leading 0 as octal."""
    assert effective(f"model: m\nmax-model-len: {written}\n")["max-model-len"] == value


def test_switches_follow_vllms_loader():
    """false becomes --no-key, which exists for the kebab spelling alone; no-key: true is the same as key: false."""
    text = "model: m\nmax-model-len: 1024\n{}\n"
    assert effective(text.format("enable-prefix-caching: false"))["enable-prefix-caching"] is False
    assert effective(text.format("no-enable-prefix-caching: true"))["enable-prefix-caching"] is False
    assert effective(text.format("enforce-eager: yes"))["enforce-eager"] is True
    assert "enable-prefix-caching" not in effective(text.format("enable_prefix_caching: false"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("max-model-lenn: 5", ("unknown-key", "max-model-lenn", "max-model-len")),
        ("max: 5", ("unknown-key", "max", None)),
        ("max-num-seqs: 1e3", ("invalid-value", "max-num-seqs", None)),
        ("max-num-seqs: true", ("invalid-value", "max-num-seqs", None)),
        ("max-num-seqs: 0", ("invalid-value", "max-num-seqs", None)),
        ("max-num-seqs: [1]", ("invalid-value", "max-num-seqs", None)),
        ("dtype: bfloat", ("invalid-value", "dtype", "bfloat16")),
        ("enforce-eager: 'true'", ("invalid-value", "enforce-eager", "true")),
        ("block-size: 25.6K", ("invalid-value", "block-size", None)),
    ],
)
def test_what_vllm_would_refuse_is_remarked(line, expected):
    """A wrong key or value is named, with what was probably meant."""
    text = f"model: m\nmax-model-len: 1024\ngpu-memory-utilization: 0.9\nkv-cache-dtype: auto\n{line}\n"
    assert remarks(text) == [expected]


def test_a_key_without_a_value_yet_says_nothing():
    """While a value is still to be typed, the setting counts as left out."""
    assert "max-num-seqs" not in effective("model: m\nmax-model-len: 1024\nmax-num-seqs:\n")
    assert remarks("model: m\nmax-model-len: 1024\nmax-num-seqs:\n") == []


PROFILE = """\
profile_version: 1
model:
  id: m
  dtype: fp16
  kv_cache_dtype: fp8_e4m3fn
  max_model_len: 32K
hardware:
  gpu: l4
  vram_gb: 20
  tensor_parallel_size: 2
policy:
  gpu_memory_utilization: 0.8
outputs:
  vllm_args:
    max-num-seqs: 64
    gpu-memory-utilization: 0.85
"""


def test_a_profile_speaks_vllms_names():
    """Short names are vLLM's, vram_gb is GiB, flags passed on win, and defaults are there but weak."""
    values = effective(PROFILE)
    assert values["dtype"] == "float16"
    assert values["kv-cache-dtype"] == "fp8_e4m3"
    assert values["max-model-len"] == 32768
    assert values["gpu-memory-bytes"] == 20 * 2**30
    assert values["tensor-parallel-size"] == 2
    assert values["gpu-memory-utilization"] == 0.85
    assert values["max-num-seqs"] == 64
    assert (values["gpus"], values["concurrency"], values["headroom-gib"]) == (1, 1, 1.0)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ('tp_size: "2"', "tensor-parallel-size", 2),
        ("tp_size: 2.0", "tensor-parallel-size", 2),
        ('gpus: "8"', "gpus", 8),
    ],
)
def test_a_number_in_quotes_is_the_number_the_schema_reads(line, name, value):
    """What the schema accepts is used as the schema reads it."""
    read = effective(f"profile_version: 1\nhardware:\n  {line}\n")[name]
    assert (read, type(read)) == (value, int)


def test_a_wrong_value_is_unknown_and_not_the_default():
    """A value the schema refuses leaves its setting unknown, so that nothing is sized with a default in its place."""
    values = effective("profile_version: 1\nmodel:\n  kv_cache_dtype: fp9\nworkload:\n  concurrency: many\n")
    assert values["kv-cache-dtype"] is None
    assert values["concurrency"] is None


def test_merged_keys_are_read():
    """PyYAML follows <<, and so does vLLM."""
    text = "profile_version: 1\nmodel: &m {id: a, max_model_len: 4096}\nhardware: {gpus: 2}\n"
    text += "outputs: {vllm_args: {<<: {max-num-seqs: 8}, max-num-batched-tokens: 64}}\n"
    values = effective(text)
    assert (values["max-num-seqs"], values["max-num-batched-tokens"]) == (8, 64)


def test_of_a_key_written_twice_the_last_is_read_and_remarked():
    """A mistake in the first of two equal keys is none, because YAML drops it."""
    text = "model: m\ngpu-memory-utilization: 0.9\nmax-model-len: foo\nmax-model-len: 8192\n"
    assert effective(text)["max-model-len"] == 8192
    assert [each for each in remarks(text) if each[0] == "invalid-value"] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("dtype: fp16", "dtype: fp17", ("invalid-value", "dtype", "fp16")),
        ("dtype: fp16", "dtyp: fp16", ("unknown-key", "dtyp", "dtype")),
        ("gpu: l4", "gpus: true", ("invalid-value", "gpus", None)),
        ("gpu: l4", "gpus: 0", ("invalid-value", "gpus", None)),
        ("hardware:", "hardwear:", ("unknown-key", "hardwear", "hardware")),
        ("vram_gb: 20", "vram_gb: .nan", ("invalid-value", "vram_gb", None)),
        ("max-num-seqs: 64", "max-num-seq: x", ("invalid-value", "max-num-seq", None)),
    ],
)
def test_a_profiles_mistakes_are_where_they_are_written(old, new, expected):
    """Unknown keys and wrong values are remarked at their own place, and cost nothing else."""
    text = PROFILE.replace(old, new)
    assert remarks(text) == [expected]
    assert effective(text)["model"] == "m"


def test_authority_goes_from_argument_to_default():
    """Argument over directive over file over project file over editor over this machine over default."""
    origins = ("detected", "settings", "project", "argument")
    outside = [Setting("gpus", Known(number), origin) for number, origin in enumerate(origins, 10)]
    text = "profile_version: 1\nhardware:\n  gpus: 4\n"
    assert effective(text)["gpus"] == 4
    assert effective("profile_version: 1\n")["gpus"] == 1
    assert effective("profile_version: 1\n", outside[0])["gpus"] == 10
    assert effective("profile_version: 1\n", *outside[:2])["gpus"] == 11
    assert effective("profile_version: 1\n", *outside[:3])["gpus"] == 12
    assert effective(text, *outside[:3])["gpus"] == 4
    assert effective("# vram: gpus=5\n" + text, *outside[:3])["gpus"] == 5
    assert effective("# vram: gpus=5\n" + text, *outside)["gpus"] == 13


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("gpu=l4 gpsu=2", "gpsu"),
        ("gpus=two", "gpus=two"),
        ("gpus=0", "gpus=0"),
        ("vllm=latest", "vllm=latest"),
        ("estimator=guess", "estimator=guess"),
        ("hello", "'hello'"),
    ],
)
def test_a_directive_that_means_nothing_is_found(directive, message):
    """Misspelt keys, impossible values and stray words are findings in the comment itself."""
    findings = analyse(f"# vram: {directive}\nmodel: m\nmax-model-len: 1024\n").findings
    (found,) = [each for each in findings if each.rule == "invalid-directive"]
    assert message in found.message


def test_a_directive_speaks_for_its_own_document():
    """Hardware said in one document is not that of the next."""
    plans = analyse("# vram: gpu=l4\nmodel: a\nmax-model-len: 1\n---\nmodel: b\nmax-model-len: 1\n").plans
    assert [plan.deployment.value("gpu") for plan in plans] == ["l4", None]

"""Compose files: what a service runs, which GPUs it has, who shares them, and how that is written back."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context
from vram_engine.fixing import edits_of
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.syntax.edits import apply

SERVICE = """\
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    command: --model m --max-model-len 1024 --tensor-parallel-size 2
"""


def devices(text):
    """A service with a reservation of GPUs."""
    return (
        SERVICE
        + f"""\
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              {text}
              capabilities: [gpu]
"""
    )


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        (devices("count: 4"), 4),
        (devices('count: "4"'), 4),
        (devices("count: ${N:-4}"), 4),
        (devices("count: $N"), "? $N is set outside this file"),
        (devices("count: all"), None),
        (devices("options: {}"), None),
        (devices('device_ids: ["0", "3"]'), 2),
        (devices("device_ids: ['GPU-aa']"), 1),
        (SERVICE + "    gpus: all\n", None),
        (SERVICE + "    gpus:\n      - count: 2\n", 2),
        (SERVICE + "    runtime: nvidia\n", None),
        (SERVICE + "    runtime: nvidia\n    environment:\n      NVIDIA_VISIBLE_DEVICES: 0,1,2\n", 3),
        (SERVICE + "    gpus: all\n    environment:\n      - CUDA_VISIBLE_DEVICES=0,1\n", 2),
        (SERVICE + "    gpus: all\n    environment:\n      - CUDA_VISIBLE_DEVICES=${D:-1}\n", 1),
        (SERVICE, None),
    ],
)
def test_gpus_are_counted_where_the_file_counts_them(text, gpus, said):
    """Reservations, device ids and visible devices; all the machine has is no number."""
    assert said(text).get("gpus") == gpus


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("shm_size: 16gb", 16 * 2**30),
        ("shm_size: '8g'", 8 * 2**30),
        ("shm_size: 1000000", 1000000),
        ("ipc: host", "? shared memory of elsewhere"),
        ("volumes: [/dev/shm:/dev/shm]", "? a mount on /dev/shm"),
        ("tmpfs: /x", 64 * 2**20),
        ("restart: always", 64 * 2**20),
    ],
)
def test_shared_memory_is_known_where_it_is_set_or_left_out(line, size, said):
    """A size, the host's, a mount, or the 64 MiB that every container gets."""
    assert said(f"{SERVICE}    {line}\n")["shm-bytes"] == size


def test_merges_and_extends_are_followed(deployments):
    """Own keys replace merged ones whole, and a service may take over another one's."""
    text = """\
x-base: &base
  image: vllm/vllm-openai:v0.10.0
  environment:
    A: "1"
  gpus:
    - count: 2
services:
  one:
    <<: *base
    command: --model a --max-model-len 1024
  two:
    extends: one
    command: --model b --max-model-len 1024
    gpus:
      - count: 1
  three:
    extends:
      service: two
"""
    found = deployments(text)
    assert [(each.name, each.value("model"), each.value("gpus"), each.value("vllm-version")) for each in found] == [
        ("one", "a", 2, "0.10.0"),
        ("two", "b", 1, "0.10.0"),
        ("three", "b", 1, "0.10.0"),
    ]


def test_what_is_shared_is_not_changed(analysed):
    """A value that other services read from the same anchor is left alone, and so is a value set elsewhere."""
    text = """\
x-args: &args
  - --model=m
  - --max-model-len=1024
services:
  one:
    image: vllm/vllm-openai
    command: *args
  two:
    image: vllm/vllm-openai
    command: [--model, "m", --max-num-seqs, $SEQS]
"""
    analysis = analysed(text)
    assert edits_of(analysis, Fix("", ChangeSettings(0, {"max-model-len": 2048})), Context()) is None
    assert edits_of(analysis, Fix("", ChangeSettings(1, {"max-num-seqs": 8})), Context()) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (devices("count: 2"), devices("count: 4")),
        (devices('device_ids: ["0", "1"]'), devices('device_ids: ["0", "1", "2", "3"]')),
        (devices("device_ids:\n                - '0'\n                - '1'"), None),
        (devices("count: all"), devices("count: all")),
        (SERVICE + "    gpus: all\n    environment:\n      CUDA_VISIBLE_DEVICES: 0,1\n", None),
    ],
)
def test_more_ranks_need_more_gpus_in_the_same_edit(before, after, analysed):
    """Raising tensor-parallel-size raises the count, or names more devices, together."""
    if after is None:
        after = before.replace("'1'", "'1'\n                - '2'\n                - '3'").replace(": 0,1", ": 0,1,2,3")
    edits = edits_of(analysed(before), Fix("", ChangeSettings(0, {"tensor-parallel-size": 4})), Context())
    assert apply(before, edits) == after.replace("-size 2", "-size 4")


def test_gaps_in_device_ids_are_not_guessed(analysed):
    """Which other card to take is not for us to say."""
    text = devices('device_ids: ["0", "2"]')
    assert edits_of(analysed(text), Fix("", ChangeSettings(0, {"tensor-parallel-size": 4})), Context()) is None


def two(first, second, flags="--gpu-memory-utilization 0.6"):
    """Two services of one image."""
    return f"""\
services:
  a:
    image: vllm/vllm-openai:v0.32.0
    command: --model m {flags}
    {first}
  b:
    image: vllm/vllm-openai:v0.32.0
    command: --model m {flags}
    {second}
"""


@pytest.mark.parametrize(
    ("text", "peers"),
    [
        (two("gpus: [{count: 1}]", "gpus: [{count: 1}]"), True),
        (two("gpus: all", "gpus: all"), True),
        (two("gpus: all", "gpus: [{device_ids: ['0']}]"), True),
        (two("gpus: [{device_ids: ['0']}]", "gpus: [{device_ids: ['1']}]"), False),
        (two("gpus: all", "environment: {CUDA_VISIBLE_DEVICES: 1}\n    gpus: all"), False),
        (two("gpus: [{count: 2}]", "gpus: [{count: 2}]", "--gpu-memory-utilization 0.6 -tp 2"), True),
        (two("gpus: all\n    profiles: [x]", "gpus: all\n    profiles: [y]"), False),
        (two("restart: always", "restart: always"), False),
        (two("gpus: all", "gpus: all", "--gpu-memory-utilization 0.6 $MORE"), False),
    ],
)
def test_peers_are_those_on_the_same_device(text, peers, deployments):
    """By number, by id, or by default the first card; services of different profiles do not meet."""
    found = deployments(text)
    assert [[peer.name for peer in each.peers] for each in found] == ([["b"], ["a"]] if peers else [[], []])


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("--gpu-memory-utilization 0.6", 2),
        ("--gpu-memory-utilization 0.5", 0),
        ("--max-model-len 1024", 2),
        ("--gpu-memory-utilization 0.6 --enable-sleep-mode", 0),
        ("--kv-cache-memory-bytes 1G", 0),
    ],
)
def test_shares_of_one_gpu_add_up(flags, found, analysed):
    """The default share counts; engines that can sleep, or that count bytes, are left alone."""
    findings = analysed(two("gpus: all", "gpus: all", flags)).findings
    assert [each.rule for each in findings if each.severity == "error"] == ["gpu-shared-over-committed"] * found


@pytest.mark.parametrize(
    ("flags", "verdict", "found"),
    [
        ("--gpu-memory-utilization 0.6", "infeasible", True),
        # 0.5 of the card is free of 0.5 that is asked for, but for the process's own CUDA context.
        ("--gpu-memory-utilization 0.5", "infeasible", True),
        ("--gpu-memory-utilization 0.45", "fits", False),
        ("--gpu-memory-utilization 0.6 --enable-sleep-mode", "unknown", False),
    ],
)
def test_the_second_engine_is_sized_in_what_the_first_leaves(flags, verdict, found, analysed):
    """The verdict and the finding about a shared GPU agree, and nothing else is said of the memory."""
    text = "# vram: gpu=h100\n" + two("gpus: all", "gpus: all", flags).replace("--model m", "--model Qwen/Qwen3-8B")
    analysis = analysed(text)
    assert [plan.verdict for plan in analysis.plans] == [verdict] * 2
    errors = {each.rule for each in analysis.findings if each.severity == "error"}
    assert errors == ({"gpu-shared-over-committed"} if found else set())


def test_a_peer_of_unknown_size_leaves_no_verdict(analysed):
    """Bytes of KV cache are no share of the GPU."""
    text = "# vram: gpu=h100\n" + two("gpus: all", "gpus: all", "--kv-cache-memory-bytes 1G").replace(
        "model m", "model Qwen/Qwen3-8B"
    )
    assert [plan.verdict for plan in analysed(text).plans] == ["unknown"] * 2


@pytest.mark.parametrize(
    ("service", "rules"),
    [
        ("command: [vllm, serve, m]", ["vllm-serve-repeated"]),
        ("command: python3 -m vllm.entrypoints.openai.api_server --model m", ["vllm-serve-repeated"]),
        ("command: bash -c 'vllm serve m'", ["vllm-serve-repeated"]),
        ("command: [vllm serve m/n, --max-model-len, '5']", ["vllm-serve-repeated"]),
        ("entrypoint: []\n    command: [vllm, serve, m]", []),
        ("entrypoint: vllm serve\n    command: m", []),
        ("command: m/n\n    environment: {VLLM_MAX_MODEL_LEN: 5}", ["unread-environment-variable"]),
        ("command: m/n --max-model-len 5\n    environment: {VLLM_MAX_MODEL_LEN: 5}", []),
        ("command: m/n\n    environment: {VLLM_LOGGING_LEVEL: INFO, VLLM_API_KEY: x, VLLM_PORT: 1}", []),
        ("command: m/n -tp 2", ["shared-memory-missing"]),
        ("command: m/n -tp 2\n    ipc: host", []),
    ],
)
def test_traps_of_containers(service, rules, analysed):
    """A repeated entrypoint, variables that nothing reads, and too little shared memory."""
    findings = analysed(f"services:\n  a:\n    image: vllm/vllm-openai:v0.32.0\n    {service}\n").findings
    assert [each.rule for each in findings if each.severity != "information"] == rules


def test_a_finding_inside_a_value_is_silenced_above_its_key(analysed):
    """No comment fits into a folded command; the one above the key speaks for all of it."""
    from vram_engine.fixing import ignore_edits

    text = (
        "services:\n  a:\n    image: vllm/vllm-openai\n    command: >\n      --model m/n\n      --enforce-eager=true\n"
    )
    analysis = analysed(text)
    (finding,) = [each for each in analysis.findings if each.rule == "boolean-with-value"]
    changed = apply(text, ignore_edits(analysis, finding, Context()))
    assert "    # vram: ignore[boolean-with-value]\n    command: >\n" in changed
    assert "boolean-with-value" not in {each.rule for each in analysed(changed).findings}

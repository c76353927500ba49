"""Profiles of AMD's inference microservices: vLLM's options for so many of one GPU."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context
from vram_engine.fixing import edits_of
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.syntax.edits import apply

PROFILE = """\
model_id: Qwen/Qwen3-32B
metadata:
  engine: vllm
  gpu: MI300X
  precision: fp16
  gpu_count: 2
  metric: latency
engine_args:
  tensor-parallel-size: 2
  max_model_len: 32768
  %s
env_vars: {VLLM_DO_NOT_TRACK: "1"}
"""


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("enforce-eager: null", True),
        ("enforce_eager:", True),
        ("enforce-eager: true", True),
        # Left out of the command line, so that the default stays.
        ("enforce-eager: false", None),
        ("no-enforce-eager: null", False),
    ],
)
def test_switches_are_keys_without_a_value(line, value, said):
    """Present or true is on, the opposite switch is off, and false says nothing."""
    values = said(PROFILE % line)
    assert values.get("enforce-eager") == value
    assert (values["model"], values["gpu"], values["gpus"], values["max-model-len"]) == (
        "Qwen/Qwen3-32B",
        "MI300X",
        2,
        32768,
    )


@pytest.mark.parametrize(
    "text",
    [
        PROFILE.replace("engine: vllm", "engine: vllm_omni") % "seed: 1",
        PROFILE.replace("engine: vllm", "engine: bentoml") % "seed: 1",
        PROFILE.replace("  gpu: MI300X\n", "") % "seed: 1",
        PROFILE.replace("engine_args", "args") % "seed: 1",
        "apiVersion: v1\nkind: X\n" + PROFILE % "seed: 1",
        "metadata: {engine: vllm, gpu: MI300X}\nengine_args: []\n",
    ],
)
def test_other_engines_and_kinds_stay_silent(text, deployments):
    """Only a profile of vLLM's that names its GPU is one."""
    assert deployments(text) == ()


def test_later_profiles_say_the_gpu_twice(said, analysed):
    """Either name will do, and a fix that raises the number raises both."""
    text = (PROFILE % "seed: 1").replace("  gpu_count: 2", "  gpu_count: 2\n  accelerator_count: 2")
    fix = Fix("", ChangeSettings(0, {"tensor-parallel-size": 4}))
    changed = apply(text, edits_of(analysed(text), fix, Context()))
    assert ("gpu_count: 4\n  accelerator_count: 4" in changed, "tensor-parallel-size: 4" in changed) == (True, True)
    later = text.replace("gpu: MI300X", "accelerator_type: gpu\n  accelerator_model: MI300X").replace(
        "gpu_count: 2\n", ""
    )
    assert said(later)["gpu"] == "MI300X"


def test_every_beginning_of_a_profile_gets_an_answer(deployments):
    """Whatever is typed so far."""
    text = PROFILE % "enforce-eager: null"
    for end in range(len(text)):
        deployments(text[:end])

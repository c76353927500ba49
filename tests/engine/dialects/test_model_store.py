"""VLLM_USE_MODELSCOPE in the environment of a launch: recognised, and no verdict about what is not read."""

from __future__ import annotations

import pytest

COMPOSE = """# vram: gpu=l4
services:
  vllm:
    image: vllm/vllm-openai:v0.10.1
    environment:
      VLLM_USE_MODELSCOPE: {value}
    command: --model {model} --max-model-len 4096
"""
POD = """# vram: gpu=l4
apiVersion: v1
kind: Pod
metadata: {{name: llm}}
spec:
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.10.1
      env: [{{name: VLLM_USE_MODELSCOPE, value: "{value}"}}]
      args: [--model, {model}, --max-model-len, "4096"]
"""
SCRIPT = """# vram: gpu=l4
services:
  vllm:
    image: vllm/vllm-openai:v0.10.1
    entrypoint: [sh, -c, "VLLM_USE_MODELSCOPE={value} vllm serve {model} --max-model-len 4096"]
"""
MODEL = "Qwen/Qwen2.5-0.5B-Instruct"


@pytest.mark.parametrize("text", [COMPOSE, POD, SCRIPT])
@pytest.mark.parametrize("value", ["True", "1"])
def test_another_store_is_said_and_not_sized(analysed, text, value):
    """The same id may be another model there, so that there is no verdict, and the reason names the variable."""
    found = analysed(text.format(value=f'"{value}"' if text is COMPOSE else value, model=MODEL))
    (plan,) = found.plans
    assert plan.verdict == "unknown"
    said = [each.message for each in found.findings if each.rule == "not-modelled"]
    assert said == [
        f"no verdict: VLLM_USE_MODELSCOPE has vLLM take {MODEL} from ModelScope, which is not read and may hold another"
    ]


@pytest.mark.parametrize("text", [COMPOSE, POD, SCRIPT])
@pytest.mark.parametrize("value", ["False", "0", "yes"])
def test_what_vllm_reads_as_off_is_off(analysed, text, value):
    """Only 1 and true switch it on."""
    (plan,) = analysed(text.format(value=f'"{value}"' if text is COMPOSE else value, model=MODEL)).plans
    assert plan.verdict == "fits"

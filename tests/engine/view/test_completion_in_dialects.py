"""Every kind of file that launches vLLM is completed where its tensor parallel size is being written."""

from __future__ import annotations

import re

import pytest

from vram_engine.analysis import analyse

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
OPTION = "--tensor-parallel-size"

# A bar where the size would stand; the kind of file it was before the size was taken out.
FILES = {
    "serve-config": f"model: {LLAMA}\nmax-model-len: 8192\ntensor-parallel-size: |\n",
    "profile": f"profile_version: 1\nmodel:\n  id: {LLAMA}\nhardware:\n  tensor_parallel_size: |\n",
    "compose": f"""\
services:
  llm:
    image: vllm/vllm-openai:v0.32.0
    command: --model {LLAMA} {OPTION} |
""",
    "kubernetes": f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  template:
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.32.0
          args:
            - --model={LLAMA}
            - {OPTION}=|
""",
    "kserve": f"""\
apiVersion: serving.kserve.io/v1alpha1
kind: LLMInferenceService
metadata:
  name: llm
spec:
  model:
    uri: hf://{LLAMA}
  parallelism:
    tensor: |
  template:
    containers:
      - name: main
        image: vllm/vllm-openai:v0.32.0
""",
    "production-stack": f"""\
servingEngineSpec:
  modelSpec:
    - name: llm
      repository: vllm/vllm-openai
      tag: v0.32.0
      modelURL: {LLAMA}
      requestGPU: 8
      vllmConfig:
        maxModelLen: 8192
        tensorParallelSize: |
""",
    "llm-d": f"""\
modelArtifacts:
  uri: "hf://{LLAMA}"
decode:
  parallelism:
    tensor: |
  containers:
    - modelCommand: vllmServe
""",
    "ray-serve": f"""\
applications:
  - args:
      llm_configs:
        - model_loading_config:
            model_id: {LLAMA}
          engine_kwargs:
            max_model_len: 8192
            tensor_parallel_size: |
""",
    "skypilot": f"""\
resources:
  accelerators: L4:8
run: |
  vllm serve {LLAMA} \\
    {OPTION} |
""",
    "dstack": f"""\
type: service
name: llm
commands:
  - vllm serve {LLAMA} {OPTION} |
resources:
  gpu: L4:8
""",
    "dynamo": f"""\
apiVersion: nvidia.com/v1beta1
kind: DynamoGraphDeployment
metadata:
  name: g
spec:
  components:
    - name: Worker
      podTemplate:
        spec:
          containers:
            - image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1
              command: [python3]
              args:
                - -m
                - dynamo.vllm
                - --model
                - {LLAMA}
                - {OPTION}
                - |
""",
    "kubeai": f"""\
apiVersion: kubeai.org/v1
kind: Model
metadata:
  name: llm
spec:
  url: hf://{LLAMA}
  engine: VLLM
  args:
    - --max-model-len=8192
    - {OPTION}=|
""",
    "aibrix": f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: t
data:
  templates.yaml: |
    - name: a
      spec:
        engine:
          type: vllm
          version: "0.32.0"
        model_source:
          uri: {LLAMA}
        engine_args:
          max_model_len: 8192
        parallelism:
          tp: |
""",
    "llama-swap": f"""\
models:
  llm:
    cmd: vllm serve {LLAMA} {OPTION} |
""",
    "localai": f"""\
name: llm
backend: vllm
parameters:
  model: {LLAMA}
max_model_len: 8192
tensor_parallel_size: |
""",
    "nemo-evaluator": f"""\
defaults:
  - deployment: vllm
deployment:
  hf_model_handle: {LLAMA}
  max_model_len: 8192
  tensor_parallel_size: |
""",
}


def written(marked: str) -> str:
    """The text with a size where the bar is; the last bar, as one opens a block of text too."""
    before, _, after = marked.rpartition("|")
    return f"# vram: gpu=l4 gpus=8\n{before}1{after}"


@pytest.mark.parametrize(("dialect", "marked"), FILES.items(), ids=FILES)
@pytest.mark.parametrize("value", ["", "4"])
def test_tensor_parallel_sizes_are_offered_with_verdicts(dialect, marked, value, completed_at):
    """Nothing, or a size that is to be changed, stands there: 1, 2, 4 and 8 are offered, each with its verdict."""
    assert dialect in analyse(written(marked)).dialects
    before, _, after = marked.rpartition("|")
    found = completed_at(f"# vram: gpu=l4 gpus=8\n{before}", value + after, dialect)
    assert [each.label for each in found] == ["1", "2", "4", "8"]
    verdict = re.compile("fits|does not fit|risk|no verdict: the launcher's own defaults")
    assert all(verdict.search(each.detail) for each in found), [each.detail for each in found]


@pytest.mark.parametrize(
    ("dialect", "key", "expected"),
    [
        ("production-stack", "maxModelLen", "8192"),
        ("production-stack", "dtype", "bfloat16"),
        ("ray-serve", "max_model_len", "8192"),
        ("ray-serve", "kv_cache_dtype", "fp8"),
        ("nemo-evaluator", "gpu_memory_utilization", None),
    ],
)
def test_a_key_without_a_value_is_completed_with_those_it_takes(dialect, key, expected, completed_at):
    """Lengths and words where vLLM takes such, nothing where any number would do; whatever the file calls the key."""
    lines = [line for line in FILES[dialect].splitlines() if key not in line]
    indent = " " * (len(lines[-1]) - len(lines[-1].lstrip()))
    before = "\n".join(["# vram: gpu=l4 gpus=8", *lines[:-1], f"{indent}{key}: "])
    found = [each.label for each in completed_at(before, "\n", dialect)]
    assert expected in found if expected is not None else not found


def test_a_key_that_is_no_setting_is_completed_with_nothing(completed_at):
    """What the reader of the file passes over, nobody is told to fill in."""
    before = FILES["production-stack"].partition("tensorParallelSize")[0] + "shape: "
    assert not completed_at(before, "\n", "production-stack")

"""One deployment in many spellings: the same settings, the same memory, the same findings, and each can be changed."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context
from vram_engine.estimate import Estimate
from vram_engine.fixing import edits_of
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.syntax.edits import apply

HARDWARE = "# vram: gpu=h100-sxm-80 gpus=2 vllm=0.32.0\n"

SPELLINGS = {
    "config file, kebab-case": """\
model: meta-llama/Llama-3.1-8B-Instruct
max-model-len: 16384
tensor-parallel-size: 2
gpu-memory-utilization: 0.85
enable-prefix-caching: false
""",
    "config file, snake_case": """\
model: meta-llama/Llama-3.1-8B-Instruct
max_model_len: 16384
tensor_parallel_size: 2
gpu_memory_utilization: 0.85
no-enable-prefix-caching: true
""",
    "compose, items with =": """\
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    ipc: host
    command:
      - --model=meta-llama/Llama-3.1-8B-Instruct
      - --max-model-len=16384
      - --tensor-parallel-size=2
      - --gpu-memory-utilization=0.85
      - --no-enable-prefix-caching
""",
    "compose, two items each": """\
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    ipc: host
    command:
      - "meta-llama/Llama-3.1-8B-Instruct"
      - "--max_model_len"
      - "16384"  # enough
      - "-tp"
      - "2"
      - "--gpu-memory-utilization"
      - "0.85"
      - "--no-enable-prefix-caching"
""",
    "compose, flow list": """\
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    ipc: host
    command: [
      "--model", "meta-llama/Llama-3.1-8B-Instruct", "--max-model-len", "16384",
      "--tensor-parallel-size=2", # both cards
      "--gpu-memory-utilization", '0.85', "--no-enable-prefix-caching",
    ]
""",
    "compose, a string": """\
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    ipc: host
    command: --model meta-llama/Llama-3.1-8B-Instruct --max-model-len 16384 -tp 2 --gpu-mem=0.85 --no-enable-pref
""",
    "compose, folded, with defaults": """\
services:
  vllm:
    image: ${IMAGE:-vllm/vllm-openai:v0.32.0}
    ipc: host
    command: >
      --model ${MODEL:-meta-llama/Llama-3.1-8B-Instruct}
      --max-model-len ${LENGTH:-16384}
      --tensor-parallel-size ${TP:-2}
      --gpu-memory-utilization ${SHARE:-0.85}
      --no-enable-prefix-caching
""",
    "compose, a shell": """\
services:
  vllm:
    image: nvcr.io/nvidia/vllm:25.09-py3
    ipc: host
    environment:
      LENGTH: "16384"
    command: bash -c "vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len $$LENGTH -tp 2
      --gpu-memory-utilization 0.85 --no-enable-prefix-caching"
""",
    "Kubernetes, args": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llama
spec:
  template:
    spec:
      hostIPC: true
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.32.0
          args:
            - --model=$(MODEL)
            - --max-model-len=16384
            - --tensor-parallel-size=$(TP)
            - --gpu-memory-utilization=0.85
            - --no-enable-prefix-caching
          env:
            - name: MODEL
              value: meta-llama/Llama-3.1-8B-Instruct
            - name: TP
              value: "2"
""",
    "Kubernetes, a script": """\
apiVersion: v1
kind: Pod
metadata:
  name: llama
spec:
  hostIPC: true
  containers:
    - name: vllm
      image: registry.local/vllm-openai:v0.32.0
      command: [/bin/sh, -c]
      args:
        - |
          set -e
          export TP=2 LENGTH=16384
          echo "vllm serve starts"  # soon
          exec vllm serve meta-llama/Llama-3.1-8B-Instruct \\
            --max-model-len $LENGTH \\
            --tensor-parallel-size ${TP} \\
            --gpu-memory-utilization "0.85" \\
            --no-enable-prefix-caching 2>&1 | tee /tmp/log
""",
    "production-stack": """\
servingEngineSpec:
  modelSpec:
    - name: llama
      repository: vllm/vllm-openai
      tag: v0.32.0
      modelURL: meta-llama/Llama-3.1-8B-Instruct
      requestGPU: 2
      vllmConfig:
        maxModelLen: 16384
        tensorParallelSize: 2
        gpuMemoryUtilization: 0.85
        extraArgs: ["--no-enable-prefix-caching"]
""",
    "KubeAI": """\
apiVersion: kubeai.org/v1
kind: Model
metadata:
  name: llama
spec:
  url: hf://meta-llama/Llama-3.1-8B-Instruct
  engine: VLLM
  args:
    - --max-model-len=16384
    - --tensor-parallel-size=2
    - --gpu-memory-utilization=0.85
    - --no-enable-prefix-caching
  resourceProfile: nvidia-gpu-h100:2
""",
    "llm-d": """\
modelArtifacts:
  uri: hf://meta-llama/Llama-3.1-8B-Instruct
decode:
  parallelism:
    tensor: 2
  containers:
    - name: vllm
      image: ghcr.io/llm-d/llm-d-cuda:v0.5.0
      modelCommand: vllmServe
      args:
        - --max-model-len=16384
        - --gpu-memory-utilization=0.85
        - --no-enable-prefix-caching
""",
    "Ray Serve": """\
applications:
  - name: llms
    args:
      llm_configs:
        - model_loading_config:
            model_id: llama
            model_source: meta-llama/Llama-3.1-8B-Instruct
          engine_kwargs:
            max_model_len: 16384
            tensor_parallel_size: 2
            gpu_memory_utilization: 0.85
            enable_prefix_caching: false
""",
    "RayService": """\
apiVersion: ray.io/v1
kind: RayService
metadata:
  name: llama
spec:
  serveConfigV2: |
    applications:
      - name: llms
        args:
          llm_configs:
            - model_loading_config:
                model_id: llama
                model_source: meta-llama/Llama-3.1-8B-Instruct
              engine_kwargs:
                max_model_len: 16384
                tensor_parallel_size: 2
                gpu_memory_utilization: 0.85
                enable_prefix_caching: false
""",
    "Dynamo": """\
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata:
  name: llama
spec:
  services:
    Worker:
      componentType: worker
      resources:
        limits:
          gpu: "2"
      extraPodSpec:
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1
          command: [python3, -m, dynamo.vllm]
          args: [--model, meta-llama/Llama-3.1-8B-Instruct, --max-model-len, "16384", --tensor-parallel-size, "2",
            --gpu-memory-utilization, "0.85", --no-enable-prefix-caching]
""",
    "KServe": """\
apiVersion: serving.kserve.io/v1alpha2
kind: LLMInferenceService
metadata:
  name: llama
spec:
  model:
    uri: hf://meta-llama/Llama-3.1-8B-Instruct
  parallelism:
    tensor: 2
  template:
    containers:
      - name: main
        env:
          - name: VLLM_ADDITIONAL_ARGS
            value: "--max-model-len 16384 --gpu-memory-utilization 0.85 --no-enable-prefix-caching"
""",
    "SkyPilot": """\
resources:
  accelerators: H100:2
envs:
  MODEL: meta-llama/Llama-3.1-8B-Instruct
run: |
  vllm serve $MODEL \\
    --max-model-len 16384 \\
    --tensor-parallel-size $SKYPILOT_NUM_GPUS_PER_NODE \\
    --gpu-memory-utilization 0.85 \\
    --no-enable-prefix-caching \\
""",
    "dstack": """\
type: service
name: llama
env:
  - MODEL=meta-llama/Llama-3.1-8B-Instruct
commands:
  - vllm serve $MODEL
      --max-model-len 16384
      --tensor-parallel-size $DSTACK_GPUS_NUM
      --gpu-memory-utilization 0.85
      --no-enable-prefix-caching
resources:
  gpu: H100:2
""",
    "Truss": """\
model_name: llama
docker_server:
  start_command: sh -c "TOKEN=$(cat /token) vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 16384 -tp 2
    --gpu-memory-utilization 0.85 --no-enable-prefix-caching"
resources:
  accelerator: H100:2
""",
    "llama-swap": """\
macros:
  serve: vllm serve meta-llama/Llama-3.1-8B-Instruct --port ${PORT}
models:
  llama:
    cmd: |
      ${serve}
      --max-model-len 16384 --tensor-parallel-size 2
      --gpu-memory-utilization 0.85 --no-enable-prefix-caching
""",
    "DGX Spark recipe": """\
recipe_version: "1"
name: llama
command: |
  vllm serve meta-llama/Llama-3.1-8B-Instruct \\
    --max-model-len {max_model_len} \\
    -tp {tensor_parallel} \\
    --gpu-memory-utilization {gpu_memory_utilization} \\
    --no-enable-prefix-caching
defaults:
  max_model_len: 16384
  tensor_parallel: 2
  gpu_memory_utilization: 0.85
""",
    "LocalAI": """\
name: llama
backend: vllm
parameters:
  model: meta-llama/Llama-3.1-8B-Instruct
max_model_len: 16384
tensor_parallel_size: 2
gpu_memory_utilization: 0.85
engine_args:
  enable_prefix_caching: false
""",
    "RunPod worker": """\
services:
  worker:
    image: runpod/worker-v1-vllm:v2.7.0
    environment:
      - MODEL_NAME=meta-llama/Llama-3.1-8B-Instruct
      - MAX_MODEL_LEN=16384
      - TENSOR_PARALLEL_SIZE=2
      - GPU_MEMORY_UTILIZATION=0.85
      - ENABLE_PREFIX_CACHING=false
""",
    "AIM profile": """\
aim_id: meta-llama/Llama-3.1-8B-Instruct
model_id: meta-llama/Llama-3.1-8B-Instruct
metadata:
  engine: vllm
  gpu: H100
  gpu_count: 2
  metric: latency
engine_args:
  max-model-len: 16384
  tensor_parallel_size: 2
  gpu-memory-utilization: 0.85
  no-enable-prefix-caching: null
""",
    "RunPod worker, a pod": """\
apiVersion: v1
kind: Pod
metadata: {name: worker}
spec:
  containers:
    - name: worker
      image: runpod/worker-v1-vllm:v2.7.0
      env:
        - name: MODEL_NAME
          value: meta-llama/Llama-3.1-8B-Instruct
        - {name: MAX_MODEL_LEN, value: "16384"}
        - name: TENSOR_PARALLEL_SIZE
          value: "2"
        - name: ENABLE_PREFIX_CACHING
          value: "false"
        - name: GPU_MEMORY_UTILIZATION
          value: "0.85"
      volumeMounts: [{name: shm, mountPath: /dev/shm}]
  volumes: [{name: shm, emptyDir: {medium: Memory}}]
""",
    "RunPod worker, a map": """\
services:
  worker:
    image: runpod/worker-v1-vllm:v2.7.0
    environment:
      MODEL_NAME: meta-llama/Llama-3.1-8B-Instruct
      MAX_MODEL_LEN: 16384
      TENSOR_PARALLEL_SIZE: "2"
      GPU_MEMORY_UTILIZATION: 0.85
      ENABLE_PREFIX_CACHING: "false"
""",
}  # fmt: skip

SAID = {
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "max-model-len": 16384,
    "tensor-parallel-size": 2,
    "gpu-memory-utilization": 0.85,
    "enable-prefix-caching": False,
    "gpu": "h100-sxm-80",
    "gpus": 2,
    "vllm-version": "0.32.0",
}


def known(deployment):
    """Every setting in force that is known."""
    return {name: deployment.value(name) for name in deployment.settings if deployment.value(name) is not None}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_says_the_same(text, analysed):
    """Model, length, sizes and switches are read alike, wherever they are written."""
    (plan,) = analysed(HARDWARE + text).plans
    assert {name: value for name, value in known(plan.deployment).items() if name in SAID} == SAID


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_sized_and_judged_alike(text, analysed):
    """The memory, the verdict and the findings do not depend on the dialect."""
    first = analysed(HARDWARE + SPELLINGS["config file, kebab-case"])
    analysis = analysed(HARDWARE + text)
    (plan,), (reference,) = analysis.plans, first.plans
    assert isinstance(plan.estimate, Estimate)
    assert plan.estimate.budget == reference.estimate.budget
    assert (plan.verdict, plan.feasibility) == (reference.verdict, reference.feasibility)
    assert [finding.message for finding in analysis.findings] == [finding.message for finding in first.findings]


CHANGES = {
    "max-model-len": 8192,
    "gpu-memory-utilization": 0.9,
    "max-num-seqs": 64,
    "kv-cache-dtype": "fp8",
    "tensor-parallel-size": 1,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_setting_is_changed_or_added_and_nothing_else(spelling, name, analysed):
    """The edit touches one place; read again, exactly that setting has changed, and undoing it gives the text back."""
    text = HARDWARE + SPELLINGS[spelling]
    analysis = analysed(text)
    fix = Fix("", ChangeSettings(0, {name: CHANGES[name]}))
    edits = edits_of(analysis, fix, Context())
    assert edits is not None
    changed = apply(text, edits)
    (plan,) = analysed(changed).plans
    assert known(plan.deployment) == known(analysis.plans[0].deployment) | {name: CHANGES[name]}
    (edit,) = edits
    end = edit.span.start + len(edit.new_text)
    assert changed[: edit.span.start] + text[edit.span.start : edit.span.end] + changed[end:] == text


COUNTED = ("production-stack", "KubeAI", "llm-d", "Ray Serve", "Dynamo", "SkyPilot", "dstack", "Truss", "AIM profile")


@pytest.mark.parametrize("spelling", COUNTED)
def test_more_ranks_bring_more_gpus_with_them(spelling, analysed):
    """Where the file itself counts the GPUs, a larger tensor-parallel-size raises the number in the same edit."""
    text = SPELLINGS[spelling]
    analysis = analysed(text)
    assert analysis.plans[0].deployment.value("gpus") == 2
    edits = edits_of(analysis, Fix("", ChangeSettings(0, {"tensor-parallel-size": 4})), Context())
    (plan,) = analysed(apply(text, edits)).plans
    assert (plan.deployment.value("tensor-parallel-size"), plan.deployment.value("gpus")) == (4, 4)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_half_typed_file_gets_an_answer(spelling, analysed):
    """Cut anywhere, with the dialect it had before, a file is analysed without an exception."""
    text, context = HARDWARE + SPELLINGS[spelling], Context()
    for end in range(len(HARDWARE), len(text), 29):
        analysis = analysed(text[:end], context=context)
        context = Context(dialects=analysis.dialects)


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_line_breaks_and_a_missing_one_are_kept(spelling, newline, analysed):
    """A file with CRLF, a byte order mark and no break at its end reads alike and stays so."""
    text = "\ufeff" + (HARDWARE + SPELLINGS[spelling]).rstrip("\n").replace("\n", newline)
    analysis = analysed(text)
    assert {name: value for name, value in known(analysis.plans[0].deployment).items() if name in SAID} == SAID
    edits = edits_of(analysis, Fix("", ChangeSettings(0, {"max-num-seqs": 64})), Context())
    if edits is not None:
        changed = apply(text, edits)
        assert analysed(changed).plans[0].deployment.value("max-num-seqs") == 64
        assert changed.count("\r") == (changed.count("\n") if newline == "\r\n" else 0)
        assert not changed.endswith("\n")

"""Other people's YAML gets nothing: no deployment, no finding, no wish, whatever it says about vLLM."""

from __future__ import annotations

import pytest

from vram_engine.analysis import analyse

SILENT = {
    "a workflow": """\
on: push
jobs:
  test:
    runs-on: gpu
    services:
      db: {image: postgres}
    steps:
      - run: |
          pip install vllm
          vllm serve facebook/opt-125m --max-model-len 1024 --gpu-memory-utilization 0.5 --max-num-seqs 4 &
""",
    "a pipeline": """\
test:
  image: vllm/vllm-openai
  services: [redis]
  script:
    - vllm serve m --max-model-len 1024
""",
    "a router": """\
services:
  router:
    image: lmcache/lmstack-router:v0.1
    command: ["--service-discovery", "static", "--static-models", "org/name"]
""",
    "a client": """\
services:
  chat:
    image: vllm/vllm-openai:latest
    entrypoint: python3
    command: /app/chat.py --url http://vllm:8000
    environment: {VLLM_MAX_MODEL_LEN: 5}
""",
    "an autoscaler": """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: vllm}
spec: {metrics: [{type: Pods, pods: {metric: {name: "vllm:num_requests_waiting"}}}]}
""",
    "a definition": """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: models.example.org}
spec:
  example:
    containers: [{name: c, image: vllm/vllm-openai, args: [--model, m]}]
""",
    "a patch": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
spec: {template: {spec: {containers: [{name: vllm, resources: {limits: {nvidia.com/gpu: 2}}}]}}}
""",
    "a config map": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: docs}
data:
  readme.md: |
    Run `vllm serve m --max-model-len 1024 --max-num-seqs 4 --kv-cache-dtype fp8`.
  values.yaml: |
    containers: [{image: vllm/vllm-openai, args: [--model, m]}]
""",
    "a chart": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "x.name" . }}
spec:
  template:
    spec:
      containers:
      - name: vllm
        image: "{{ .Values.image }}"
        args:
        - --model={{ .Values.model }}
        - --max-model-len=1024
        {{- with .Values.extra }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
""",
    "a training": """\
actor_rollout_ref:
  rollout: {name: vllm, gpu_memory_utilization: 0.5, max_num_batched_tokens: 8192, max_model_len: 1024}
""",
    "an evaluation": """\
model_name: org/name
tasks: [{name: gsm8k}]
enforce_eager: false
kv_cache_dtype: fp8
max_model_len: 4096
""",
    "a recipe of a catalogue": """\
model: {model_id: org/name, base_args: ["--max-model-len", "1024"]}
variants: {default: {vram_minimum_gb: 80, extra_args: ["--tensor-parallel-size", "8"]}}
guide: |
  vllm serve org/name --max-model-len 1024 --max-num-seqs 4 --gpu-memory-utilization 0.9
""",
    "a proxy": """\
model_list:
  - model_name: x
    litellm_params: {model: hosted_vllm/x, api_base: http://vllm:8000}
""",
    "other models to swap": "models:\n  a:\n    cmd: llama-server -m a.gguf  # not vllm serve\n",
    "another backend": "name: x\nbackend: llama-cpp\nparameters: {model: x.gguf}\nmax_model_len: 5\n",
    "another runtime": """\
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: w, annotations: {kaito.sh/runtime: transformers}}
resource: {instanceType: Standard_NC24ads_A100_v4}
inference: {preset: {name: org/name}}
""",
    "another server": """\
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata: {name: g}
spec:
  services:
    W: {extraPodSpec: {mainContainer: {command: [python3, -m, dynamo.sglang], args: [--model, vllm]}}}
""",
    "a task without vLLM": "resources: {accelerators: H100:8}\nrun: |\n  echo vllm serve m\n  python train.py\n",
    "a schema": """\
openapi: 3.0.0
paths: {/v1/models: {get: {description: "vllm serve --max-model-len"}}}
""",
    "a text": "vllm serve m --max-model-len 1024\n",
    "aliases without end": "a: &a [vllm, *a]\nservices: *a\n",
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_nothing_is_said_about_it(text):
    """Precision here is the product: not even a hint."""
    analysis = analyse(text)
    assert (analysis.plans, analysis.findings, analysis.wants) == ((), (), frozenset())

"""What is special to each of the thinner dialects: hardware, joins, what is left out, what stays unknown."""

from __future__ import annotations

import pytest

CHART = """\
servingEngineSpec:
  modelSpec:
    - name: a
      repository: vllm/vllm-openai
      tag: {tag}
      modelURL: org/a
      {gpus}
      vllmConfig:
        gpuMemoryUtilization: 0.95
        pipelineParallelSize: 2
        extraArgs: {extra}
"""


def chart(gpus="requestGPU: 1", extra="[]", tag="latest"):
    """Values of the production-stack chart."""
    return CHART.format(gpus=gpus, extra=extra, tag=tag)


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ("requestGPU: 4", {"gpus": 4}),
        (
            "requestGPU: 1\n      requestGPUType: nvidia.com/mig-3g.40gb",
            {"gpu": "? nvidia.com/mig-3g.40gb is not a whole GPU"},
        ),
        ("requestGPU: 1\n      requestGPUMem: 3000", {"gpu": "? requestGPUMem asks for a share of a GPU"}),
        ("requestGPU: 2\n      raySpec: {enabled: true, headNode: {requestGPU: 2}}", {"gpus": 4, "nodes": 2}),
        (
            "requestGPU: 1\n      nodeSelectorTerms:\n        - matchExpressions:\n"
            "            - {key: nvidia.com/gpu.product, operator: In, values: [NVIDIA-L40S]}",
            {"gpus": 1, "gpu": "NVIDIA-L40S"},
        ),
    ],
)  # fmt: skip
def test_production_stack_counts_gpus(gpus, expected, said):
    """Whole GPUs, slices, shares and a cluster of Ray."""
    values = said(chart(gpus))
    assert {name: values[name] for name in ("gpus", "gpu", "nodes") if name in values} == expected


def test_production_stack_lets_extra_arguments_win(deployments):
    """The chart writes its own keys first, so the same flag among the extra arguments overrides them."""
    text = chart(extra='["--gpu-memory-utilization", "0.4"]')
    (found,) = deployments(text)
    assert found.value("gpu-memory-utilization") == 0.4
    assert [(each.kind, text[each.place.start : each.place.end]) for each in found.remarks] == [
        ("setting-given-twice", "0.95")
    ]


def test_production_stack_reads_the_release_of_vllms_own_image(deployments):
    """Only where the repository is vLLM's does the tag name a release of vLLM's."""
    assert deployments(chart(tag="v0.9.2"))[0].value("vllm-version") == "0.9.2"
    assert deployments(chart(tag="v0.3.9").replace("vllm/", "lmcache/"))[0].value("vllm-version") is None


LLM_D = """\
modelArtifacts: {uri: "hf://org/a"}
decode:
  parallelism: {tensor: 2, dataLocal: 2}
  nodeSelector: {gpu.nvidia.com/model: H200}
  containers: [{modelCommand: vllmServe, args: [--max-model-len, "1024"]}]
prefill:
  create: CREATE
  containers: [{modelCommand: vllmServe, args: [--max-model-len, "2048"]}]
"""


def test_llm_d_has_two_pools(deployments):
    """A pool that is not created is no deployment; sizes and GPUs come from the parallelism."""
    found = deployments(LLM_D.replace("CREATE", "true"))
    assert [(each.name, each.value("max-model-len"), each.value("gpus"), each.value("gpu")) for each in found] == [
        ("decode", 1024, 4, "H200"),
        ("prefill", 2048, 1, None),
    ]
    assert [each.name for each in deployments(LLM_D.replace("CREATE", "false"))] == ["decode"]


KAITO = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  inference_config.yaml: |
    vllm:
      max-model-len: 4096
      gpu-memory-utilization: 0.8
---
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: w}
resource: {instanceType: Standard_NC48ads_A100_v4, count: 2}
inference: {preset: {name: PRESET}, config: settings}
"""


def test_kaito_is_joined_with_its_settings(said):
    """The settings are in one document, the machine and the model in the other; KAITO adds what nobody sees."""
    values = said(KAITO.replace("PRESET", "org/name"))
    assert (values["model"], values["max-model-len"], values["gpus"], values["nodes"]) == ("org/name", 4096, 4, 2)
    assert values["more-arguments"].startswith("? KAITO")
    assert said(KAITO.replace("PRESET", "falcon-7b"))["model"].startswith("? which model the preset falcon-7b is")


@pytest.mark.parametrize(
    ("accelerators", "gpu", "gpus", "size"),
    [
        ("H100:8", "H100", 8, 8),
        ("{H100: 8}", "H100", 8, 8),
        ("'L4:1'", "L4", 1, 1),
        ("A100:2", "A100 40GB", 2, 2),
        ("{L4:8, A10g:8}", None, 8, None),
        ("[L4:1, T4:2]", None, None, None),
        ("L4", "L4", 1, None),
    ],
)
def test_skypilot_names_accelerators_in_many_ways(accelerators, gpu, gpus, size, deployments):
    """One of several will do: then which one it is stays unknown, and so does what depends on it."""
    text = f"resources:\n  accelerators: {accelerators}\nrun: |\n  vllm serve m -tp $SKYPILOT_NUM_GPUS_PER_NODE\n"
    (found,) = deployments(text)
    assert (found.value("gpu"), found.value("gpus"), found.value("tensor-parallel-size")) == (gpu, gpus, size)


def test_skypilot_spreads_over_its_nodes(said):
    """num_nodes multiplies the accelerators, and is a variable of the script."""
    text = "num_nodes: 2\nresources:\n  accelerators: H100:8\nrun: |\n  vllm serve m -tp 8 -pp $SKYPILOT_NUM_NODES\n"
    values = said(text + "setup: |\n  pip install vllm==0.10.1\n")
    assert (values["gpus"], values["nodes"], values["pipeline-parallel-size"], values["vllm-version"]) == (
        16,
        2,
        2,
        "0.10.1",
    )


@pytest.mark.parametrize(
    ("gpu", "name", "count"),
    [("H100:80GB:8", "H100 80GB", 8), ("MI300X", "MI300X", 1), ("24GB", None, None), ("{name: L4, count: 2}", "L4", 2)],
)
def test_dstack_names_gpus_by_size_or_card(gpu, name, count, deployments):
    """A bare size names no card."""
    text = f"type: service\nname: s\ncommands:\n  - vllm serve m\nresources:\n  gpu: {gpu}\n"
    (found,) = deployments(text)
    assert (found.value("gpu"), found.value("gpus")) == (name, count)


@pytest.mark.parametrize(
    ("profile", "gpu", "gpus"),
    [
        ("nvidia-gpu-l4:2", "nvidia-gpu-l4", 2),
        ("cpu:4", "? a profile without GPUs", None),
        ("team-pool:2", "? what the resource profile team-pool holds is set elsewhere", 2),
    ],
)
def test_kubeai_profiles_name_gpu_and_count(profile, gpu, gpus, said):
    """A profile is called after its card, or it is the installation's own."""
    values = said(
        "apiVersion: kubeai.org/v1\nkind: Model\nmetadata: {name: m}\n"
        f"spec: {{url: 'hf://org/m', engine: VLLM, resourceProfile: '{profile}'}}\n"
    )
    assert (values["model"], values["gpu"], values.get("gpus")) == ("org/m", gpu, gpus)


def test_ray_serve_takes_what_its_sizes_need(said):
    """Ray reserves tensor times pipeline GPUs of the accelerator that is named."""
    text = """\
applications:
  - args:
      llm_configs:
        - model_loading_config: {model_id: org/m}
          accelerator_type: A10G
          engine_kwargs: {tensor_parallel_size: 2, pipeline_parallel_size: 2, enable_prefix_caching: false}
"""
    values = said(text)
    assert (values["model"], values["gpus"], values["gpu"], values["enable-prefix-caching"]) == (
        "org/m",
        4,
        "A10G",
        False,
    )


def test_nemo_evaluator_has_defaults_of_its_own(said):
    """What the launcher sets where the file is silent is not known."""
    text = """\
defaults:
  - deployment: vllm
deployment:
  checkpoint_path: ???
  hf_model_handle: org/m
  tensor_parallel_size: 2
  extra_args: "--max-model-len 1024 --enforce-eager"
"""
    values = said(text)
    assert (values["model"], values["tensor-parallel-size"], values["max-model-len"]) == ("org/m", 2, 1024)
    assert values["more-arguments"].startswith("? the launcher's own defaults")


def test_dynamo_counts_nodes_and_shared_memory(said):
    """A worker over several nodes has the GPUs of all; its releases are not vLLM's."""
    text = """\
apiVersion: nvidia.com/v1beta1
kind: DynamoGraphDeployment
metadata: {name: g}
spec:
  components:
    - name: Front
      podTemplate: {spec: {containers: [{command: [python3, -m, dynamo.frontend]}]}}
    - name: Worker
      sharedMemorySize: 8Gi
      multinode: {nodeCount: 2}
      podTemplate:
        spec:
          containers:
            - image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1
              command: [python3]
              args: [-m, dynamo.vllm, --model, org/m, -tp, "8", --is-prefill-worker, --dyn-tool-call-parser, x]
              resources: {limits: {nvidia.com/gpu: "4"}}
"""
    values = said(text)
    assert (values["model"], values["gpus"], values["nodes"], values["shm-bytes"]) == ("org/m", 8, 2, 8 * 2**30)
    assert "vllm-version" not in values
    assert "more-arguments" not in values


def test_a_template_of_aibrix_is_yaml_in_a_scalar(deployments):
    """The settings point into the block, and only vLLM's templates count."""
    text = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: t}
data:
  templates.yaml: |
    # two of them
    - name: a
      spec:
        engine: {type: vllm, version: "0.9.2", serve_args: ["--enforce-eager"]}
        model_source: {uri: org/a}
        accelerator: {type: L40S, count: 2}
        parallelism: {tp: 2}
        engine_args:
          max_model_len: 8192
    - name: b
      spec: {engine: {type: mock}, model_source: {uri: org/b}, engine_args: {}}
"""
    (found,) = deployments(text)
    assert (found.value("model"), found.value("gpus"), found.value("tensor-parallel-size")) == ("org/a", 2, 2)
    assert (found.value("enforce-eager"), found.value("vllm-version")) == (True, "0.9.2")
    span = found.effective("max-model-len").span
    assert text[span.start : span.end] == "8192"

"""Kubernetes: containers wherever they stand, the GPU their pod asks for, and engines over several pods."""

from __future__ import annotations

import textwrap

import pytest

from vram_engine.analysis import Context
from vram_engine.fixing import edits_of
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.syntax.edits import apply


def pod(container="", spec="", kind="Pod"):
    """A pod with one container of vLLM."""
    return (
        f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: p\nspec:\n"
        + textwrap.indent(spec, "  ")
        + "  containers:\n  - name: c\n    image: vllm/vllm-openai:v0.32.0\n"
        + "    args: [--model, m, --max-model-len, '1024']\n"
        + textwrap.indent(container, "    ")
    )


def limits(line):
    """Resources with one line in limits and requests."""
    return f"resources:\n  limits:\n    {line}\n  requests:\n    {line}\n"


@pytest.mark.parametrize(
    ("line", "gpus", "gpu"),
    [
        ('nvidia.com/gpu: "4"', 4, None),
        ("nvidia.com/gpu : 4", 4, None),
        ("amd.com/gpu: 8", 8, None),
        ("nvidia.com/gpu: 0", None, None),
        ("cpu: 4", None, None),
        ("nvidia.com/gpu: ${GPUS}", "? nvidia.com/gpu: '${GPUS}' is not a number", None),
        ("nvidia.com/mig-1g.10gb: 1", None, "? nvidia.com/mig-1g.10gb is a slice of a GPU; its memory is not known"),
        ("google.com/tpu: 8", None, "? a TPU, which is not sized"),
        ("nvidia.com/gpumem: 3000", None, "? nvidia.com/gpumem is a share of a GPU"),
    ],
)
def test_limits_count_whole_gpus(line, gpus, gpu, said):
    """Slices, shares and other chips are no GPUs, and say so."""
    values = said(pod(limits(line)))
    assert (values.get("gpus"), values.get("gpu")) == (gpus, gpu)


AFFINITY = """\
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - {{key: {key}, operator: {operator}, values: [{values}]}}
"""


@pytest.mark.parametrize(
    ("spec", "gpu"),
    [
        ("nodeSelector:\n  cloud.google.com/gke-accelerator: nvidia-l4\n", "nvidia-l4"),
        ("nodeSelector:\n  nvidia.com/gpu.product: NVIDIA-H100-NVL\n  zone: a\n", "NVIDIA-H100-NVL"),
        ("nodeSelector:\n  node.kubernetes.io/instance-type: g6.xlarge\n", "g6.xlarge"),
        ("nodeSelector:\n  node.kubernetes.io/instance-type: m5.large\n", None),
        ("nodeSelector:\n  gpu-type: h100\n", "h100"),
        ("nodeSelector:\n  gpu: 'true'\n  accelerator: nvidia\n", None),
        ("tolerations:\n  - key: nvidia.com/gpu.product\n    value: NVIDIA-L4\n", None),
        (AFFINITY.format(key="nvidia.com/gpu.product", operator="In", values="NVIDIA-L4"), "NVIDIA-L4"),
        (AFFINITY.format(key="nvidia.com/gpu.product", operator="NotIn", values="NVIDIA-L4"), None),
        (
            AFFINITY.format(key="nvidia.com/gpu.product", operator="In", values="NVIDIA-L4, NVIDIA-L40S"),
            "? any of NVIDIA-L4, NVIDIA-L40S may be used",
        ),
        (
            "nodeSelector:\n  nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB-SHARED\n",
            "? NVIDIA-A100-SXM4-80GB-SHARED is shared with other containers; how much of it this one gets is not known",
        ),
    ],
)
def test_the_node_names_the_gpu(spec, gpu, said):
    """Selectors and required affinities are evidence, tolerations and exclusions are not."""
    assert said(pod(limits("nvidia.com/gpu: 1"), spec)).get("gpu") == gpu


@pytest.mark.parametrize(
    ("container", "spec", "size"),
    [
        ("", "", 64 * 2**20),
        ("", "hostIPC: true\n", "? the host's shared memory"),
        (
            "volumeMounts: [{name: s, mountPath: /dev/shm}]\n",
            "volumes: [{name: s, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]\n",
            8 * 2**30,
        ),
        (
            "volumeMounts: [{name: s, mountPath: /dev/shm}]\n",
            "volumes: [{name: s, emptyDir: {medium: Memory}}]\n",
            "? as large as the node allows",
        ),
    ],
)
def test_shared_memory_of_a_container(container, spec, size, said):
    """A volume on /dev/shm, the host's, or the container's own 64 MiB."""
    assert said(pod(container, spec))["shm-bytes"] == size


GROUP = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: g}
spec:
  leaderWorkerTemplate:
    size: SIZE
    leaderTemplate:
      spec:
        containers:
        - name: leader
          image: vllm/vllm-openai:v0.8.5
          command: [sh, -c, "start leader; vllm serve m -tp 8 --pipeline_parallel_size 2"]
          resources: {limits: {nvidia.com/gpu: "8"}}
    workerTemplate:
      spec:
        containers:
        - name: worker
          image: vllm/vllm-openai:v0.8.5
          command: [sh, -c, "start worker"]
          resources: {limits: {nvidia.com/gpu: "8"}}
"""

RAY = """\
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: r}
spec:
  headGroupSpec:
    template:
      spec:
        containers:
        - name: head
          image: vllm/vllm-openai:v0.8.5
          command: [bash, -lc, --, "$KUBERAY_GEN_RAY_START_CMD; vllm serve m -tp 8 --distributed-executor-backend ray"]
          resources: {limits: {nvidia.com/gpu: 4}}
  workerGroupSpecs:
  - REPLICAS
    template:
      spec:
        containers:
        - name: worker
          resources: {limits: {nvidia.com/gpu: 2}}
"""


@pytest.mark.parametrize(
    ("text", "gpus", "nodes", "exceeds"),
    [
        (GROUP.replace("SIZE", "2"), 16, 2, False),
        (GROUP.replace("SIZE", "1"), 8, None, True),
        (RAY.replace("REPLICAS", "replicas: 2"), 8, 3, False),
        (RAY.replace("REPLICAS", "replicas: 1"), 6, 2, True),
        (RAY.replace("REPLICAS", "groupName: w"), 4, "? the number of workers is not known", False),
    ],
)
def test_an_engine_over_several_pods_has_all_their_gpus(text, gpus, nodes, exceeds, said, analysed):
    """A group's size, or a cluster's workers, count; where they cannot be counted nothing is said."""
    values = said(text)
    assert (values["gpus"], values.get("nodes")) == (gpus, nodes)
    assert ("tensor-parallel-exceeds-gpus" in {each.rule for each in analysed(text).findings}) is exceeds


@pytest.mark.parametrize(
    ("more", "exceeds"),
    [
        ("", True),
        ("--distributed-executor-backend ray", True),
        ("--nnodes 2", False),
        ("--data-parallel-address 10.0.0.1", False),
        ("--headless", False),
        ("$(MORE)", False),
    ],
)
def test_other_machines_are_allowed_for(more, exceeds, analysed):
    """A world larger than the container is a mistake only where nothing speaks of other machines."""
    args = ", ".join(f'"{word}"' for word in f"--model m -tp 2 {more}".split())
    text = pod(limits("nvidia.com/gpu: 1"), kind="Pod").replace("[--model, m, --max-model-len, '1024']", f"[{args}]")
    assert ("tensor-parallel-exceeds-gpus" in {each.rule for each in analysed(text).findings}) is exceeds


def test_ray_waits_for_gpus_that_are_not_there(analysed):
    """vLLM refuses no such start: Ray may find the GPUs yet, so it is a warning and no verdict."""
    more = "[--model, m, -tp, '2', --distributed-executor-backend, ray]"
    text = pod(limits("nvidia.com/gpu: 1"), kind="Pod").replace("[--model, m, --max-model-len, '1024']", more)
    (finding,) = [each for each in analysed(text).findings if each.rule == "tensor-parallel-exceeds-gpus"]
    assert finding.severity == "warning"
    assert "Ray waits" in finding.message
    assert not analysed(text).plans[0].refusals


def test_ray_may_be_joined_where_a_pod_is_not_alone(analysed):
    """A StatefulSet, a script or RAY_ADDRESS may bring a cluster; then nothing is compared."""
    text = pod(limits("nvidia.com/gpu: 1")).replace(
        "[--model, m, --max-model-len, '1024']", "[--model, m, -tp, '2', --distributed-executor-backend, ray]"
    )
    rules = {each.rule for each in analysed(text).findings}
    for other in (text.replace("kind: Pod", "kind: StatefulSet"), text + "    env: [{name: RAY_ADDRESS, value: a}]\n"):
        assert rules - {each.rule for each in analysed(other).findings} == {"tensor-parallel-exceeds-gpus"}


def test_more_ranks_raise_limit_and_request_together(analysed):
    """Both numbers change in one edit, each in its own quotes."""
    text = pod('resources:\n  limits:\n    nvidia.com/gpu: "1"\n  requests:\n    nvidia.com/gpu: 1\n')
    edits = edits_of(analysed(text), Fix("", ChangeSettings(0, {"tensor-parallel-size": 2})), Context())
    changed = apply(text, edits)
    assert 'limits:\n        nvidia.com/gpu: "2"\n' in changed
    assert "requests:\n        nvidia.com/gpu: 2\n" in changed
    assert "--max-model-len, '1024', --tensor-parallel-size, '2']" in changed


def test_a_broken_document_silences_no_other(deployments):
    """Documents are read one by one."""
    text = "a: [b\n---\n" + pod() + "---\nkind: Secret\napiVersion: v1\ndata: {x: {{TOKEN}}}\n---\n" + pod()
    assert len(deployments(text)) == 2


def test_containers_are_found_at_any_depth_and_named_after_their_object(deployments):
    """Lists of objects, roles and templates; init containers start no server."""
    text = """\
apiVersion: v1
kind: List
items:
  - apiVersion: batch/v1
    kind: CronJob
    metadata: {name: nightly}
    spec:
      jobTemplate:
        spec:
          template:
            spec:
              initContainers:
                - {name: i, image: vllm/vllm-openai, args: [--model, x]}
              containers:
                - {name: one, image: vllm/vllm-openai, args: [--model, x]}
                - {name: two, image: vllm/vllm-openai, args: [--model, y]}
"""
    assert [(each.name, each.value("model")) for each in deployments(text)] == [
        ("nightly/one", "x"),
        ("nightly/two", "y"),
    ]


def test_a_service_is_joined_with_the_runtime_it_names(deployments):
    """The InferenceService brings model and resources, the runtime of the same file the command."""
    text = """\
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: r}
spec:
  containers:
    - name: kserve-container
      image: vllm/vllm-openai:v0.10.0
      args: [--model=/mnt/models, "--served-model-name={{.Name}}", --max-model-len=1024]
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: s}
spec:
  predictor:
    model:
      runtime: r
      storageUri: hf://org/name
      args: [--max-num-seqs=4]
      resources: {limits: {nvidia.com/gpu: "2"}}
"""
    (found,) = deployments(text)
    names = ("model", "max-model-len", "max-num-seqs", "gpus", "vllm-version")
    assert (found.name, *(found.value(name) for name in names)) == ("s", "org/name", 1024, 4, 2, "0.10.0")


@pytest.mark.parametrize(("first", "second", "peers"), [("", "", True), ("0", "1", False), ("0", "0", True)])
def test_engines_of_one_container_share_its_gpus(first, second, peers, deployments):
    """Two servers started by one script are on the same card, unless each is shown another one."""
    script = "".join(
        f"{f'CUDA_VISIBLE_DEVICES={card} ' if card else ''}vllm serve {model} --port {port} & "
        for card, model, port in ((first, "a", 1), (second, "b", 2))
    )
    text = pod(limits("nvidia.com/gpu: 2")).replace(
        "    args: [--model, m, --max-model-len, '1024']\n", f'    command: [sh, -c, "{script} wait"]\n'
    )
    found = deployments(text)
    assert [(each.name, [peer.name for peer in each.peers]) for each in found] == [
        ("p/c/1", ["p/c/2"] if peers else []),
        ("p/c/2", ["p/c/1"] if peers else []),
    ]


def test_alternatives_of_a_script_do_not_share(deployments):
    """Of two branches only one runs."""
    script = "if true; then vllm serve a; else vllm serve b; fi"
    text = pod().replace("    args: [--model, m, --max-model-len, '1024']\n", f'    command: [sh, -c, "{script}"]\n')
    assert [each.peers for each in deployments(text)] == [(), ()]

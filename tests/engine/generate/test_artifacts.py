"""What generated files say: pinned images, GPUs, shared memory, probes, references to secrets, and refusals."""

from __future__ import annotations

import pytest
import yaml

from vram_engine.generate import KINDS, Artifact, generate
from vram_engine.generate.order import Refused

TWO = {
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "max-model-len": 8192,
    "tensor-parallel-size": 2,
    "gpu": "h100-sxm-80",
    "gpus": 2,
    "vllm-version": "0.31.0",
}

SERVICE = "services:\n  a:\n    image: vllm/vllm-openai:v0.31.0\n    command: --model m/n "


def text_of(made):
    """The text of an artifact that was not refused."""
    assert isinstance(made, Artifact), made
    return made.text


def loaded(made):
    """The documents of an artifact, as PyYAML reads them."""
    return list(yaml.safe_load_all(text_of(made)))


def container_of(made):
    """The pod and its container in a Kubernetes manifest."""
    pod = loaded(made)[0]["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


def test_kubernetes_asks_for_what_it_was_sized_for(deployment):
    """Image, GPUs, node, arguments as strings, shared memory in a volume and its mount."""
    pod, container = container_of(generate(deployment(TWO), "kubernetes"))
    assert container["image"] == "vllm/vllm-openai:v0.31.0"
    assert container["resources"]["limits"] == container["resources"]["requests"] == {"nvidia.com/gpu": 2}
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert container["command"] == ["vllm", "serve"]
    assert container["args"] == [TWO["model"], "--max-model-len", "8192", "--tensor-parallel-size", "2"]
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}} in pod["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]


def test_kubernetes_has_a_service_that_finds_the_pods(deployment):
    """The Service selects the labels of the pods and names their port; probes use it, too."""
    found, service = loaded(generate(deployment({**TWO, "port": 9000}), "kubernetes"))
    template = found["spec"]["template"]
    assert service["spec"]["selector"] == template["metadata"]["labels"] == found["spec"]["selector"]["matchLabels"]
    container = template["spec"]["containers"][0]
    assert container["ports"] == [{"name": "http", "containerPort": 9000}]
    assert service["spec"]["ports"][0]["targetPort"] == container["startupProbe"]["httpGet"]["port"] == "http"
    assert template["spec"]["enableServiceLinks"] is False


def test_a_gpu_of_several_names_is_any_of_them(deployment):
    """Its driver prints three names for the MI300X, which has no label of NVIDIA's; a V100 has two of those."""
    pod, _ = container_of(generate(deployment({**TWO, "gpu": "v100-pcie-16", "vllm-version": "0.8.5"}), "kubernetes"))
    rule = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert rule[0]["matchExpressions"][0]["values"] == ["Tesla-V100-PCIE-16GB", "Tesla-V100-FHHL-16GB"]
    pod, container = container_of(generate(deployment({**TWO, "gpu": "mi300x"}), "kubernetes"))
    assert "affinity" not in pod
    assert container["resources"]["limits"] == {"amd.com/gpu": 2}
    assert container["image"] == "vllm/vllm-openai-rocm:v0.31.0"


def test_a_label_of_the_source_is_kept(read):
    """A file that selects its nodes by the label of a cloud goes on doing so."""
    source = """\
apiVersion: v1
kind: Pod
metadata: {name: chat}
spec:
  nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4}
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.31.0
      args: [--model, org/name]
      resources: {limits: {nvidia.com/gpu: "1"}}
"""
    (deployment,) = read(source)
    pod, container = container_of(generate(deployment, "kubernetes"))
    assert pod["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert [mount["name"] for mount in container["volumeMounts"]] == ["hub-cache"]


def test_compose_reserves_the_gpus(deployment):
    """Image, GPUs, shared memory and port; a dollar sign is none of compose's variables."""
    (found,) = loaded(generate(deployment({**TWO, "served-model-name": "a$"}), "compose"))
    service = found["services"]["chat"]
    assert service["image"] == "vllm/vllm-openai:v0.31.0"
    assert service["shm_size"] == "16gb"
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}
    assert service["command"][-2:] == ["--served-model-name", "a$$"]
    assert service["ports"] == ["8000:8000"]


def test_helm_values_use_the_chart_s_own_keys(deployment):
    """Parallel sizes and lengths have keys, everything else goes into extraArgs, switches too."""
    (found,) = loaded(generate(deployment({**TWO, "enable-prefix-caching": False, "seed": 7}), "helm"))
    (spec,) = found["servingEngineSpec"]["modelSpec"]
    assert (spec["repository"], spec["tag"], spec["modelURL"]) == ("vllm/vllm-openai", "v0.31.0", TWO["model"])
    assert (spec["requestGPU"], spec["shmSize"]) == (2, "16Gi")
    assert spec["vllmConfig"] == {
        "maxModelLen": 8192,
        "tensorParallelSize": 2,
        "extraArgs": ["--no-enable-prefix-caching", "--seed", "7"],
    }


def test_the_config_file_reaches_vllm_in_every_release(deployment):
    """Off is an option that is on, JSON is text, and what YAML would read as a number has quotes."""
    given = {"model": "org/name", "enable-prefix-caching": False, "hf-overrides": '{"a": 1}', "revision": "0123456"}
    text = text_of(generate(deployment({**given, "vllm-version": "0.9.1"}), "config"))
    assert yaml.safe_load(text) == {
        "model": "org/name",
        "no-enable-prefix-caching": True,
        "hf-overrides": '{"a": 1}',
        "revision": "0123456",
    }


def test_the_profile_keeps_vllm_s_own_utilization(deployment):
    """A file that leaves it to vLLM gets that release's default, which is not the profile's."""
    (old,) = loaded(generate(deployment({**TWO, "vllm-version": "0.10.0"}), "profile"))
    (new,) = loaded(generate(deployment({**TWO, "vllm-version": "0.32.0", "seed": 3}), "profile"))
    assert old["policy"]["gpu_memory_utilization"] == 0.9
    assert new["policy"]["gpu_memory_utilization"] == 0.92
    assert new["outputs"]["vllm_args"] == {"seed": 3}
    assert new["hardware"] == {"gpu_name": "h100-sxm-80", "gpus": 2, "tp_size": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_are_never_written(kind, deployment):
    """Keys and tokens of the source stand in no file; where they come from instead does."""
    given = {**TWO, "api-key": "sk-very-secret", "hf-token": "hf_very_secret"}
    text = text_of(generate(deployment(given), kind))
    assert "secret" not in text.replace("secretKey", "").replace("secretName", "").replace(
        "Secret", ""
    ).lower().replace("no secret stands here", "")
    assert "VLLM_API_KEY" in text


def test_a_secret_from_a_variable_is_still_asked_for(read):
    """A key that the file takes from elsewhere is no reason to refuse, and none to serve without a key."""
    (found,) = read(SERVICE + "--api-key ${KEY}\n")
    assert "VLLM_API_KEY" in text_of(generate(found, "compose"))


def test_the_maker_is_known_by_the_resource_that_counts_its_gpus(read):
    """AMD's GPUs get AMD's image and resource even where no label says which they are."""
    source = """\
apiVersion: v1
kind: Pod
metadata: {name: chat}
spec:
  containers:
    - name: vllm
      image: vllm/vllm-openai-rocm:v0.31.0
      args: [--model, org/name]
      resources: {limits: {amd.com/gpu: 2}}
"""
    (deployment,) = read(source)
    _, container = container_of(generate(deployment, "kubernetes"))
    assert container["image"] == "vllm/vllm-openai-rocm:v0.31.0"
    assert container["resources"]["limits"] == {"amd.com/gpu": 2}
    assert "image and devices are for AMD." in text_of(generate(deployment, "compose"))


def test_a_local_model_is_given_to_the_container(deployment):
    """Its folder is mounted where the program looks for it, relative paths below the image's own directory."""
    script = text_of(generate(deployment({**TWO, "model": "./models/a"}), "docker"))
    assert "--volume ./models/a:/vllm-workspace/models/a:ro" in script
    _, container = container_of(generate(deployment({**TWO, "model": "/models/a"}), "kubernetes"))
    assert {"name": "model", "mountPath": "/models/a", "readOnly": True} in container["volumeMounts"]


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        (SERVICE + "--max-model-len ${N}\n", "serve", "max-model-len is not known"),
        (SERVICE + "${MORE}\n", "config", "arguments that cannot be told"),
        (SERVICE + "--config x.yaml\n", "serve", "x.yaml"),
        ("max-model-len: 4096\ntensor-parallel-size: 2\n", "compose", "nothing says which model"),
        ("# vram: gpu=arc-pro-b60 vllm=0.31.0\nmodel: m/n\nmax-model-len: 4096\n", "compose", "no image"),
        ("model: m/n\nmax-model-len: 4096\nswap-space: 4\n", "serve", "has no --swap-space"),
        ("# vram: vllm=0.9.1\nmodel: m/n\nmax-model-len: 4096\nserved-model-name: [a, b]\n", "config", "takes no list"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_reason(text, kind, reason, read):
    """No artifact, and a sentence that says what to do or why not."""
    (deployment,) = read(text)
    made = generate(deployment, kind)
    assert isinstance(made, Refused)
    assert reason in made.reason


def test_the_release_is_the_one_that_was_asked_for(deployment):
    """Newer than any that is known is pinned as it was said; where none was, the file says so."""
    (found,) = loaded(generate(deployment({**TWO, "vllm-version": "0.90.1"}), "compose"))
    assert found["services"]["chat"]["image"] == "vllm/vllm-openai:v0.90.1"
    text = text_of(generate(deployment({"model": "org/name"}), "compose"))
    assert "# The source names no release: " in text


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_gpus_stay_too_few_and_are_pointed_out(kind, deployment):
    """The file says what its source says; that this cannot start stands at its top."""
    text = text_of(generate(deployment({**TWO, "gpus": 1}), kind))
    assert "# It needs 2 GPUs, and the source gives it 1." in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hostile", [{"gpus": 2**53}, {"tensor-parallel-size": 2**62}, {"port": 2**40}, {"gpus": 0}])
def test_hostile_numbers_cost_nothing(kind, hostile, deployment):
    """A number without sense makes no list of that length: the form is refused, or passes it on as it is."""
    given = {**TWO, "gpu": "mi300x", **hostile}
    if "tensor-parallel-size" in hostile:
        del given["gpus"]
    made = generate(deployment(given), kind)
    assert len(getattr(made, "text", "")) < 10_000
    assert isinstance(made, Refused) or kind in ("serve", "config")


def test_a_folder_with_a_colon_is_not_mounted(deployment):
    """Docker would take what is behind the colon for another path."""
    for kind in ("docker", "compose"):
        assert "colon" in generate(deployment({**TWO, "model": "/models/a:b"}), kind).reason


def test_the_machine_that_writes_it_leaves_no_trace(deployment):
    """GPUs that were only detected here are in no file."""
    from vram_engine.deployment import Known, Setting

    found = deployment({"model": "org/name"}).with_settings(
        [Setting("gpu", Known("l4"), "detected"), Setting("gpus", Known(4), "detected")]
    )
    text = text_of(generate(found, "kubernetes"))
    assert "L4" not in text
    assert "nvidia.com/gpu: 1" in text


def test_compose_does_not_start_a_server_without_the_key_it_is_to_ask_for(deployment):
    """An unset variable would be an empty key, with which vLLM lets everybody in; a token may be missing."""
    made = generate(deployment({**TWO, "api-key": "sk-very-secret"}), "compose")
    (service,) = loaded(made)[0]["services"].values()
    assert service["environment"]["VLLM_API_KEY"] == "${VLLM_API_KEY:?}"
    assert service["environment"]["HF_TOKEN"] == "${HF_TOKEN:-}"

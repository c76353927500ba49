"""Values for the Helm chart of vLLM production-stack."""

from __future__ import annotations

from collections.abc import Mapping

from vram_engine.generate.arguments import option
from vram_engine.generate.commands import NO_MODEL
from vram_engine.generate.kubernetes import plain_variables
from vram_engine.generate.order import SECRETS, Order, Refused
from vram_engine.generate.wording import (
    HF_TOKEN,
    WHY_SHM,
    dns_label,
    gpu_label,
    header,
    image_of,
    is_amd,
    kubernetes_size,
    why_image,
)
from vram_engine.generate.yaml_text import Because, yaml_text
from vram_engine.images import ImageName

# Flags that the chart has keys of its own for. Switches are left to extraArgs: off, their keys say nothing.
_KEYS: Mapping[str, str] = {
    "max-model-len": "maxModelLen",
    "dtype": "dtype",
    "tensor-parallel-size": "tensorParallelSize",
    "pipeline-parallel-size": "pipelineParallelSize",
    "max-num-seqs": "maxNumSeqs",
    "gpu-memory-utilization": "gpuMemoryUtilization",
}


def helm_values(order: Order) -> str | Refused:
    """The values file's text."""
    image = image_of(order)
    if isinstance(image, Refused):
        return image
    if order.model is None:
        return NO_MODEL
    extra: list[str] = []
    for each, value in order.flags:
        words = () if each.name in _KEYS else option(each, value)
        if isinstance(words, Refused):
            return words
        extra += words
    # The chart passes arguments on to a container, where $(NAME) is a variable.
    if any("$(" in word for word in (*extra, order.model)):
        return Refused("a value holds $(, which the container would take for a variable")
    says = frozenset({"vllm-version", "gpus", "environment", *(("gpu",) if gpu_label(order) else ())})
    spec = _spec(order, image, extra)
    engine = {**_engine(order), "modelSpec": [spec]}
    return yaml_text({"servingEngineSpec": engine}, header(order, says=says))


def _engine(order: Order) -> dict[str, object]:
    port = order.value("port")
    key = {"secretName": "vllm-api-key", "secretKey": SECRETS["api-key"]}
    return {
        **({} if port is None else {"containerPort": port}),
        **({"vllmApiKey": key} if "api-key" in order.secrets else {}),
        "strategy": Because(
            {"type": "Recreate"}, "A rolling update would wait for GPUs that the old pod does not give up."
        ),
    }


def _spec(order: Order, image: ImageName, extra: list[str]) -> dict[str, object]:
    count = order.hardware.count
    config: dict[str, object] = {_KEYS[each.name]: value for each, value in order.flags if each.name in _KEYS}
    if extra:
        config["extraArgs"] = extra
    return {
        "name": dns_label(order),
        "repository": image.repository,
        "tag": Because(_tag(image), why_image(order, image)),
        "modelURL": order.model,
        "replicaCount": 1,
        "requestCPU": Because(2 + count, "vLLM wants two cores and one more for each GPU; raise both."),
        "requestMemory": f"{16 * max(count, 1)}Gi",
        "requestGPU": count,
        **({"requestGPUType": "amd.com/gpu"} if is_amd(order) else {}),
        **({"shmSize": Because(kubernetes_size(order.shm_bytes), WHY_SHM)} if order.shm_bytes else {}),
        "hf_token": Because(
            {"secretName": "hf-token", "secretKey": HF_TOKEN}, "By reference: the token is in a Secret."
        ),
        **({"env": variables} if (variables := plain_variables(order)) else {}),
        "vllmConfig": config,
        **_placement(order),
    }


def _tag(image: ImageName) -> str:
    """What the chart puts behind the repository and a colon."""
    return f"{image.tag or 'latest'}@{image.digest}" if image.digest else image.tag or "latest"


def _placement(order: Order) -> dict[str, object]:
    label = gpu_label(order)
    if label is None:
        return {}
    expression = {"key": label[0], "operator": "In", "values": list(label[1])}
    terms = [{"matchExpressions": [expression]}]
    return {"nodeSelectorTerms": Because(terms, "The GPU it was sized for.")}

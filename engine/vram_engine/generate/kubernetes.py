"""Kubernetes: a Deployment that starts vLLM, and the Service in front of it."""

from __future__ import annotations

import posixpath

from vram_engine.generate.arguments import model_words, options_of
from vram_engine.generate.commands import HUB_CACHE, NO_MODEL, WORKING_DIRECTORY
from vram_engine.generate.order import Order, Refused
from vram_engine.generate.wording import (
    HF_TOKEN,
    WHY_SHM,
    dns_label,
    gpu_label,
    header,
    image_of,
    is_a_path,
    is_amd,
    kubernetes_size,
    variables_of,
    why_image,
)
from vram_engine.generate.yaml_text import Because, yaml_text
from vram_engine.images import ImageName

# Where vLLM is reached from other pods.
_SERVICE_PORT = 80


def kubernetes_manifest(order: Order) -> str | Refused:
    """Deployment and Service, as two documents."""
    options, image = options_of(order), image_of(order)
    if isinstance(options, Refused):
        return options
    if isinstance(image, Refused):
        return image
    if order.model is None:
        return NO_MODEL
    if order.value("headless") is True:
        return Refused("a headless engine answers no probe, and is one of several machines")
    words = [*model_words(order.model), *(word for each in options for word in each)]
    says = frozenset({"vllm-version", "gpus", "environment", *(("gpu",) if gpu_label(order) else ())})
    deployment = yaml_text(_deployment(order, image, words), header(order, says=says))
    return f"{deployment}---\n{yaml_text(_service(order), ())}"


def _deployment(order: Order, image: ImageName, words: list[str]) -> dict[str, object]:
    name = dns_label(order)
    labels = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": Because(
                {"type": "Recreate"}, "A rolling update would wait for GPUs that the old pod does not give up."
            ),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(order, image, words)},
        },
    }


def _pod(order: Order, image: ImageName, words: list[str]) -> dict[str, object]:
    return {
        "enableServiceLinks": Because(
            False, "Otherwise a Service called vllm sets VLLM_PORT to an address, and vLLM does not start."
        ),
        **_placement(order),
        "containers": [_container(order, image, words)],
        "volumes": _volumes(order),
    }


def _container(order: Order, image: ImageName, words: list[str]) -> dict[str, object]:
    resource = "amd.com/gpu" if is_amd(order) else "nvidia.com/gpu"
    gpus = {resource: order.hardware.count}
    return {
        "name": "vllm",
        "image": Because(image.reference, why_image(order, image)),
        "command": ["vllm", "serve"],
        "args": [word.replace("$(", "$$(") for word in words],
        "env": Because(
            [*(_secret(order, name) for name in variables_of(order)), *plain_variables(order)],
            "Secrets by reference: their values are in Secrets.",
        ),
        "ports": [{"name": "http", "containerPort": order.port}],
        "resources": {"limits": gpus, "requests": gpus},
        **_probes(order),
        "volumeMounts": _mounts(order),
    }


def plain_variables(order: Order) -> list[dict[str, object]]:
    """The variables that stand in the file, of which nothing is filled in by the kubelet."""
    return [{"name": name, "value": value.replace("$(", "$$(")} for name, value in order.variables.values]


def _secret(order: Order, name: str) -> dict[str, object]:
    """A variable out of a Secret; without a token of the hub, models that are open are served all the same."""
    key: dict[str, object] = {"name": name.lower().replace("_", "-"), "key": name}
    if name == HF_TOKEN and "hf-token" not in order.secrets:
        key["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": key}}


def _probes(order: Order) -> dict[str, object]:
    scheme = {"scheme": "HTTPS"} if order.value("ssl-certfile") else {}
    health = {"path": "/health", "port": "http", **scheme}
    return {
        "startupProbe": Because(
            {"httpGet": health, "periodSeconds": 10, "failureThreshold": 360},
            "Download, loading and graph capture may take long: an hour, before the pod is given up.",
        ),
        "readinessProbe": {"httpGet": health, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": Because(
            {"httpGet": health, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
            "Slow answers under load are no reason to throw the loaded weights away.",
        ),
    }


def _placement(order: Order) -> dict[str, object]:
    """The nodes that have the GPU it was sized for."""
    label = gpu_label(order)
    if label is None:
        return {}
    key, values = label
    why = "The GPU it was sized for."
    if len(values) == 1:
        return {"nodeSelector": Because({key: values[0]}, why)}
    expression = {"key": key, "operator": "In", "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return {"affinity": Because(affinity, f"{why} Its driver has more than one name for it.")}


def _volumes(order: Order) -> list[dict[str, object]]:
    volumes: list[dict[str, object]] = []
    if order.shm_bytes:
        shm = {"medium": "Memory", "sizeLimit": kubernetes_size(order.shm_bytes)}
        volumes.append({"name": "shm", "emptyDir": Because(shm, f"{WHY_SHM} It counts as memory of the pod.")})
    if order.model is not None and is_a_path(order.model):
        claim = {"claimName": f"{dns_label(order)}-model", "readOnly": True}
        volumes.append({"name": "model", "persistentVolumeClaim": Because(claim, "A claim that holds the model.")})
    else:
        why = "Weights are downloaded with each new pod; a PersistentVolumeClaim here would keep them."
        volumes.append({"name": "hub-cache", "emptyDir": Because({}, why)})
    return volumes


def _mounts(order: Order) -> list[dict[str, object]]:
    shm: list[dict[str, object]] = [{"name": "shm", "mountPath": "/dev/shm"}] if order.shm_bytes else []
    if order.model is not None and is_a_path(order.model):
        path = posixpath.normpath(posixpath.join(WORKING_DIRECTORY, order.model))
        return [*shm, {"name": "model", "mountPath": path, "readOnly": True}]
    return [*shm, {"name": "hub-cache", "mountPath": HUB_CACHE}]


def _service(order: Order) -> dict[str, object]:
    name = dns_label(order)
    labels = {"app.kubernetes.io/name": name}
    port = {"name": "http", "port": _SERVICE_PORT, "targetPort": "http"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": labels, "ports": [port]},
    }

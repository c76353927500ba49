"""Artifacts: a deployment written anew as a command, a manifest or a configuration file, and tried before it is given.

Pure: a deployment in, a text or a reason out. What cannot be written so that it reads the same is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from vram_engine.deployment import Deployment
from vram_engine.generate.commands import docker_run, serve_command
from vram_engine.generate.compose import compose_file
from vram_engine.generate.config_file import config_file
from vram_engine.generate.helm import helm_values
from vram_engine.generate.kubernetes import kubernetes_manifest
from vram_engine.generate.order import Order, Refused, order_of
from vram_engine.generate.profile import profile
from vram_engine.generate.read_back import differences, script_as_task

Kind = Literal["serve", "docker", "compose", "kubernetes", "helm", "config", "profile"]
# No machine has more GPUs than this.
_MOST_GPUS = 64
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of artifact: what people call it, the usual name of its file, and who reads it back.

    ``asks_for_gpus`` says that it takes GPUs from a scheduler or a container runtime.
    """

    title: str
    file_name: str
    write: Callable[[Order], str | Refused]
    dialect: str
    asks_for_gpus: bool


FORMS: dict[Kind, Form] = {
    "serve": Form("vllm serve command", "serve.sh", serve_command, "skypilot", False),
    "docker": Form("docker run command", "docker-run.sh", docker_run, "skypilot", True),
    "compose": Form("docker-compose", "compose.yaml", compose_file, "compose", True),
    "kubernetes": Form("Kubernetes", "kubernetes.yaml", kubernetes_manifest, "kubernetes", True),
    "helm": Form("Helm values (production-stack)", "values.yaml", helm_values, "production-stack", True),
    "config": Form("vLLM config file", "config.yaml", config_file, "serve-config", False),
    "profile": Form("profile", "profile.yaml", profile, "profile", True),
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A text that starts, or describes, a deployment."""

    kind: Kind
    file_name: str
    text: str


def generate(deployment: Deployment, kind: Kind) -> Artifact | Refused:
    """One artifact of a deployment, or why there is none."""
    order = order_of(deployment)
    if isinstance(order, Refused):
        return order
    return _refused(order, FORMS[kind]) or _tried(order, kind)


def refusal(deployment: Deployment, kind: Kind) -> Refused | None:
    """Why there is certainly no artifact, as far as that can be told without writing it."""
    order = order_of(deployment)
    return order if isinstance(order, Refused) else _refused(order, FORMS[kind])


def _refused(order: Order, form: Form) -> Refused | None:
    if form.asks_for_gpus and order.hardware.unknown is not None:
        return Refused(f"the GPU cannot be asked for: {order.hardware.unknown}")
    if form.asks_for_gpus and order.hardware.count > _MOST_GPUS:
        return Refused(f"{order.hardware.count} GPUs are more than one machine has")
    if form.asks_for_gpus and not 0 < order.port < 2**16:
        return Refused(f"{order.port} is no port to publish")
    return None


def _tried(order: Order, kind: Kind) -> Artifact | Refused:
    """The artifact, after it was read and found to say the same."""
    form = FORMS[kind]
    text = form.write(order)
    if isinstance(text, Refused):
        return text
    is_script = form.dialect == "skypilot"
    differing = differences(order, script_as_task(text) if is_script else text, form.dialect)
    if differing:
        return Refused(f"as {form.title} it would not say the same: {', '.join(differing)}")
    return Artifact(kind, form.file_name, text)

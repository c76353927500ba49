"""A docker-compose file with one service that starts vLLM."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.generate.arguments import model_words, options_of
from vram_engine.generate.commands import NO_MODEL, no_volume, volume_of
from vram_engine.generate.order import SECRETS, Order, Refused
from vram_engine.generate.wording import (
    WHY_SHM,
    dns_label,
    docker_size,
    header,
    image_of,
    is_a_path,
    is_amd,
    variables_of,
    why_image,
)
from vram_engine.generate.yaml_text import Because, yaml_text

_WHY_MOUNTED = "The model's folder: on the host before the colon, in the container behind it."


def compose_file(order: Order) -> str | Refused:
    """The file's text."""
    options, image = options_of(order), image_of(order)
    if isinstance(options, Refused):
        return options
    if isinstance(image, Refused):
        return image
    unmountable = no_volume(order)
    if unmountable is not None or order.model is None:
        return unmountable or NO_MODEL
    words = [*model_words(order.model), *(word for each in options for word in each)]
    service: dict[str, object] = {
        "image": Because(image.reference, why_image(order, image)),
        "entrypoint": Because(["vllm", "serve"], "Said here because images of older releases start another program."),
        "command": [_escaped(word) for word in words],
        "ports": [f"{order.port}:{order.port}"],
        "environment": Because(_environment(order), "From the shell or a .env file: no secret stands here."),
        "volumes": Because([_escaped(volume_of(order))], _WHY_MOUNTED)
        if is_a_path(order.model)
        else [volume_of(order)],
        **_shared_memory(order),
        **_gpus(order),
        "restart": "unless-stopped",
    }
    data: dict[str, object] = {"services": {dns_label(order): service}}
    if not is_a_path(order.model):
        data["volumes"] = Because({"huggingface-cache": {}}, "Keeps downloaded weights between restarts.")
    return yaml_text(data, header(order, says=frozenset({"vllm-version", "gpus", "environment"})))


def _escaped(word: str) -> str:
    """Compose puts variables in place of ``$NAME``; two dollar signs are one."""
    return word.replace("$", "$$")


# An empty key would leave the server open to everybody; without one, compose must not start it.
_WHEN_UNSET: Mapping[str, str] = MappingProxyType({SECRETS["api-key"]: "?"})


def _environment(order: Order) -> dict[str, object]:
    variables: dict[str, object] = {name: f"${{{name}:{_WHEN_UNSET.get(name, '-')}}}" for name in variables_of(order)}
    variables |= {name: _escaped(value) for name, value in order.variables.values}
    if is_amd(order):
        variables["HIP_VISIBLE_DEVICES"] = ",".join(map(str, range(order.hardware.count)))
    return variables


def _shared_memory(order: Order) -> dict[str, object]:
    return {"shm_size": Because(docker_size(order.shm_bytes), WHY_SHM)} if order.shm_bytes else {}


def _gpus(order: Order) -> dict[str, object]:
    if is_amd(order):
        return {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["video"]}
    device = {"driver": "nvidia", "count": order.hardware.count, "capabilities": ["gpu"]}
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}}

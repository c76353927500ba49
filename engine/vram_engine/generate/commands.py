"""Command lines for a shell: ``vllm serve`` on the machine itself, and in a container that Docker runs."""

from __future__ import annotations

import posixpath
import shlex

from vram_engine.dialects.image import read_image
from vram_engine.generate.arguments import Options, model_words, options_of
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

# The directory that vLLM's image starts in (docker/Dockerfile), from which relative paths count.
WORKING_DIRECTORY = "/vllm-workspace"
HUB_CACHE = "/root/.cache/huggingface"


def serve_command(order: Order) -> str | Refused:
    """``vllm serve`` as a shell script."""
    options = options_of(order)
    if isinstance(options, Refused):
        return options
    if order.model is None:
        return NO_MODEL
    lines = [
        "#!/bin/sh",
        *(f"# {line}" for line in header(order, says=frozenset({"environment"}))),
        f"# Needs this very release: pip install vllm=={order.pinned}",
        *(f"export {name}={shlex.quote(value)}" for name, value in order.variables.values),
    ]
    if "api-key" in order.secrets:
        lines.append(f': "${{{SECRETS["api-key"]}:?}}"')
    return _script(lines, [("vllm", "serve", *model_words(order.model)), *options])


NO_MODEL = Refused("nothing says which model is served")


def docker_run(order: Order) -> str | Refused:
    """``docker run`` of vLLM's image as a shell script."""
    options, image = options_of(order), image_of(order)
    if isinstance(options, Refused):
        return options
    if isinstance(image, Refused):
        return image
    unmountable = no_volume(order)
    if unmountable is not None:
        return unmountable
    lines = ["#!/bin/sh", *(f"# {line}" for line in header(order, says=frozenset({"vllm-version", "environment"})))]
    lines.append(f"# {why_image(order, image)}")
    if order.shm_bytes:
        lines.append(f"# --shm-size: {WHY_SHM[0].lower()}{WHY_SHM[1:]}")
    if not read_image(image.reference).official:
        # What an image of others starts by itself is not known.
        own = (("--entrypoint", "vllm"), (image.reference,), ("serve", *model_words(order.model or "")))
        return _script(lines, [*_docker_options(order), *own, *options])
    # As an option the model is understood by every release, whatever program the image's entrypoint is.
    return _script(lines, [*_docker_options(order), (image.reference,), *_model_option(order.model or ""), *options])


def _model_option(model: str) -> Options:
    return ((f"--model={model}",) if model.startswith("-") else ("--model", model),)


def _docker_options(order: Order) -> Options:
    gpus: Options = (("--gpus", str(order.hardware.count)),)
    if is_amd(order):
        devices = ",".join(map(str, range(order.hardware.count)))
        gpus = (
            ("--device", "/dev/kfd"),
            ("--device", "/dev/dri"),
            ("--group-add", "video"),
            ("--env", f"HIP_VISIBLE_DEVICES={devices}"),
        )
    return (
        ("docker", "run"),
        ("--rm",),
        ("--name", dns_label(order)),
        *gpus,
        *((("--shm-size", docker_size(order.shm_bytes)),) if order.shm_bytes else ()),
        ("--publish", f"{order.port}:{order.port}"),
        # Named alone, a variable is passed on from the shell and stands in no file.
        *(("--env", name) for name in variables_of(order)),
        *(("--env", f"{name}={value}") for name, value in order.variables.values),
        ("--volume", volume_of(order)),
    )


def no_volume(order: Order) -> Refused | None:
    """Why the model cannot be given to a container."""
    if order.model is None:
        return NO_MODEL
    if is_a_path(order.model) and ":" in order.model:
        return Refused(f"{order.model} has a colon, and so cannot be mounted")
    return None


def volume_of(order: Order) -> str:
    """What a container needs from its host: the model's folder, else a place that keeps downloads."""
    if order.model is None or not is_a_path(order.model):
        return f"huggingface-cache:{HUB_CACHE}"
    target = posixpath.normpath(posixpath.join(WORKING_DIRECTORY, order.model))
    return f"{order.model}:{target}:ro"


def _script(lines: list[str], options: list[tuple[str, ...]]) -> str:
    """Comments, then one command with an option a line, each word quoted for a POSIX shell."""
    return "\n".join(lines) + "\n" + " \\\n  ".join(shlex.join(each) for each in options) + "\n"

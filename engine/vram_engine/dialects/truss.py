"""Truss (Baseten): a ``docker_server`` whose start command starts vLLM."""

from __future__ import annotations

from vram_engine.deployment import Deployment, JointSite, Known, Setting
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment, engine_of, image_at, scalar_chars, version_setting
from vram_engine.dialects.image import read_image
from vram_engine.dialects.scripts import command_launches, installed_version, variables_of
from vram_engine.dialects.surroundings import around_launch, placed
from vram_engine.dialects.trees import at, span_of, text_of
from vram_engine.dialects.words import text_site
from vram_engine.facts.gpus import find_gpu
from vram_engine.syntax.nodes import Document, Node, Tree


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    return text_of(at(document.root, "docker_server", "start_command")) != ""


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    text, root = tree.text, tree.documents[number].root
    image = at(root, "base_image", "image")
    version = version_setting(read_image(text_of(image)), span_of(image))
    version = version or installed_version(text, at(root, "requirements"))
    given = _gpus(text, at(root, "resources", "accelerator")) + Given(() if version is None else (version,))
    variables = variables_of(text, at(root, "environment_variables"), "is set elsewhere")
    name = at(root, "model_name")
    called = text_of(name) or "model"
    return tuple(
        placed(
            deployment("truss", called, number, span_of(name), engine_of(text, launch, None, version), given),
            around_launch(launch, image_at(image)),
        )
        for launch in command_launches(text, at(root, "docker_server", "start_command"), variables)
    )


def _gpus(text: str, node: Node | None) -> Given:
    """``H100:4``; without a number it is one."""
    chars = scalar_chars(text, node)
    if chars is None:
        return Given()
    name, sign, number = chars.text.partition(":")
    counted = number.isascii() and number.isdigit() and 0 < int(number[:4]) < 1000
    if find_gpu(name) is None or (sign and not counted):
        return Given()
    part = chars.slice(len(name) + 1, len(chars.text)) if sign else chars
    site = text_site(part) if sign else None
    gpu = Setting("gpu", Known(name), "file", "accelerator", span=chars.span)
    gpus = Setting("gpus", Known(int(number or 1)), "file", "accelerator", span=part.span)
    return Given((gpu, gpus), {"gpus": None if site is None else JointSite((site,))})


TRUSS = Dialect("truss", _claims, _suits, _read)

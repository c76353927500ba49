"""llama-swap: models whose command starts vLLM, by itself or in a container."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vram_engine.deployment import Deployment, Known, Setting
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.chars import Chars, hole, joined
from vram_engine.dialects.container import Given, deployment, engine_of, scalar_chars, version_setting
from vram_engine.dialects.launch import Launch, launches
from vram_engine.dialects.scripts import variables_of
from vram_engine.dialects.shell import split_words
from vram_engine.dialects.surroundings import Surroundings, around_launch, environment_of, placed
from vram_engine.dialects.trees import at
from vram_engine.dialects.variables import Variables, use_of
from vram_engine.dialects.words import ScalarPart
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Tree, resolve

_MACRO = re.compile(r"\$\{([\w.-]+)\}", re.ASCII)
_DEEPEST = 4


def _commands(document: Document) -> Iterator[tuple[str, Mapping, Node]]:
    models = resolve(at(document.root, "models"))
    for name, entry in models.pairs() if isinstance(models, Mapping) else ():
        model = resolve(entry.value)
        command = model.entry("cmd") if isinstance(model, Mapping) else None
        if isinstance(model, Mapping) and command is not None and isinstance(resolve(command.value), Scalar):
            yield name, model, command.value


def _claims(tree: Tree, number: int) -> bool:
    return bool(_read(tree, number))


def _suits(document: Document) -> bool:
    return any(True for _ in _commands(document))


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    text, document = tree.text, tree.documents[number]
    macros = _macros(text, at(document.root, "macros"))
    found = []
    for name, model, node in _commands(document):
        own = macros | _macros(text, at(model, "macros"))
        for launch in _launches(text, node, own):
            image = launch.image
            version = version_setting(image, launch.container[-1].span if launch.container else None)
            given = docker_gpus(launch) + Given(() if version is None else (version,))
            engine = engine_of(text, launch, image, version)
            made = deployment("llama-swap", name, number, node.span, engine, given)
            found.append(placed(made, _with_environment(text, model, around_launch(launch))))
    return tuple(found)


def _with_environment(text: str, model: Mapping, around: Surroundings) -> Surroundings:
    """With the variables that a model's ``env`` gives its command; a container that it starts does not see them."""
    if around.image is not None:
        return around
    given = environment_of(variables_of(text, model.get("env"), "is set elsewhere"), {})
    return replace(around, environment={**given, **around.environment})


def _macros(text: str, node: Node | None) -> dict[str, Chars]:
    holder = resolve(node)
    pairs = holder.pairs() if isinstance(holder, Mapping) else ()
    return {name: chars for name, entry in pairs if (chars := scalar_chars(text, entry.value)) is not None}


def _launches(text: str, node: Node, macros: Variables) -> Iterator[Launch]:
    scalar = resolve(node)
    chars = scalar_chars(text, node)
    if chars is not None and isinstance(scalar, Scalar):
        words = split_words(_filled(chars, macros, _DEEPEST), ScalarPart(scalar, node is not scalar))
        yield from launches(words, {})


def _filled(chars: Chars, macros: Variables, left: int) -> Chars:
    """``${macro}`` replaced; the port, the model's id and the environment are llama-swap's to fill in."""
    parts: list[Chars] = []
    at = 0
    for match in _MACRO.finditer(chars.text):
        parts.append(chars.slice(at, match.start()))
        at = match.end()
        use = use_of(chars, match.start(), match.end())
        value = macros.get(match[1])
        if value is None or left == 0:
            parts.append(hole(use, f"{match[0]} is filled in when the model is started"))
        else:
            parts.append(_filled(value, macros, left - 1).used_at(use, shared=True))
    return joined([*parts, chars.slice(at, len(chars.text))])


def docker_gpus(launch: Launch) -> Given:
    """The GPUs that ``docker run --gpus`` names; ``all`` says no number."""
    words = launch.container
    for number, word in enumerate(words):
        option, sign, value = word.text.partition("=")
        if option == "--gpus":
            said = value if sign else words[number + 1].text if number + 1 < len(words) else ""
            counted = _counted(said.strip("\"'"))
            if counted is not None:
                return Given((Setting("gpus", Known(counted), "file", "--gpus", span=word.span),), {"gpus": None})
    return Given()


def _counted(said: str) -> int | None:
    if said.startswith("device="):
        return len(said.removeprefix("device=").split(","))
    return int(said) if said.isascii() and said.isdigit() and 0 < int(said[:4]) < 1000 else None


LLAMA_SWAP = Dialect("llama-swap", _claims, _suits, _read)

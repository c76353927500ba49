"""What vLLM is started in: the image, and the variables of the environment, of a container or of a script's process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vram_engine.deployment import Deployment, Known, Unknown, Variable
from vram_engine.dialects.chars import Chars
from vram_engine.dialects.container import Container, written_image
from vram_engine.dialects.launch import Launch
from vram_engine.dialects.variables import Variables
from vram_engine.dialects.words import Word
from vram_engine.images import ImageName
from vram_engine.lent import FileRef
from vram_engine.text import Span

_VARIABLE_OPTIONS = frozenset({"-e", "--env"})
_FILE_OPTION = "--env-file"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The fields of a Deployment that tell what is around the engine's arguments."""

    image: ImageName | None = None
    environment: Mapping[str, Variable] = field(default_factory=dict)
    files: tuple[FileRef, ...] = ()
    elsewhere: str = ""


def placed(found: Deployment, around: Surroundings) -> Deployment:
    """The deployment with its surroundings."""
    return replace(
        found,
        image=around.image,
        environment=around.environment,
        environment_files=around.files,
        environment_elsewhere=around.elsewhere,
    )


def around_container(container: Container, variables: Variables) -> Surroundings:
    """What is around an engine in a container, where ``variables`` are those in force when it starts."""
    return Surroundings(
        container.named_image, environment_of(variables, container.names), (), container.variables_elsewhere
    )


def around_launch(launch: Launch, image: ImageName | None = None) -> Surroundings:
    """What is around an engine that a script starts: of a ``docker run``, the container's own, and nothing else."""
    if not launch.container:
        return Surroundings(image, environment_of(launch.environment, {}))
    named = launch.container[-1]
    variables = dict(_docker_variables(launch.container))
    files = any(word.text.partition("=")[0] == _FILE_OPTION for word in launch.container)
    elsewhere = f"more of it is in the file of {_FILE_OPTION}" if files else ""
    return Surroundings(written_image(named.text, named.span), variables, (), elsewhere)


def environment_of(variables: Variables, names: Mapping[str, Span]) -> dict[str, Variable]:
    """Variables with what is known of each; ``names`` are the places of their names."""
    return {name: variable_of(chars, names.get(name)) for name, chars in variables.items()}


def variable_of(chars: Chars, name: Span | None = None) -> Variable:
    """One variable by the characters of its value."""
    value: Known | Unknown = Known(chars.text) if chars.hole is None else Unknown(chars.hole)
    if isinstance(value, Known) and ("{{" in chars.text or "${" in chars.text):
        value = Unknown("it is filled in outside this file")
    return Variable(value, name or (chars.span if chars.text else None))


def _docker_variables(words: Sequence[Word]) -> Iterator[tuple[str, Variable]]:
    """``-e NAME=VALUE``; without a value it is that of the shell, which is not known."""
    for number, word in enumerate(words[:-1]):
        option, glued, _ = word.text.partition("=")
        if option not in _VARIABLE_OPTIONS:
            continue
        said = word.part(len(option) + 1) if glued and option == "--env" else words[number + 1]
        name, sign, _ = said.text.partition("=")
        if sign:
            yield name, variable_of(said.part(len(name) + 1).chars, said.span)
        else:
            yield name, Variable(Unknown(f"{name} is taken from the shell that starts the container"), said.span)

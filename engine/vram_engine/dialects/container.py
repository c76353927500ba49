"""A container's command line as launches of vLLM, and a launch as a Deployment: for all that runs containers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vram_engine.deployment import Deployment, Known, Remark, Setting, Site
from vram_engine.dialects.chars import HOLE, Chars, decoded
from vram_engine.dialects.docker_run import docker_files
from vram_engine.dialects.engine_settings import Edition, EngineSettings, read_engine
from vram_engine.dialects.image import Image
from vram_engine.dialects.launch import Launch, entrypoint_launch, launches, script_of
from vram_engine.dialects.model_store import model_store
from vram_engine.dialects.variables import Variables
from vram_engine.dialects.words import ListItem, Word, stretch
from vram_engine.facts.flags import flag
from vram_engine.facts.versions import Version, parse_version
from vram_engine.images import ImageName, image_name
from vram_engine.syntax.nodes import Alias, Node, Scalar, resolve
from vram_engine.syntax.nodes import Sequence as SequenceNode
from vram_engine.text import Span

# VLLM_ and the name of a flag, yet read by vLLM itself (vllm/envs.py), before these releases or in all.
_READ_BEFORE: Mapping[str, Version | None] = {
    "VLLM_API_KEY": None,
    "VLLM_PORT": None,
    "VLLM_DCP_Q_REPLICATE": None,
    "VLLM_ATTENTION_BACKEND": Version(0, 16, 0),
    "VLLM_ALL2ALL_BACKEND": Version(0, 16, 0),
}
# What other tools fill in before an image's name means anything.
_FILLED_IN = ("{{", "${", HOLE)


@dataclass(frozen=True, slots=True)
class Container:
    """What a container runs.

    ``words`` are entrypoint and command with their variables replaced; ``replaces_entrypoint`` says that the image's
    own entrypoint does not run. ``variables`` are the container's own, ``names`` the places of their names, and
    ``variables_elsewhere`` is why there may be more; ``named_image`` is the image as written, where that can be told.
    """

    words: tuple[Word, ...]
    replaces_entrypoint: bool
    image: Image | None
    image_span: Span | None
    variables: Variables
    names: Mapping[str, Span] = field(default_factory=dict)
    named_image: ImageName | None = None
    variables_elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """Settings that do not come from arguments, with where they are written."""

    settings: tuple[Setting, ...] = ()
    sites: Mapping[str, Site | None] = field(default_factory=dict)

    def __add__(self, other: Given) -> Given:
        return Given((*self.settings, *other.settings), {**self.sites, **other.sites})


def container_launches(container: Container) -> tuple[Launch, ...]:
    """The launches of vLLM in a container, the one by its image's entrypoint included."""
    found = tuple(launches(container.words, container.variables))
    if found or script_of(container.words) is not None:
        return found
    image = None if container.replaces_entrypoint else container.image
    if container.replaces_entrypoint and container.image is not None and not container.image.name:
        image = None
    launch = entrypoint_launch(container.words, container.variables, image)
    return () if launch is None else (launch,)


def running_together(found: Sequence[Launch]) -> Iterator[tuple[Launch, bool]]:
    """Each launch, and whether it is sure to run beside those before it: behind one that the script waits for, not."""
    together = True
    for launch in found:
        yield launch, together
        together = together and launch.background


def engine_of(text: str, launch: Launch, image: Image | None, version: Setting | None) -> EngineSettings:
    """The settings of a launch, read as the release reads them that ``version`` names."""
    said = version.value.value if version is not None and isinstance(version.value, Known) else ""
    pinned = parse_version(str(said))
    exact = pinned is not None and (image is None or image.official)
    edition = Edition(pinned, exact=exact, foreign=launch.program == "dynamo")
    read = read_engine(text, launch.words, launch.named, edition)
    stores = {each.name: (each,) for each in model_store(launch.variables)}
    return replace(read, settings={**read.settings, **stores}, container=docker_files(launch.container))


def version_setting(image: Image | None, span: Span | None) -> Setting | None:
    """The release an image's tag names."""
    if image is None or image.version is None:
        return None
    return Setting("vllm-version", Known(str(image.version)), "file", "image", span=span)


def deployment(
    dialect: str, name: str, number: int, anchor: Span | None, engine: EngineSettings, given: Given
) -> Deployment:
    """One engine: what its arguments say, and what the file says around them."""
    settings = dict(engine.settings)
    for setting in given.settings:
        settings[setting.name] = (*settings.get(setting.name, ()), setting)
    sites = engine.sites
    sites.update(given.sites)
    return Deployment(dialect, name, number, settings, sites, engine.remarks, anchor, container=engine.container)


def with_remarks(found: Deployment, remarks: Sequence[Remark]) -> Deployment:
    """The deployment with more remarks."""
    return replace(found, remarks=(*found.remarks, *remarks)) if remarks else found


def container_remarks(text: str, container: Container, launch: Launch, engine: EngineSettings) -> Iterator[Remark]:
    """What is wrong with a container around vLLM's arguments."""
    image = container.image
    if image is not None and image.official and not container.replaces_entrypoint:
        yield from _repeated(text, container, launch)
    if image is not None and (image.official or launch.program != "entrypoint") and not launch.scripted:
        yield from _unread(container, engine)


def _repeated(text: str, container: Container, launch: Launch) -> Iterator[Remark]:
    """The image's entrypoint is ``vllm serve`` already, so a command that says it again is refused."""
    if launch.program == "entrypoint" or launch.container:
        return
    said = " ".join(word.text for word in launch.named)
    message = f"the entrypoint of {container.image.name if container.image else 'the image'} starts vLLM already"
    if launch.scripted:
        shown = container.words[0].raw
        yield Remark("vllm-serve-repeated", shown, f"{message}, so this is passed to it as arguments")
        return
    taken_out = stretch(text, container.words, 0, len(launch.named)) if launch.named else None
    fix = taken_out if container.words and container.words[0] is launch.named[0] else None
    instead = None if fix is None else ""
    yield Remark("vllm-serve-repeated", launch.named[0].raw, f"{message}, so {said!r} is repeated", instead, fix)


def _unread(container: Container, engine: EngineSettings) -> Iterator[Remark]:
    """Variables named after a flag, which vLLM does not look at."""
    for name, span in container.names.items():
        if not name.startswith("VLLM_") or _reads(name, container.image):
            continue
        meant = flag(name.removeprefix("VLLM_").lower())
        if meant is not None and meant.name not in engine.settings and not meant.positional:
            value = container.variables.get(name)
            known = value.text if value is not None and value.hole is None else ""
            reader = f"vLLM from {_READ_BEFORE[name]} on" if name in _READ_BEFORE else "vLLM"
            message = f"{reader} does not read {name}; the option is --{meant.name}"
            yield Remark("unread-environment-variable", span, message, f"{meant.name}={known}")


def _reads(name: str, image: Image | None) -> bool:
    """Whether vLLM looks at a variable, as far as the image's release tells."""
    before = _READ_BEFORE.get(name)
    pinned = None if image is None else image.version
    return name in _READ_BEFORE and (before is None or pinned is None or pinned < before)


def scalar_chars(text: str, node: Node | None, *, shared: bool = False) -> Chars | None:
    """A scalar's characters, aliases followed; None when it is none, or cannot be reproduced."""
    scalar = resolve(node)
    if not isinstance(scalar, Scalar):
        return None
    return decoded(text, scalar, shared=shared or isinstance(node, Alias))


def item_words(text: str, node: Node | None, *, shared: bool = False) -> tuple[Word, ...] | None:
    """The items of a list as words; None when it is no list of scalars."""
    holder = resolve(node)
    if not isinstance(holder, SequenceNode):
        return None
    shared = shared or isinstance(node, Alias)
    words: list[Word] = []
    for index, item in enumerate(holder.items):
        chars = scalar_chars(text, item, shared=shared)
        scalar = resolve(item)
        if chars is None or not isinstance(scalar, Scalar):
            return None
        words.append(Word(chars, scalar.span, ListItem(holder, index, shared or isinstance(item, Alias))))
    return tuple(words)


def image_at(node: Node | None) -> ImageName | None:
    """The image that a scalar names; None where there is none, or where it is filled in by something else."""
    scalar = resolve(node)
    return written_image(scalar.text, scalar.span) if isinstance(scalar, Scalar) else None


def written_image(text: str, span: Span | None) -> ImageName | None:
    """The image of that name; None where a part of it is filled in by something else."""
    told = text.strip() and not any(mark in text for mark in _FILLED_IN)
    return image_name(text, span) if told else None


def references(name: str, texts: Sequence[str]) -> int:
    """How often a variable is read in some texts."""
    pattern = re.compile(rf"\$[({{]?{re.escape(name)}\b")
    return sum(len(pattern.findall(each)) for each in texts)

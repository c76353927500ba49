"""SkyPilot: a task whose ``run:`` script starts vLLM on the accelerators it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram_engine.deployment import Deployment, JointSite, Known, Setting, TextSite, Unknown
from vram_engine.dialects.accelerators import count, with_nodes
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.chars import Chars, joined
from vram_engine.dialects.container import Given, deployment, engine_of, scalar_chars, version_setting, written_image
from vram_engine.dialects.image import read_image
from vram_engine.dialects.scripts import installed_version, run_launches, variables_of
from vram_engine.dialects.surroundings import around_launch, placed
from vram_engine.dialects.trees import at, items, span_of, text_of
from vram_engine.dialects.words import text_site
from vram_engine.facts.gpus import GpuMatch, all_gpus, find_gpu, gpu_names
from vram_engine.images import ImageName
from vram_engine.syntax.nodes import Document, Entry, Mapping, Node, Scalar, Tree, resolve

_ACCELERATOR = re.compile(r"([A-Za-z][\w.-]*?)(?:\s*:\s*(\d{1,3}))?", re.ASCII)


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    root = resolve(document.root)
    if not isinstance(root, Mapping) or not isinstance(root.get("run"), Scalar):
        return False
    return isinstance(root.get("resources"), Mapping) or isinstance(root.get("setup"), Scalar)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    text, root = tree.text, tree.documents[number].root
    accelerators = tuple(_accelerators(text, at(root, "resources")))
    nodes = count(at(root, "num_nodes")) or 1
    variables = variables_of(text, at(root, "secrets"), "is a secret") | variables_of(
        text, at(root, "envs"), "is given when the task is launched"
    )
    variables |= _own_variables(text, root, accelerators)
    version = _version(root) or installed_version(text, at(root, "setup"), at(root, "run"))
    found: list[Deployment] = []
    for launch in run_launches(text, at(root, "run"), variables):
        image = launch.container[-1].span if launch.container else None
        release = version or version_setting(launch.image, image)
        given = _given(accelerators) + Given(() if release is None else (release,))
        if nodes > 1:
            given = with_nodes(given, nodes, span_of(at(root, "num_nodes")), "")
        engine = engine_of(text, launch, launch.image, release)
        name = text_of(at(root, "name")) or "run"
        name = f"{name}/{len(found) + 1}" if found else name
        made = deployment("skypilot", name, number, launch.named[0].raw if launch.named else None, engine, given)
        found.append(placed(made, around_launch(launch, _image(root))))
    return tuple(found)


def _image(root: Node | None) -> ImageName | None:
    """The image that the machine is a container of, if it is one."""
    image = at(root, "resources", "image_id")
    docker = text_of(image).startswith("docker:")
    return written_image(text_of(image).removeprefix("docker:"), span_of(image)) if docker else None


def _version(root: Node | None) -> Setting | None:
    image = at(root, "resources", "image_id")
    return version_setting(read_image(text_of(image).removeprefix("docker:")), span_of(image))


def _accelerators(text: str, resources: Node | None) -> Iterator[Chars]:
    """Every accelerator that will do, in each of the forms they are written in."""
    node = resolve(at(resources, "accelerators"))
    if isinstance(node, Scalar):
        chars = scalar_chars(text, node)
        if chars is not None and chars.text.strip():
            yield chars
    elif isinstance(node, Mapping):
        yield from (chars for entry in node.entries if (chars := _of_entry(text, entry)) is not None)
    else:
        yield from (chars for item in items(node) if (chars := scalar_chars(text, item)) is not None)
    for key in ("any_of", "ordered"):
        for choice in items(at(resources, key)):
            yield from _accelerators(text, choice)


def _of_entry(text: str, entry: Entry) -> Chars | None:
    """``H100: 8``, or ``L4:8`` in braces, which YAML reads as a key without a value."""
    name = scalar_chars(text, entry.key)
    value = resolve(entry.value)
    number = scalar_chars(text, value) if isinstance(value, Scalar) and value.text.strip() else None
    if name is None or number is None:
        return name
    return joined([name, _colon(name), number])


def _colon(name: Chars) -> Chars:
    last = name.slice(len(name.text) - 1, len(name.text))
    return Chars(":", last.ends, last.ends, last.sources)


def _own_variables(text: str, root: Node | None, accelerators: tuple[Chars, ...]) -> dict[str, Chars]:
    """SKYPILOT_NUM_GPUS_PER_NODE is the accelerators' count where all have the same, SKYPILOT_NUM_NODES a key."""
    found: dict[str, Chars] = {}
    nodes = scalar_chars(text, at(root, "num_nodes"))
    if nodes is not None and count(at(root, "num_nodes")) is not None:
        found["SKYPILOT_NUM_NODES"] = nodes
    counts = [_count(each) for each in accelerators]
    if len(counts) == 1 and counts[0] is not None:
        found["SKYPILOT_NUM_GPUS_PER_NODE"] = counts[0]
    return found


def _count(accelerator: Chars) -> Chars | None:
    """The characters of the count; None where it is left out, and so is 1."""
    match = _ACCELERATOR.fullmatch(accelerator.text.strip())
    if match is None or match[2] is None:
        return None
    return accelerator.slice(accelerator.text.rindex(match[2]), len(accelerator.text.rstrip()))


def _given(accelerators: tuple[Chars, ...]) -> Given:
    if not accelerators:
        return Given()
    names = [each.text.strip() for each in accelerators]
    span = accelerators[0].span
    if len(accelerators) > 1:
        reason = f"any of {', '.join(names)} may be used"
        gpus = Setting("gpus", Unknown(reason), "file", "accelerators", span=span)
        same = {number.text if (number := _count(each)) is not None else "1" for each in accelerators}
        if len(same) == 1:
            gpus = Setting("gpus", Known(int(next(iter(same)))), "file", "accelerators", span=span)
        any_of = tuple(_choice(name, counted=len(same) > 1) for name in names)
        return Given((Setting("gpu", Unknown(reason, any_of), "file", "accelerators", span=span), gpus), {"gpus": None})
    match = _ACCELERATOR.fullmatch(names[0])
    if match is None:
        return Given()
    number = _count(accelerators[0])
    site: TextSite | None = text_site(number) if number is not None else None
    gpus = Setting("gpus", Known(int(match[2] or 1)), "file", "accelerators", span=number.span if number else span)
    gpu = Setting("gpu", Known(_named(match[1])), "file", "accelerators", span=span)
    return Given((gpu, gpus), {"gpus": None if site is None else JointSite((site,))})


def _choice(written: str, *, counted: bool) -> str:
    """One of several accelerators by a name that holds its number, where that differs from one to the other."""
    match = _ACCELERATOR.fullmatch(written)
    name = _named(match[1]) if match is not None else written
    return f"{match[2] or 1}x{name}" if counted and match is not None else name


def _named(name: str) -> str:
    """A GPU by SkyPilot's own name, with the size that it has there: its A100 is the one with 40 GB."""
    if isinstance(find_gpu(name), GpuMatch):
        return name
    meant = [gpu for gpu in all_gpus() if name.casefold() in map(str.casefold, gpu_names(gpu.id).skypilot)]
    sizes = {gpu.memory_gb for gpu in meant}
    sized = f"{name} {next(iter(sizes))}GB" if len(sizes) == 1 else name
    return sized if isinstance(find_gpu(sized), GpuMatch) else name


SKYPILOT = Dialect("skypilot", _claims, _suits, _read)

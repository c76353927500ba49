"""What an artifact takes over of the place its source runs in: the image, and variables that are no secret."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vram_engine.deployment import Deployment, Known, Variable
from vram_engine.dialects.image import read_image
from vram_engine.facts.versions import Version, parse_version
from vram_engine.images import ImageName

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_WRITABLE = re.compile(r"[ -~]{0,2048}", re.ASCII)
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"hf_|sk-|gh[pos]_|[a-z+]+://[^/]*:[^/]*@", re.IGNORECASE)
# Asked for anew from who hands out the GPUs, or told by the platform itself.
_OF_THE_PLACE = re.compile(
    r"(?:CUDA|NVIDIA|HIP|ROCR)_VISIBLE_DEVICES|NVIDIA_DRIVER_|SKYPILOT_|DSTACK_|VLLM_ADDITIONAL_ARGS"
)
_MOST, _LONGEST_SECRET = 100, 512
# Their variables are settings, or those of a controller.
_WITHOUT_VARIABLES = frozenset({"runpod"})


@dataclass(frozen=True, slots=True)
class Carried:
    """Variables with their values, names of those that hold secrets, and names of those that are left behind."""

    values: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def carried_variables(deployment: Deployment) -> Carried:
    """The environment sorted by what can become of it."""
    if deployment.dialect in _WITHOUT_VARIABLES:
        return Carried()
    values: list[tuple[str, str]] = []
    secrets: list[str] = []
    left: list[str] = []
    for name, variable in deployment.environment.items():
        if _OF_THE_PLACE.match(name) is not None or _NAME.fullmatch(name) is None:
            continue
        if is_secret(name, variable):
            secrets.append(name)
        elif (text := _text(variable)) is not None and len(values) < _MOST:
            values.append((name, text))
        else:
            left.append(name)
    return Carried(tuple(values), tuple(secrets[:_MOST]), tuple(left[:_MOST]))


def _text(variable: Variable) -> str | None:
    """A value that any form can hold as it is."""
    text = str(variable.value.value) if isinstance(variable.value, Known) else None
    return text if text is not None and _WRITABLE.fullmatch(text) else None


def is_secret(name: str, variable: Variable) -> bool:
    """Whether a variable holds a secret, by what it is called or by what its value looks like."""
    text = str(variable.value.value) if isinstance(variable.value, Known) else ""
    return _SECRET_NAME.search(name) is not None or _SECRET_VALUE.match(text[:_LONGEST_SECRET]) is not None


def own_image(deployment: Deployment, release: Version | None) -> ImageName | None:
    """The source's image where it is the one to start: a build that is not vLLM's own, or its own with this release.

    None where somebody asked for another release than the image's, or for none and the tag is a moving one.
    """
    named = deployment.image
    if named is None or deployment.dialect in _WITHOUT_VARIABLES or not _WRITABLE.fullmatch(named.reference):
        return None
    said, image = deployment.effective("vllm-version"), read_image(named.reference)
    if not image.holds_vllm or image.machine is not None or (said is not None and said.spelling != "image"):
        return None
    is_pinned = release is not None and parse_version(named.tag) == release
    return named if is_pinned or not image.official else None

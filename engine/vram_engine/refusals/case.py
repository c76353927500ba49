"""What a refusal is, and one deployment as the checks see it: what is unknown is never taken for a default."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from vram_engine.deployment import Deployment, Setting
from vram_engine.facts.versions import Version
from vram_engine.hardware import Node
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.engine_args import EngineArgs

T = TypeVar("T")

_LONGEST_JSON = 2**16

# What a config.json says may no longer hold under these.
_CHANGES_THE_MODEL = ("hf-overrides", "hf-config-path", "model-class-overrides", "rope-scaling")


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal: what it is about, and vLLM's reason in a sentence.

    ``assumed`` is whether it rests on the newest release being the one that is run.
    """

    topic: str
    message: str
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One deployment with everything known about it; ``spec`` and ``node`` are None where they are not known.

    ``model`` is the spec where it is of a config.json that nothing overrides, ``capability`` the CUDA compute
    capability of a GPU that is known and not assumed. ``hides_settings`` says that there are arguments that cannot be
    read, so that what is not seen may be set all the same.
    """

    deployment: Deployment
    args: EngineArgs
    spec: ModelSpec | None
    node: Node | None
    model: ModelSpec | None
    capability: tuple[int, int] | None
    hides_settings: bool

    @property
    def version(self) -> Version:
        """The release that is sized for."""
        return self.args.vllm_version

    @property
    def release_is_stated(self) -> bool:
        """Whether anything says the release."""
        return self.deployment.value("vllm-version") is not None

    def says(self, *names: str) -> bool:
        """Whether one of these settings is there, whatever its value."""
        settings = self.deployment.settings
        return any(settings.get(name) for name in names) if len(names) > 1 else bool(settings.get(names[0]))

    def number(self, name: str, default: float | None = None) -> float | None:
        """A number; ``default`` where the setting is certainly absent, None where it is not known."""
        return self.deployment.number(name) if self.says(name) else self._absent(default)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number; see ``number``."""
        return self.deployment.integer(name) if self.says(name) else self._absent(default)

    def text(self, name: str, default: str | None = None) -> str | None:
        """A word; see ``number``."""
        return self.deployment.text(name) if self.says(name) else self._absent(default)

    def switch(self, name: str, *, default: bool = False) -> bool | None:
        """A switch; see ``number``."""
        if not self.says(name):
            return self._absent(default)
        value = self.deployment.value(name)
        return value if isinstance(value, bool) else None

    def mapping(self, name: str) -> Mapping[str, object] | None:
        """A setting that is a JSON object, where the whole of it can be read."""
        return mapping_of(self.deployment.settings.get(name, ()))

    def _absent(self, default: T) -> T | None:
        return None if self.hides_settings else default


def case_of(deployment: Deployment, args: EngineArgs, spec: ModelSpec | None, node: Node | None) -> Case:
    """A deployment as the checks see it."""
    settings = deployment.settings
    certain = spec is not None and not spec.shapes_guessed and not any(map(settings.get, _CHANGES_THE_MODEL))
    known_gpu = node is not None and node.gpu.memory_status != "assumed"
    return Case(
        deployment,
        args,
        spec,
        node,
        spec if certain else None,
        node.gpu.capability if node is not None and known_gpu else None,
        bool(settings.get("more-arguments")),
    )


Reason: TypeAlias = Callable[[Case], str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One refusal of vLLM: the rule that speaks of it, how it is seen, and the releases from and before which it holds.

    ``follows_release`` marks a check of what older releases take. ``unless`` are other checks that speak of the same
    setting and go before: of two refusals only one is said.
    """

    topic: str
    reason: Reason
    since: Version | None = None
    before: Version | None = None
    follows_release: bool = False
    unless: tuple[Reason, ...] = ()

    def of(self, case: Case) -> Refused | None:
        """The refusal of this case, if there is one."""
        if (self.since and case.version < self.since) or (self.before and case.version >= self.before):
            return None
        reason = self.reason(case)
        if reason is None or any(other(case) is not None for other in self.unless):
            return None
        return Refused(self.topic, reason, self._rests_on_release(case))

    def _rests_on_release(self, case: Case) -> bool:
        return not case.release_is_stated and (self.follows_release or self.before is not None)


def in_vllms_words(setting: Setting) -> bool:
    """Whether a setting is an option of vLLM as written, not one that a chart or an operator makes of its own key."""
    return setting.spelling.startswith("-") or setting.spelling.replace("_", "-").lower() == setting.name


def mapping_of(occurrences: tuple[Setting, ...]) -> Mapping[str, object] | None:
    """The JSON object a setting holds; None for parts of one (``--name.key``) and for anything else."""
    if not occurrences or any("." in each.spelling or not in_vllms_words(each) for each in occurrences):
        return None
    value = getattr(occurrences[-1].value, "value", None)
    if not isinstance(value, str) or len(value) > _LONGEST_JSON:
        return None
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def whole(mapping: Mapping[str, object], name: str) -> int | None:
    """A whole number of a JSON object."""
    value = mapping.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def word(mapping: Mapping[str, object], name: str) -> str | None:
    """A string of a JSON object."""
    value = mapping.get(name)
    return value if isinstance(value, str) else None

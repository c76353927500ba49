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
    """One deployment with everything known about it; ``spec`` and ``node`` are None where they are not known."""

    deployment: Deployment
    args: EngineArgs
    spec: ModelSpec | None
    node: Node | None

    @property
    def version(self) -> Version:
        """The release that is sized for."""
        return self.args.vllm_version

    @property
    def release_is_stated(self) -> bool:
        """Whether anything says the release."""
        return self.deployment.value("vllm-version") is not None

    @property
    def model(self) -> ModelSpec | None:
        """The model where its config.json is known and nothing overrides it."""
        if self.spec is None or self.spec.shapes_guessed or any(map(self.says, _CHANGES_THE_MODEL)):
            return None
        return self.spec

    @property
    def capability(self) -> tuple[int, int] | None:
        """The CUDA compute capability of a GPU that is known and not assumed."""
        if self.node is None or self.node.gpu.memory_status == "assumed":
            return None
        return self.node.gpu.capability

    @property
    def hides_settings(self) -> bool:
        """Whether there are arguments that cannot be read, so that what is not seen may be set all the same."""
        return self.says("more-arguments")

    def says(self, *names: str) -> bool:
        """Whether one of these settings is there, whatever its value."""
        return any(self.deployment.effective(name) is not None for name in names)

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


Reason: TypeAlias = Callable[[Case], str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One refusal of vLLM: the rule that speaks of it, how it is seen, and the releases from and before which it holds.

    ``follows_release`` marks a check that itself tells releases apart.
    """

    topic: str
    reason: Reason
    since: Version | None = None
    before: Version | None = None
    follows_release: bool = False

    def of(self, case: Case) -> Refused | None:
        """The refusal of this case, if there is one."""
        if (self.since and case.version < self.since) or (self.before and case.version >= self.before):
            return None
        reason = self.reason(case)
        return None if reason is None else Refused(self.topic, reason, self._rests_on_release(case))

    def _rests_on_release(self, case: Case) -> bool:
        return not case.release_is_stated and (self.follows_release or self.before is not None)


def mapping_of(occurrences: tuple[Setting, ...]) -> Mapping[str, object] | None:
    """The JSON object a setting holds; None for parts of one (``--name.key``) and for anything else."""
    if not occurrences or any("." in setting.spelling for setting in occurrences):
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

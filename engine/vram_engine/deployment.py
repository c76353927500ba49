"""A deployment: one vLLM engine that a file would start, as settings that know where they were written.

Names are vLLM's long flags in kebab case, plus the names of ``OWN_SETTINGS`` for what vLLM has no flag for
(hardware, workload, policy, version). Dialects make deployments; sizing and rules only read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from vram_engine.syntax.route import Place, Route
from vram_engine.text import Span

Origin = Literal["default", "detected", "settings", "project", "file", "directive", "argument"]

# From weakest to strongest: INTERFACES' order of authority read backwards.
AUTHORITY: tuple[Origin, ...] = ("default", "detected", "settings", "project", "file", "directive", "argument")

# Settings that are not flags of vLLM, and what they mean. Bytes and GiB are said in the names.
OWN_SETTINGS: Mapping[str, str] = {
    "gpu": "the GPU, by catalogue id or any name people write",
    "gpus": "how many of them this deployment may use",
    "gpu-memory-bytes": "memory of one GPU as CUDA reports it",
    "free-memory-bytes": "memory of one GPU that is free when vLLM starts",
    "vllm-version": "the vLLM release to size for",
    "estimator": "startup (vLLM's accounting) or closed_form (the rule of thumb)",
    "concurrency": "requests served at once",
    "prompt-tokens": "tokens of a prompt",
    "gen-tokens": "tokens generated per request",
    "mode": "balanced, throughput or latency",
    "interconnect": "unknown, pcie or nvlink",
    "headroom-gib": "memory to keep free before calling it a fit",
    "overhead-gib": "fixed overhead for the closed form",
    "fragmentation-factor": "what the workload's KV cache is multiplied by",
    "params-b": "billions of parameters, where no model is named",
}

Scalar: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Known:
    """A value that is certain."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Unknown:
    """A setting that is there, but whose value cannot be told; never treated as the default."""

    reason: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One occurrence of a setting: its value, who said so, and where."""

    name: str
    value: Known | Unknown
    origin: Origin
    spelling: str = ""
    place: Place | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class MapSite:
    """A setting's home in a map: where its value is, or would be, and how values are spelled there."""

    document: int
    route: Route
    spellings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a dialect noticed while reading: a key it does not know, or a value that cannot be one."""

    kind: Literal["unknown-key", "invalid-value"]
    place: Place
    message: str
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One engine: every occurrence of every setting, weakest first, so that the last one is in force."""

    dialect: str
    name: str
    document: int
    settings: Mapping[str, tuple[Setting, ...]]
    sites: Mapping[str, MapSite]
    remarks: tuple[Remark, ...] = ()

    def effective(self, name: str) -> Setting | None:
        """The occurrence in force, or None when nobody said anything."""
        occurrences = self.settings.get(name)
        return occurrences[-1] if occurrences else None

    def value(self, name: str) -> Scalar | None:
        """The value in force when it is known; None when it is absent or unknown."""
        setting = self.effective(name)
        return setting.value.value if setting is not None and isinstance(setting.value, Known) else None

    def text(self, name: str) -> str | None:
        """``value`` when it is a string."""
        value = self.value(name)
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        """``value`` when it is a whole number."""
        value = self.value(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def number(self, name: str) -> float | None:
        """``value`` when it is a number."""
        value = self.value(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def is_on(self, name: str) -> bool:
        """Whether a boolean flag is known to be on."""
        return self.value(name) is True

    def with_settings(self, more: Iterable[Setting]) -> Deployment:
        """The deployment with settings of other origins merged in by authority."""
        merged = {name: list(occurrences) for name, occurrences in self.settings.items()}
        for setting in more:
            merged.setdefault(setting.name, []).append(setting)
        for occurrences in merged.values():
            occurrences.sort(key=lambda setting: AUTHORITY.index(setting.origin))
        return replace(self, settings={name: tuple(occurrences) for name, occurrences in merged.items()})

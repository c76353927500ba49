"""A deployment: one vLLM engine that a file would start, as settings that know where they were written.

Names are vLLM's long flags in kebab case, plus the names of ``OWN_SETTINGS`` for what vLLM has no flag for
(hardware, workload, policy, version). Dialects make deployments; sizing and rules only read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from vram_engine.images import ImageName
from vram_engine.lent import FileRef
from vram_engine.measured import Measured
from vram_engine.mounts import ContainerFiles
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
    "nodes": "how many machines one engine is spread over; gpus counts those of all of them",
    "shm-bytes": "shared memory (/dev/shm) of the container",
    "model-store": "where vLLM takes the model from, if not from Hugging Face",
    "more-arguments": "arguments that are there but cannot be read, so that a flag left out is unknown, not default",
}

Scalar: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Known:
    """A value that is certain."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Unknown:
    """A setting that is there, but whose value cannot be told; never treated as the default.

    ``any_of`` are values of which one will be in force, where it is known which.
    """

    reason: str
    any_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment that vLLM starts in: its text, and where its name or value is written."""

    value: Known | Unknown
    span: Span | None = None


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
class TextSite:
    """A stretch of text that is the value: a whole scalar in its quotes, or a ``part`` of one."""

    span: Span
    style: str = "part"


@dataclass(frozen=True, slots=True)
class SwitchSite:
    """A flag without a value: ``--name`` for on, ``--no-name`` for off."""

    text: TextSite
    flag: str


@dataclass(frozen=True, slots=True)
class AppendSite:
    """Where arguments that are not there yet would go, in the style of those that are.

    ``lead`` stands before each new list item, or before the whole in a string, where a blank parts flag and value.
    ``glued`` writes ``--flag=value``. ``flag`` is the name to write, which the map of sites fills in.
    """

    at: int
    lead: str
    glued: bool
    flag_style: str
    value_style: str
    in_list: bool = True
    flag: str = ""


@dataclass(frozen=True, slots=True)
class LineSite:
    """Where a ``key: value`` line that is not there yet would go."""

    at: int
    lead: str
    key: str


@dataclass(frozen=True, slots=True)
class FramedSite:
    """Where a value that is not there yet would go, with the text that has to stand around it."""

    at: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class GrowSite:
    """A list of device numbers that says how many there are: ``present`` of them, the next one being ``following``.

    More go behind the last one, each after ``lead`` and in quotes of ``style``.
    """

    at: int
    lead: str
    style: str
    present: int
    following: int


@dataclass(frozen=True, slots=True)
class JointSite:
    """Several places that must always say the same, such as the limit and the request of a container."""

    sites: tuple[TextSite | GrowSite, ...]


Site: TypeAlias = MapSite | TextSite | SwitchSite | AppendSite | LineSite | FramedSite | JointSite

RemarkKind = Literal[
    "unknown-key",
    "invalid-value",
    "removed-flag",
    "boolean-with-value",
    "boolean-has-no-effect",
    "flag-and-value-in-one-item",
    "vllm-serve-repeated",
    "setting-given-twice",
    "config-file-not-expanded",
    "unread-environment-variable",
    "yaml-rewrites-number",
]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a dialect noticed while reading: a key it does not know, a value that cannot be one, a trap.

    ``instead`` is what was meant: another key or value at a Place, another text (empty to take it out) for a Span,
    or for ``stretch`` where more has to be replaced than is shown. For a variable it is the option, ``name=value``.
    """

    kind: RemarkKind
    place: Place | Span
    message: str
    instead: str | None = None
    stretch: Span | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """Another engine that starts on the same GPU: its name, and the share of the memory it asks for, when known.

    ``may_sleep`` says that it can give its memory back while others work.
    """

    name: str
    utilization: float | None
    place: Place | Span | None
    may_sleep: bool = False


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter by its name, and its rank."""

    name: str
    rank: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """One engine: every occurrence of every setting, weakest first, so that the last one is in force.

    ``sites`` says where a setting is, or would be, written; a name it maps to None cannot be written safely.
    ``anchor`` is the name that speaks for the whole deployment, ``peers`` are the engines on the same GPU.
    ``measured`` are start-ups whose terms are known, of this deployment or of others. ``container`` is what is known of
    the files of the container it runs in; None where it runs in none, as far as the file says. ``image`` is that
    container's. ``environment`` are the variables in force, ``environment_files`` are files with more of them, the
    strongest last, and ``environment_elsewhere`` is why others may be set that nothing here tells; else it is empty.
    ``adapter`` is the one of the largest rank among the LoRA adapters that are known of those it loads at the start.
    """

    dialect: str
    name: str
    document: int
    settings: Mapping[str, tuple[Setting, ...]]
    sites: Mapping[str, Site | None]
    remarks: tuple[Remark, ...] = ()
    anchor: Span | None = None
    peers: tuple[Peer, ...] = ()
    measured: tuple[Measured, ...] = ()
    container: ContainerFiles | None = None
    image: ImageName | None = None
    environment: Mapping[str, Variable] = field(default_factory=dict)
    environment_files: tuple[FileRef, ...] = ()
    environment_elsewhere: str = ""
    adapter: Adapter | None = None

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

    def outside(self, path: str) -> str | None:
        """A path among this deployment's settings as a path outside its container; None where that cannot be told."""
        return path if self.container is None else self.container.outside(path)

    def with_settings(self, more: Iterable[Setting]) -> Deployment:
        """The deployment with settings of other origins merged in by authority."""
        merged = {name: list(occurrences) for name, occurrences in self.settings.items()}
        for setting in more:
            merged.setdefault(setting.name, []).append(setting)
        for occurrences in merged.values():
            occurrences.sort(key=lambda setting: AUTHORITY.index(setting.origin))
        return replace(self, settings={name: tuple(occurrences) for name, occurrences in merged.items()})

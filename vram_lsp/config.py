"""Every user setting, declared once: read from the project file (kebab-case) and from the editor (camelCase)."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vram_engine.deployment import Known, Origin, Scalar, Setting
from vram_engine.dialects.directives import ESTIMATORS
from vram_engine.facts.versions import parse_version
from vram_engine.measured import Measured
from vram_engine.rules import BY_NAME
from vram_lsp import calibrations

PROJECT_FILE = calibrations.PROJECT_FILE
SEVERITIES = ("off", "hint", "information", "warning", "error")

Kind = Literal["text", "count", "version", "estimator"]

# What the editor's setting hub allows of the network. off: files that vLLM itself would load. cache: also what the hub
# said before. on: the hub may be asked.
HubMode = Literal["off", "cache", "on"]
HUB_MODES: tuple[HubMode, ...] = ("off", "cache", "on")


@dataclass(frozen=True, slots=True)
class UserSetting:
    """One setting: its key in the project file, the engine's setting it gives, and what it is for."""

    key: str
    gives: str
    kind: Kind
    description: str


SETTINGS: tuple[UserSetting, ...] = (
    UserSetting("vllm-version", "vllm-version", "version", "The vLLM release to size for, such as 0.32.0."),
    UserSetting(
        "estimator", "estimator", "estimator", "startup (vLLM's own accounting) or closed_form (rule of thumb)."
    ),
    UserSetting("hardware.gpu", "gpu", "text", "The GPU, by catalogue id or any name people write."),
    UserSetting("hardware.count", "gpus", "count", "How many of them a deployment may use."),
    UserSetting("workload.concurrency", "concurrency", "count", "Requests served at once."),
    UserSetting("workload.prompt-tokens", "prompt-tokens", "count", "Tokens of a prompt."),
    UserSetting("workload.gen-tokens", "gen-tokens", "count", "Tokens generated per request."),
)
_BY_KEY = {setting.key: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class EditorSetting:
    """A setting that only an editor has: its words with the one that counts by default first, none for a path.

    ``for_server`` is False where only the editor's extension reads it, ``scope`` is VS Code's word for who may set it.
    """

    key: str
    words: tuple[str, ...]
    description: str
    for_server: bool = True
    scope: str = "machine"


EDITOR_SETTINGS: tuple[EditorSetting, ...] = (
    EditorSetting(
        "hub",
        ("", *HUB_MODES),
        "What may be known of the model hub: off, cache (what it said earlier), or on (it may be asked; descriptions "
        "of models, never weights). Empty: off, and asked about once. Only the user can set it, never a project file.",
    ),
    EditorSetting(
        "python",
        (),
        "A Python environment, or the interpreter in it, whose vLLM is sized for where a file says no version. Empty: "
        "VIRTUAL_ENV, or .venv in the workspace. Only the names of its packages are read; nothing is started.",
        scope="machine-overridable",
    ),
    EditorSetting(
        "trace.server",
        ("off", "messages", "verbose"),
        "What the server tells of its work.",
        for_server=False,
        scope="window",
    ),
    EditorSetting(
        "server.path",
        (),
        "The server's program (vram-lsp). Empty: it is looked for in the selected Python environment, the workspace's "
        ".venv, the search path and the extension's own folder.",
        for_server=False,
        scope="machine-overridable",
    ),
)
_NOT_FOR_US = frozenset(setting.key for setting in EDITOR_SETTINGS if not setting.for_server)


@dataclass(frozen=True, slots=True)
class Config:
    """What a user's configuration says for one file, and what in it could not be used."""

    settings: tuple[Setting, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()

    def over(self, weaker: Config) -> Config:
        """This configuration on top of another; authority between settings is decided by their origin."""
        return Config(
            (*weaker.settings, *self.settings),
            {**weaker.severities, **self.severities},
            (*weaker.problems, *self.problems),
            (*weaker.measured, *self.measured),
        )


def read_config(values: Mapping[str, Any], origin: Origin, where: str) -> Config:
    """The usable part of a configuration table; the rest becomes problems that name ``where``."""
    settings: list[Setting] = []
    severities: dict[str, str] = {}
    problems: list[str] = []
    measured: tuple[Measured, ...] = ()
    for key, value in _flat(values):
        if key == calibrations.KEY and origin == "project":
            measured, unusable = calibrations.read_measured(value, where)
            problems += unusable
        elif key.startswith("rules."):
            _read_severity(key.removeprefix("rules."), value, severities, problems, where)
        elif key in _BY_KEY:
            _read_setting(_BY_KEY[key], value, origin, settings, problems, where)
        elif key == "hub":
            _read_hub(value, origin, problems, where)
        elif key == "python" and origin == "settings":
            if not isinstance(value, str):
                problems.append(f"{where}: python must be a path")
        elif key in _NOT_FOR_US and origin == "settings":
            continue
        else:
            problems.append(f"{where}: {key} is not a setting")
    return Config(tuple(settings), severities, tuple(problems), measured)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = prefix + (str(key) if prefix == "rules." else kebab(str(key)))
        if isinstance(value, dict):
            if prefix.count(".") < 2:
                yield from _flat(value, name + ".")
        elif value is not None:
            yield name, value


def kebab(key: str) -> str:
    """``promptTokens`` and ``prompt_tokens`` as ``prompt-tokens``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", key).replace("_", "-").lower()


def camel(key: str) -> str:
    """``prompt-tokens`` as ``promptTokens``, the editor's spelling."""
    return re.sub(r"-([a-z])", lambda match: match[1].upper(), key)


def hub_mode(values: Mapping[str, Any]) -> HubMode | None:
    """What the editor's settings allow of the network; None where they do not say."""
    return next((mode for mode in HUB_MODES if mode == values.get("hub")), None)


def python_environment(values: Mapping[str, Any]) -> str:
    """The Python environment that the editor's settings name; nothing where they do not."""
    value = values.get("python")
    return value if isinstance(value, str) else ""


def _read_hub(value: Any, origin: Origin, problems: list[str], where: str) -> None:
    if origin == "project":
        problems.append(f"{where}: hub is a setting of the editor alone; a project cannot switch the network on")
    elif value not in ("", *HUB_MODES):
        problems.append(f"{where}: hub must be one of {', '.join(HUB_MODES)}")


def _read_severity(rule: str, value: Any, severities: dict[str, str], problems: list[str], where: str) -> None:
    if rule not in BY_NAME:
        problems.append(f"{where}: there is no rule {rule}")
    elif value not in SEVERITIES:
        problems.append(f"{where}: rules.{rule} must be one of {', '.join(SEVERITIES)}")
    else:
        severities[rule] = value


def _read_setting(
    setting: UserSetting, value: Any, origin: Origin, settings: list[Setting], problems: list[str], where: str
) -> None:
    read = _READ[setting.kind](value)
    if read is None:
        if value != "":
            problems.append(f"{where}: {setting.key} cannot be {value!r}: {setting.description}")
    else:
        settings.append(Setting(setting.gives, Known(read), origin, setting.key))


def _text(value: Any) -> Scalar | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> Scalar | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 2**53 else None


def _version(value: Any) -> Scalar | None:
    version = parse_version(value) if isinstance(value, str) else None
    return None if version is None else str(version)


def _estimator(value: Any) -> Scalar | None:
    return value if value in ESTIMATORS else None


_READ = {"text": _text, "count": _count, "version": _version, "estimator": _estimator}


@dataclass(frozen=True, slots=True)
class Project:
    """A project file: its folder, its table, and per-path overrides."""

    folder: Path
    where: str
    values: Mapping[str, Any]
    problems: tuple[str, ...] = ()

    def config_for(self, path: Path) -> Config:
        """The configuration for one file, overrides applied in order."""
        base = {key: value for key, value in self.values.items() if key != "overrides"}
        config = Config((), {}, self.problems).over(Config()).over(read_config(base, "project", self.where))
        for override in _overrides(self.values):
            if "files" not in override:
                config = Config(problems=(f"{self.where}: [[overrides]] needs files = [...]",)).over(config)
            elif _matches(path, self.folder, override.get("files", ())):
                rest = {key: value for key, value in override.items() if key != "files"}
                config = read_config(rest, "project", self.where).over(config)
        return config


def _overrides(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = values.get("overrides", ())
    if isinstance(found, dict):
        return [found]
    return [override for override in found if isinstance(override, dict)] if isinstance(found, list) else []


def _matches(path: Path, folder: Path, patterns: Any) -> bool:
    try:
        relative = path.resolve().relative_to(folder.resolve()).as_posix()
    except (ValueError, OSError):
        return False
    listed = patterns if isinstance(patterns, list) else [patterns]
    return any(isinstance(pattern, str) and _glob(relative, pattern) for pattern in listed)


def _glob(path: str, pattern: str) -> bool:
    """``**`` crosses folders and matches none too, so ``edge/**`` and ``**/x.yaml`` mean what people expect."""
    return fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch("/" + path, "*/" + pattern.removeprefix("**/"))


def find_project(path: Path, stop: Iterable[Path] = ()) -> Project | None:
    """The nearest project file at or above a file's folder, up to and including the folders in ``stop``."""
    ends = {folder.resolve() for folder in stop}
    try:
        folders = (path.resolve().parent, *path.resolve().parent.parents)
    except (OSError, RuntimeError):
        return None
    for folder in folders:
        project = _project_in(folder)
        if project is not None:
            return project
        if folder in ends:
            return None
    return None


def _project_in(folder: Path) -> Project | None:
    own = folder / PROJECT_FILE
    if own.is_file():
        return _read_project(own, ())
    shared = folder / "pyproject.toml"
    if shared.is_file():
        project = _read_project(shared, ("tool", "vram-lsp"))
        return project if project.values or project.problems else None
    return None


def _read_project(path: Path, table: tuple[str, ...]) -> Project:
    try:
        values: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problem = () if table else (f"{path.name} cannot be read: {error}",)
        return Project(path.parent, path.name, {}, problem)
    for key in table:
        values = values.get(key, {}) if isinstance(values, dict) else {}
    return Project(path.parent, path.name, values if isinstance(values, dict) else {})

"""The file behind ``--config``: its settings under those of the command line, as vLLM merges the two.

vLLM puts the file's options before its other arguments, so that the command line wins, and a model of the command line
wins in either form (vllm/utils/argparse_utils.py, ``_pull_args_from_config``). Only ``--config FILE`` as two words is
looked for, and only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from vram_engine.deployment import Deployment, Known, Remark, Setting, Unknown
from vram_engine.dialects.flag_map import FlagMap, read_flag_map
from vram_engine.dialects.pod_groups import ACROSS_MACHINES
from vram_engine.facts.flags import flag
from vram_engine.facts.versions import NEWEST, Version, parse_version
from vram_engine.lent import FileRef, FilesKnown, LentFile, Unlent
from vram_engine.syntax.nodes import Mapping, resolve
from vram_engine.syntax.parse import parse
from vram_engine.text import Span

OPTION = "--config"

# vllm/utils/argparse_utils.py, load_config_file: from these releases on false becomes --no-KEY, and a map JSON.
_FALSE_SINCE = Version(0, 28, 0)
_MAPS_SINCE = Version(0, 16, 0)
# With these, how many GPUs there are is not for one machine's file to say.
_SPREADING = ACROSS_MACHINES | {"nnodes", "distributed-executor-backend", "data-parallel-size-local"}


def config_file(deployment: Deployment) -> FileRef | None:
    """The file whose settings a deployment takes in; None where there is none, or no path outside a container."""
    setting = _asked(deployment)
    if setting is None or not isinstance(setting.value, Known):
        return None
    path = str(setting.value.value)
    if deployment.container is not None and deployment.container.text_at(path) is not None:
        return None
    outside = deployment.outside(path) if path.endswith((".yaml", ".yml")) else None
    return FileRef(outside) if outside else None


def with_config_file(deployment: Deployment, files: FilesKnown) -> Deployment:
    """The deployment with the settings of its file beneath its own; as it is while the file is not known."""
    setting = _asked(deployment)
    if setting is None or setting.span is None or not isinstance(setting.value, Known):
        return deployment
    path, ref = str(setting.value.value), config_file(deployment)
    written = deployment.container.text_at(path) if deployment.container is not None else None
    lent = LentFile(written, "") if written is not None else files.get(ref) if ref is not None else None
    if lent is None:
        return deployment
    if isinstance(lent, Unlent):
        return _hidden(deployment, f"more settings are in {path}, {lent.reason}")
    options = _options(lent.text)
    if isinstance(options, str):
        return _hidden(deployment, f"{path} {options}")
    return _merged(deployment, options, path, setting.span)


def _asked(deployment: Deployment) -> Setting | None:
    """The only ``--config`` in two words; vLLM refuses a second one."""
    said = [each for each in deployment.settings.get("config", ()) if each.spelling == OPTION]
    return said[0] if len(said) == 1 else None


def _hidden(deployment: Deployment, reason: str) -> Deployment:
    """The deployment with a better reason for what is not known of it."""
    hidden = tuple(
        replace(each, value=Unknown(reason)) if each.spelling == OPTION else each
        for each in deployment.settings["more-arguments"]
    )
    return replace(deployment, settings={**deployment.settings, "more-arguments": hidden})


@dataclass(frozen=True, slots=True)
class _Options:
    """What a file says; ``maps`` are the options that it gives as YAML maps."""

    flags: FlagMap
    maps: frozenset[str]


def _options(text: str) -> _Options | str:
    """What a file says; a clause where vLLM could not read it either, or it cannot be followed."""
    if "{{" in text or "${" in text:
        return "is filled in by something else before vLLM reads it"
    tree = parse(text)
    documents = [document for document in tree.documents if document.root is not None]
    root = resolve(documents[0].root) if len(documents) == 1 else None
    if not isinstance(root, Mapping) or documents[0].problems:
        return "is no map of options, which is what vLLM takes from it"
    flags = read_flag_map(root, 0, ())
    if _SPREADING & set(flags.settings):
        return "spreads the engine over machines or processes that are not counted here"
    if any(len(occurrences) > 1 for occurrences in flags.settings.values()):
        return "says one option in several places"
    maps = (said[-1] for said in flags.settings.values() if isinstance(root.get(said[-1].spelling), Mapping))
    return _Options(flags, frozenset(each.name for each in maps))


def _merged(deployment: Deployment, options: _Options, path: str, at: Span) -> Deployment:
    """The options beneath the deployment's own, all shown at ``at``, which names their file."""
    version = parse_version(deployment.text("vllm-version") or "") or NEWEST
    settings = {name: said for name, said in deployment.settings.items() if name != "more-arguments"}
    others = tuple(each for each in deployment.settings["more-arguments"] if each.spelling != OPTION)
    remarks = [Remark(each.kind, at, f"{path}: {each.message}") for each in options.flags.remarks]
    for name, (said,) in options.flags.settings.items():
        if said.value == Known(False) and version < _FALSE_SINCE:
            remarks += _without_effect(said, path, at, version)
        elif name != "config":
            reason = _untold(said, name in settings, name in options.maps and version < _MAPS_SINCE)
            value = said.value if reason is None else Unknown(f"{path} {reason}")
            own = Setting(name, value, "file", f"{said.spelling} in {path}", span=at)
            settings[name] = (own, *settings.get(name, ()))
    if others:
        settings["more-arguments"] = others
    # Sorted by authority, so that weaker words than the file's stay beneath it.
    merged = replace(deployment, settings=settings, remarks=(*deployment.remarks, *remarks))
    return merged.with_settings(())


def _untold(said: Setting, is_given: bool, is_unreadable: bool) -> str | None:
    """Why an option of the file has no value that can be told."""
    if is_unreadable:
        return f"gives {said.name} as a map, which this vLLM does not read"
    if is_given and "." in said.spelling:
        return f"gives a part of {said.name}, and the command line another"
    return None


def _without_effect(said: Setting, path: str, at: Span, version: Version) -> Iterator[Remark]:
    """A switch that is not off by itself, and that false does not reach."""
    found = flag(said.name)
    if found is not None and found.default is not False:
        message = f"{path}: vLLM {version} drops {said.spelling}: false, as every false of such a file"
        yield Remark("boolean-has-no-effect", at, message)

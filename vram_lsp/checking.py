"""Analysing files from the command line: read, analyse, look up what is wanted, analyse again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from vram_engine.analysis import Analysis, Context, analyse, analyse_settings
from vram_engine.deployment import Setting
from vram_engine.model.reference import ModelRef
from vram_engine.ports import ModelSource
from vram_engine.sources.nvml import NvmlGpus
from vram_lsp.cli import UsageError
from vram_lsp.config import Config, find_project
from vram_lsp.lookups import Answer, find_model
from vram_lsp.session import detected_settings

YAML_SUFFIXES = (".yaml", ".yml")
_LookUp = Callable[[frozenset[ModelRef]], dict[ModelRef, Answer]]
_SKIPPED_FOLDERS = frozenset({".git", ".venv", "node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Checked:
    """An analysed file; ``path`` is None for a deployment given by arguments alone."""

    path: Path | None
    analysis: Analysis
    context: Context
    problems: tuple[str, ...] = ()


def analysed_files(paths: Iterable[Path], sources: tuple[ModelSource, ...]) -> Iterator[Checked | UsageError]:
    """Every YAML file among ``paths`` and below them; a path that cannot be read is an error among the others."""
    for path in paths:
        for file in yaml_files(path) if path.is_dir() else (path,):
            try:
                yield file if isinstance(file, UsageError) else analysed_file(file, (), sources)
            except UsageError as error:
                yield error


def yaml_files(folder: Path) -> Iterator[Path | UsageError]:
    """YAML files below a folder, in order; links to folders are not followed, unreadable folders are errors."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield UsageError(f"{folder} cannot be read: {error.strerror}")
        return
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            if entry.name not in _SKIPPED_FOLDERS:
                yield from yaml_files(entry)
        elif entry.suffix.lower() in YAML_SUFFIXES and entry.is_file():
            yield entry


def analysed_file(path: Path, settings: tuple[Setting, ...], sources: tuple[ModelSource, ...]) -> Checked:
    """One file, with settings of stronger authority; raises UsageError when it cannot be read as text."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a file")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    project = find_project(path)
    config = project.config_for(path) if project is not None else None
    outside = config.settings if config is not None else ()
    context = Context(
        settings=(*outside, *_detected(), *settings),
        severities=config.severities if config is not None else {},
        measured=config.measured if config is not None else (),
    )
    looked_up = partial(_looked_up, sources, (path.resolve().parent, Path.cwd()))
    analysis, context = _until_nothing_is_wanted(text, context, looked_up)
    return Checked(path, analysis, context, config.problems if config is not None else ())


def analysed_again(text: str, checked: Checked, sources: tuple[ModelSource, ...]) -> Checked:
    """The same file with another text, everything known about it kept."""
    folders = (checked.path.resolve().parent, Path.cwd()) if checked.path is not None else (Path.cwd(),)
    analysis, context = _until_nothing_is_wanted(text, checked.context, partial(_looked_up, sources, folders))
    return replace(checked, analysis=analysis, context=context)


def _until_nothing_is_wanted(text: str, context: Context, looked_up: _LookUp) -> tuple[Analysis, Context]:
    analysis = analyse(text, context)
    while analysis.wants:
        context = replace(context, models={**context.models, **looked_up(analysis.wants)})
        analysis = analyse(text, context)
    return analysis, context


def analysed_arguments(settings: tuple[Setting, ...], sources: tuple[ModelSource, ...]) -> Checked:
    """A deployment that no file describes; the project file that counts is the working directory's."""
    project = find_project(Path.cwd() / "arguments")
    config = project.config_for(Path.cwd() / "arguments") if project is not None else Config()
    context = Context(
        settings=(*config.settings, *_detected(), *settings),
        severities=config.severities,
        measured=config.measured,
    )
    analysis = analyse_settings(context)
    while analysis.wants:
        context = replace(context, models={**context.models, **_looked_up(sources, (Path.cwd(),), analysis.wants)})
        analysis = analyse_settings(context)
    return Checked(None, analysis, context, config.problems)


def _looked_up(
    sources: tuple[ModelSource, ...], folders: tuple[Path, ...], wants: frozenset[ModelRef]
) -> dict[ModelRef, Answer]:
    return {ref: find_model(sources, ref, folders) for ref in wants}


@cache
def _detected() -> tuple[Setting, ...]:
    return detected_settings(NvmlGpus().gpus())

"""Analysing files from the command line: read, analyse, look up what is wanted, analyse again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from vram_engine.analysis import Analysis, Answer, Context, Wanted, analyse, analyse_settings
from vram_engine.deployment import Setting
from vram_engine.ports import ModelSource
from vram_engine.sources.python_environment import vllm_at_hand
from vram_engine.sources.this_machine import ThisMachine
from vram_lsp.answers import find
from vram_lsp.cli import UsageError
from vram_lsp.config import Config, find_project
from vram_lsp.detected import detected_settings

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

Ignored: TypeAlias = "tuple[tuple[Path, GitIgnoreSpec], ...]"

YAML_SUFFIXES = (".yaml", ".yml")
_LookUp = Callable[[frozenset[Wanted]], dict[Wanted, Answer]]
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
        for file in yaml_files(path, _above(path)) if path.is_dir() else (path,):
            try:
                yield file if isinstance(file, UsageError) else analysed_file(file, (), sources)
            except UsageError as error:
                yield error


def yaml_files(folder: Path, ignored: Ignored = ()) -> Iterator[Path | UsageError]:
    """YAML files below a folder, in order, as git would list them.

    Links to folders are not followed, what a ``.gitignore`` on the way excludes is left out, unreadable folders are
    errors.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield UsageError(f"{folder} cannot be read: {error.strerror}")
        return
    ignored = (*ignored, *_gitignore(folder))
    for entry in entries:
        is_folder = entry.is_dir() and not entry.is_symlink()
        if entry.name in _SKIPPED_FOLDERS or _is_ignored(entry, ignored, is_folder=is_folder):
            continue
        if is_folder:
            yield from yaml_files(entry, ignored)
        elif entry.suffix.lower() in YAML_SUFFIXES and entry.is_file():
            yield entry


def _above(folder: Path) -> Ignored:
    """What the folders above say, up to the one that is a repository; nothing where none is."""
    found: list[Path] = []
    for above in folder.resolve().parents:
        found.append(above)
        if (above / ".git").exists():
            return tuple(each for parent in reversed(found) for each in _gitignore(parent))
    return ()


def _gitignore(folder: Path) -> Ignored:
    """The patterns of a folder's own ``.gitignore``."""
    file = folder / ".gitignore"
    try:
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    except OSError:
        return ()
    if not text.strip():
        return ()
    from pathspec import GitIgnoreSpec

    return ((folder, GitIgnoreSpec.from_lines(text.splitlines())),)


def _is_ignored(entry: Path, ignored: Ignored, *, is_folder: bool) -> bool:
    """Whether the nearest ``.gitignore`` that speaks of ``entry`` excludes it."""
    for folder, spec in reversed(ignored):
        name = Path(os.path.relpath(entry.absolute(), folder.absolute())).as_posix() + ("/" if is_folder else "")
        verdict = spec.check_file(name).include
        if verdict is not None:
            return verdict
    return False


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
    folders = (path.resolve().parent, Path.cwd())
    context = Context(
        settings=(*outside, *_detected(), *settings),
        severities=config.severities if config is not None else {},
        measured=config.measured if config is not None else (),
        folders=tuple(folder.as_posix() for folder in folders),
    )
    looked_up = partial(_looked_up, sources, folders)
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
        context = context.knowing(looked_up(analysis.wants))
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
        context = context.knowing(_looked_up(sources, (Path.cwd(),), analysis.wants))
        analysis = analyse_settings(context)
    return Checked(None, analysis, context, config.problems)


def _looked_up(
    sources: tuple[ModelSource, ...], folders: tuple[Path, ...], wants: frozenset[Wanted]
) -> dict[Wanted, Answer]:
    return {wanted: find(sources, wanted, folders) for wanted in wants}


@cache
def _detected() -> tuple[Setting, ...]:
    return (*detected_settings(ThisMachine().gpus()), *vllm_at_hand("", (Path.cwd(),)))

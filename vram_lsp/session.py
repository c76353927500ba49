"""The server's only mutable state: open documents, what they were last known as, configuration and look-ups."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from vram_engine.analysis import Analysis, Answer, Context, analyse
from vram_engine.deployment import Setting
from vram_engine.lent import LentFile, Unlent
from vram_engine.model.reference import ModelRef
from vram_engine.ports import DetectedGpu
from vram_engine.sources.names import is_hub_id
from vram_engine.text import Encoding
from vram_lsp import recommending
from vram_lsp.asked_once import AskedOnce, default_folder
from vram_lsp.config import Config, HubMode, find_project, hub_mode, python_environment, read_config
from vram_lsp.detected import detected_settings
from vram_lsp.lookups import Lookups, Question
from vram_lsp.model_sources import model_sources
from vram_lsp.patience import edited_line


@dataclass(frozen=True)
class Snapshot:
    """One version of one document with everything known when it was taken. Frozen: a feature sees one moment."""

    uri: str
    version: int
    text: str
    encoding: Encoding
    context: Context
    folders: tuple[Path, ...]
    before: Analysis | None = None

    @cached_property
    def analysis(self) -> Analysis:
        """Computed once, whatever feature asks first."""
        return analyse(self.text, self.context, self.before)

    @cached_property
    def _answers(self) -> dict[int, recommending.Answer]:
        return {}

    def answer(self, index: int) -> recommending.Answer:
        """The recommendations for one deployment, searched for once, when somebody first asks."""
        if index not in self._answers:
            self._answers[index] = recommending.answer(self.analysis, index, self.context)
        return self._answers[index]


@dataclass(slots=True)
class Document:
    """An open document as the client last sent it.

    ``dialects`` is what its YAML documents were recognised as, ``shown`` whether diagnostics were ever published,
    ``typed`` the line that was edited last, until the document has been still for a while, ``path`` the file it is,
    links followed.
    """

    uri: str
    version: int
    text: str
    dialects: tuple[str | None, ...] = ()
    snapshot: Snapshot | None = None
    analysis: Analysis | None = None
    config: Config | None = None
    shown: bool = False
    typed: int | None = None
    path: str | None = None


class Session:
    """Documents and knowledge of one client. Used from the event loop only, so it needs no locks."""

    def __init__(self, lookups: Lookups) -> None:
        self.lookups = lookups
        self.documents: dict[str, Document] = {}
        self.encoding: Encoding = "utf-16"
        self.folders: tuple[Path, ...] = ()
        self.editor = Config()
        # What the editor's settings are for files of one workspace folder, where they were told apart.
        self.scoped: dict[Path, Config] = {}
        self.detected: tuple[Setting, ...] = ()
        self.python = ""
        self.vllm_at_hand: tuple[Setting, ...] = ()
        self.hub: HubMode = "off"
        # Counts changes outside the open documents, and wakes whoever waits for one.
        self.generation = 0
        self.news = asyncio.Event()
        self._hub_setting: HubMode | None = None
        self._hub_offered = False

    def open(self, uri: str, version: int, text: str) -> Document:
        """A document the client opened, or opened again."""
        path = path_of(uri)
        self.documents[uri] = Document(uri, version, text, path=None if path is None else str(path.resolve()))
        return self.documents[uri]

    def change(self, uri: str, version: int, text: str) -> Document | None:
        """A new text for an open document."""
        document = self.documents.get(uri)
        if document is None:
            return None
        document.typed = edited_line(document.text, text)
        document.version, document.text, document.snapshot = version, text, None
        return document

    def close(self, uri: str) -> None:
        """The client closed it; nothing about it is kept."""
        self.documents.pop(uri, None)
        self.something_changed()

    def snapshot(self, uri: str) -> Snapshot | None:
        """The current moment of an open document, analysed at most once per text and knowledge."""
        document = self.documents.get(uri)
        if document is None:
            return None
        if document.snapshot is None:
            document.snapshot = self._snapshot(document)
            document.analysis = document.snapshot.analysis
            document.dialects = document.analysis.dialects
        return document.snapshot

    def _snapshot(self, document: Document) -> Snapshot:
        path = path_of(document.uri)
        folders = ((path.parent,) if path is not None else ()) + self.folders
        if document.config is None:
            document.config = self.config_of(path)
        known = {wanted: self._as_open(answer) for wanted, answer in self.lookups.known(folders).items()}
        context = Context(
            folders=tuple(folder.as_posix() for folder in folders),
            settings=(*document.config.settings, *self.detected, *self.vllm_at_hand),
            dialects=document.dialects,
            severities=document.config.severities,
            measured=document.config.measured,
        ).knowing(known)
        return Snapshot(
            document.uri, document.version, document.text, self.encoding, context, folders, document.analysis
        )

    def _as_open(self, answer: Answer) -> Answer:
        """A file as it stands in the editor, where it is open there."""
        if isinstance(answer, LentFile):
            opened = (each.text for each in self.documents.values() if each.path == answer.path)
            return LentFile(next(opened, answer.text), answer.path)
        return answer

    def dependents(self, path: str | None) -> tuple[str, ...]:
        """The open documents that were lent the file at ``path``, whose snapshots are now out of date."""
        found: list[str] = []
        for uri, document in self.documents.items():
            lent = document.snapshot.context.files.values() if document.snapshot is not None else ()
            if path is not None and document.path != path and any(getattr(each, "path", "") == path for each in lent):
                document.snapshot = None
                found.append(uri)
        return tuple(found)

    def config_of(self, path: Path | None) -> Config:
        """What the user's settings and the project file say of a file."""
        project = find_project(path, self.folders) if path is not None else None
        editor = self._editor_for(path)
        return editor if project is None or path is None else project.config_for(path).over(editor)

    def _editor_for(self, path: Path | None) -> Config:
        """The editor's settings for a file: those of the innermost workspace folder around it, else of the window."""
        around = path.resolve().parents if path is not None and self.scoped else ()
        return next((self.scoped[folder] for folder in around if folder in self.scoped), self.editor)

    def wanted(self, snapshot: Snapshot) -> frozenset[Question]:
        """The look-ups without which a snapshot is not complete, under way or not."""
        return frozenset((each, snapshot.folders) for each in snapshot.analysis.wants)

    def questions(self, snapshot: Snapshot) -> tuple[Question, ...]:
        """The look-ups a snapshot is waiting for, or that failed long enough ago."""
        missed = (ref for ref, answer in snapshot.context.files.items() if isinstance(answer, Unlent))
        named = (ref for plan in snapshot.analysis.plans for ref in plan.refs)
        wanted = {*named, *missed, *snapshot.analysis.wants}
        asked = tuple((each, snapshot.folders) for each in sorted(wanted, key=str))
        return tuple(question for question in asked if self.lookups.is_stale(question))

    def learned(self) -> None:
        """Something outside the documents changed: every snapshot is out of date."""
        for document in self.documents.values():
            document.snapshot = None
        self.something_changed()

    def something_changed(self) -> None:
        """What was found in closed files may be no longer so."""
        self.generation += 1
        self.news.set()
        self.news = asyncio.Event()

    def configure(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Take the editor's settings; returns what in them could not be used."""
        self.editor = read_config(values, "settings", "vramLsp")
        self.python = python_environment(values)
        was, self._hub_setting = self._hub_setting, hub_mode(values)
        if self._hub_setting != was:
            self.use_hub(self._hub_setting or "off")
        self.reread_projects()
        return self.editor.problems

    def configure_folders(self, values: Mapping[Path, Mapping[str, Any]]) -> tuple[str, ...]:
        """Take the editor's settings for files of each workspace folder, in place of those taken before.

        Whether the hub may be asked is the whole window's to say. Returns what could not be used.
        """
        self.scoped = {
            folder.resolve(): read_config(each, "settings", f"vramLsp of {folder.name}")
            for folder, each in values.items()
        }
        self.reread_projects()
        return tuple(problem for config in self.scoped.values() for problem in config.problems)

    def use_hub(self, mode: HubMode) -> None:
        """Look models up with this much of the network from now on."""
        if mode != self.hub:
            self.hub = mode
            self.lookups.use(model_sources(mode))

    def offers_hub(self, ref: ModelRef) -> bool:
        """Whether to offer the hub for a model that was not found: once, and not to a user who has decided."""
        if self._hub_setting is not None or self.hub != "off" or self._hub_offered or not is_hub_id(ref.name):
            return False
        self._hub_offered = True
        return AskedOnce(default_folder()).is_first("hub")

    def reread_projects(self) -> None:
        """Project files may have changed."""
        for document in self.documents.values():
            document.config = None
        self.learned()

    def detect(self, gpus: tuple[DetectedGpu, ...]) -> None:
        """Take this machine's GPUs as the weakest word on hardware, if they are all alike."""
        self.detected = detected_settings(gpus)
        self.learned()

    def use_vllm(self, found: tuple[Setting, ...]) -> bool:
        """Take the vLLM of a Python environment as the weakest word on the version; whether that changes anything."""
        if found == self.vllm_at_hand:
            return False
        self.vllm_at_hand = found
        self.learned()
        return True


def path_of(uri: str) -> Path | None:
    """The file a URI names; None for unsaved and virtual documents."""
    try:
        parts = urlsplit(uri)
        path = url2pathname(parts.path)
    except ValueError:
        return None
    return Path(path) if parts.scheme == "file" and path and "\0" not in path else None

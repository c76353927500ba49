"""The hub with a memory: answers come from the disk while they are fresh, refusals are not asked again at once."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from vram_engine.lent import LentFile, Unlent
from vram_engine.model.reference import FoundModel, ModelRef, SourceName, Unanswered
from vram_engine.model.spec import Unavailable
from vram_engine.sources.hub import hub_endpoint
from vram_engine.sources.model_files import ModelFiles, found_model
from vram_engine.sources.names import is_commit, is_hub_id, without_login
from vram_lsp.model_cache import Kind, ModelCache, Stored

# A branch may move; a commit never does. What is incomplete is worth another try sooner.
_FRESH_S = 24 * 3600.0
_INCOMPLETE_S = 3600.0

_FIRST_WAIT_S = 15.0
_LONGEST_WAIT_S = 600.0


class Hub(Protocol):
    """Somebody to ask."""

    def fetch(self, ref: ModelRef) -> ModelFiles | Unanswered:
        """The files of a model now."""

    def fetch_adapter(self, ref: ModelRef) -> ModelFiles | Unanswered:
        """What describes a LoRA adapter now, in the place of a model's config.json."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A repository, and what it is looked up as."""

    ref: ModelRef
    kind: Kind

    def put_to(self, hub: Hub) -> ModelFiles | Unanswered:
        return hub.fetch(self.ref) if self.kind == "model" else hub.fetch_adapter(self.ref)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of a repository, and from where."""

    files: ModelFiles
    source: SourceName


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What the hub said last, until when it is not asked again, and how long that wait is."""

    unanswered: Unanswered
    until: float
    wait: float


class RememberedHub:
    """A hub behind a cache; without a hub, the cache alone. One request at a time for each model or adapter."""

    def __init__(
        self,
        hub: Hub | None,
        cache: ModelCache,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._cache = cache
        self._environment = environment
        self._clock = clock
        self._asking: defaultdict[_Question, threading.Lock] = defaultdict(threading.Lock)
        self._refusals: dict[_Question | None, _Refusal] = {}

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | Unanswered | None:  # noqa: ARG002  # the hub has no folders
        """The model as the hub last described it, or describes it now where that is old."""
        told = self._told(_Question(ref, "model"))
        return found_model(told.files, told.source) if isinstance(told, _Told) else told

    def adapter(self, ref: ModelRef) -> LentFile | Unlent | None:
        """The description of a LoRA adapter, with the same memory."""
        told = self._told(_Question(ref, "adapter"))
        if isinstance(told, Unanswered):
            return Unlent(f"and {told.reason}")
        return None if told is None else LentFile(json.dumps(told.files.config), "")

    def _told(self, question: _Question) -> _Told | Unanswered | None:
        if not is_hub_id(question.ref.name):
            return None
        endpoint = without_login(hub_endpoint(self._environment))
        stored = self._cache.read(endpoint, question.ref, question.kind)
        if self._hub is None:
            return None if stored is None else _Told(stored.files, "cache")
        if stored is not None and self._is_fresh(question.ref, stored):
            return _Told(stored.files, "cache")
        with self._asking[question]:
            return self._asked(self._hub, endpoint, question)

    def _is_fresh(self, ref: ModelRef, stored: Stored) -> bool:
        age = self._clock() - stored.fetched
        if stored.files.notes:
            return 0 <= age < _INCOMPLETE_S
        return is_commit(ref.revision or "") or 0 <= age < _FRESH_S

    def _asked(self, hub: Hub, endpoint: str, question: _Question) -> _Told | Unanswered:
        """The hub's answer; somebody else may have got it while this one waited, or been refused."""
        stored = self._cache.read(endpoint, question.ref, question.kind)
        if stored is not None and self._is_fresh(question.ref, stored):
            return _Told(stored.files, "cache")
        answer = self._refusal(question) or question.put_to(hub)
        if isinstance(answer, ModelFiles):
            self._refusals.pop(question, None)
            self._refusals.pop(None, None)
            self._cache.write(endpoint, question.ref, Stored(answer, self._clock()), question.kind)
            return _Told(answer, "hub")
        self._remember(question, answer)
        return answer if stored is None else _Told(_outdated(stored, answer), "cache")

    def _refusal(self, question: _Question) -> Unanswered | None:
        """Why the hub is not asked now, for this repository or for any."""
        for key in (question, None):
            refusal = self._refusals.get(key)
            if refusal is not None and self._clock() < refusal.until:
                return refusal.unanswered
        return None

    def _remember(self, question: _Question, unanswered: Unanswered) -> None:
        """Wait before the next question, twice as long each time."""
        key = None if unanswered.for_all else question
        last = self._refusals.get(key)
        now = self._clock()
        if last is not None and now < last.until:
            return
        wait = _FIRST_WAIT_S if last is None else min(2 * last.wait, _LONGEST_WAIT_S)
        self._refusals[key] = _Refusal(unanswered, now + max(wait, unanswered.retry_after_s or 0.0), wait)


def _outdated(stored: Stored, unanswered: Unanswered) -> ModelFiles:
    day = datetime.fromtimestamp(stored.fetched, UTC).date()
    return replace(stored.files, notes=(*stored.files.notes, f"as the hub described it on {day}; {unanswered.reason}"))

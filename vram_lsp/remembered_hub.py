"""The hub with a memory: answers come from the disk while they are fresh, refusals are not asked again at once."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.model.spec import Unavailable
from vram_engine.sources.hub import hub_endpoint
from vram_engine.sources.model_files import ModelFiles, found_model
from vram_engine.sources.names import is_commit, is_hub_id, without_login
from vram_lsp.model_cache import ModelCache, Stored

# A branch may move; a commit never does. What is incomplete is worth another try sooner.
_FRESH_S = 24 * 3600.0
_INCOMPLETE_S = 3600.0

_FIRST_WAIT_S = 15.0
_LONGEST_WAIT_S = 600.0


class Hub(Protocol):
    """Somebody to ask."""

    def fetch(self, ref: ModelRef) -> ModelFiles | Unanswered:
        """The files of a model now."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What the hub said last, until when it is not asked again, and how long that wait is."""

    unanswered: Unanswered
    until: float
    wait: float


class RememberedHub:
    """A hub behind a cache; without a hub, the cache alone. One request at a time for each model."""

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
        self._asking: defaultdict[ModelRef, threading.Lock] = defaultdict(threading.Lock)
        self._refusals: dict[ModelRef | None, _Refusal] = {}

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | Unanswered | None:  # noqa: ARG002  # the hub has no folders
        """The model as the hub last described it, or describes it now where that is old."""
        if not is_hub_id(ref.name):
            return None
        endpoint = without_login(hub_endpoint(self._environment))
        stored = self._cache.read(endpoint, ref)
        if self._hub is None:
            return None if stored is None else found_model(stored.files, "cache")
        if stored is not None and self._is_fresh(ref, stored):
            return found_model(stored.files, "cache")
        with self._asking[ref]:
            return self._asked(self._hub, endpoint, ref)

    def _is_fresh(self, ref: ModelRef, stored: Stored) -> bool:
        age = self._clock() - stored.fetched
        if stored.files.notes:
            return 0 <= age < _INCOMPLETE_S
        return is_commit(ref.revision or "") or 0 <= age < _FRESH_S

    def _asked(self, hub: Hub, endpoint: str, ref: ModelRef) -> FoundModel | Unavailable | Unanswered:
        """The hub's answer; somebody else may have got it while this one waited, or been refused."""
        stored = self._cache.read(endpoint, ref)
        if stored is not None and self._is_fresh(ref, stored):
            return found_model(stored.files, "cache")
        answer = self._refusal(ref) or hub.fetch(ref)
        if isinstance(answer, ModelFiles):
            self._refusals.pop(ref, None)
            self._refusals.pop(None, None)
            self._cache.write(endpoint, ref, Stored(answer, self._clock()))
            return found_model(answer, "hub")
        self._remember(ref, answer)
        return answer if stored is None else found_model(_outdated(stored, answer), "cache")

    def _refusal(self, ref: ModelRef) -> Unanswered | None:
        """Why the hub is not asked now, for this model or for any."""
        for key in (ref, None):
            refusal = self._refusals.get(key)
            if refusal is not None and self._clock() < refusal.until:
                return refusal.unanswered
        return None

    def _remember(self, ref: ModelRef, unanswered: Unanswered) -> None:
        """Wait before the next question, twice as long each time."""
        key = None if unanswered.for_all else ref
        last = self._refusals.get(key)
        now = self._clock()
        if last is not None and now < last.until:
            return
        wait = _FIRST_WAIT_S if last is None else min(2 * last.wait, _LONGEST_WAIT_S)
        self._refusals[key] = _Refusal(unanswered, now + max(wait, unanswered.retry_after_s or 0.0), wait)


def _outdated(stored: Stored, unanswered: Unanswered) -> ModelFiles:
    day = datetime.fromtimestamp(stored.fetched, UTC).date()
    return replace(stored.files, notes=(*stored.files.notes, f"as the hub described it on {day}; {unanswered.reason}"))

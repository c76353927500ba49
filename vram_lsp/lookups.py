"""Look-ups of models and files off the event loop: one in flight per question, shared by all, answers remembered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vram_engine.analysis import Answer, Wanted
from vram_engine.lent import FileRef, Unlent
from vram_engine.model.reference import ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.ports import ModelSource
from vram_lsp.answers import find

_log = logging.getLogger("vram_lsp")

Question = tuple[Wanted, tuple[Path, ...]]

# A slow network drive must not leave an editor without an answer for ever.
TIMEOUT_S = 20.0
# A directory that was not there may appear; what was found is looked at again when something says it changed.
RETRY_AFTER_S = 3.0
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class _Remembered:
    answer: Answer
    at: float


class Lookups:
    """Asks sources in turn, in threads of its own: pygls' pool also reads stdin and must never be full."""

    def __init__(self, sources: tuple[ModelSource, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._clock = clock
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._answers: dict[Question, _Remembered] = {}
        self._running: dict[Question, asyncio.Task[Answer]] = {}
        self._waited_for: dict[Question, asyncio.Future[Answer]] = {}

    def use(self, sources: tuple[ModelSource, ...]) -> None:
        """Ask these from now on; what others answered is asked again."""
        self._sources = sources
        self._answers.clear()

    def known(self, folders: tuple[Path, ...]) -> dict[Wanted, Answer]:
        """What has been answered for files in ``folders``."""
        return {ref: remembered.answer for (ref, where), remembered in self._answers.items() if where == folders}

    def is_stale(self, question: Question) -> bool:
        """Whether a failure is old enough to ask again."""
        remembered = self._answers.get(question)
        if remembered is None:
            return True
        return isinstance(remembered.answer, Unavailable | Unlent) and self._clock() - remembered.at > RETRY_AFTER_S

    async def answer(self, question: Question) -> Answer:
        """The answer, computed once however many wait for it; a waiter that is cancelled cancels only its wait."""
        task = self._running.get(question)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(question))
            self._running[question] = task
            task.add_done_callback(lambda _: self._running.pop(question, None))
        return await asyncio.shield(task)

    async def _ask(self, question: Question) -> Answer:
        sources = self._sources
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._in_thread(sources, question)
        except TimeoutError:
            answer = _nothing(question[0], f"took longer than {TIMEOUT_S:.0f} s")
        if sources is not self._sources:
            return await self._ask(question)
        self._answers[question] = _Remembered(answer, self._clock())
        return answer

    def _in_thread(self, sources: tuple[ModelSource, ...], question: Question) -> asyncio.Future[Answer]:
        """The answer, found in a thread that dies with the process however long a disk or network takes."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waited_for[question] = future
        future.add_done_callback(lambda _: self._waited_for.pop(question, None))

        def run() -> None:
            if not self._places.acquire(timeout=TIMEOUT_S):
                return
            try:
                answer = _found(sources, *question)
            finally:
                self._places.release()
            # The loop may be gone by now, and then nobody waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(answer))

        threading.Thread(target=run, name="look-up", daemon=True).start()
        return future

    def give_up(self, question: Question) -> None:
        """Wait no longer for an answer; what is under way goes on for nobody."""
        future = self._waited_for.get(question)
        if future is not None and not future.done():
            future.set_result(_nothing(question[0], "was stopped"))

    def forget(self) -> None:
        """Everything may have changed on disk."""
        self._answers.clear()

    def forget_files(self) -> None:
        """Files that are not models' may have changed on disk."""
        self._answers = {
            question: each for question, each in self._answers.items() if isinstance(question[0], ModelRef)
        }

    def close(self) -> None:
        """Start nothing more; what is under way ends by itself or with the process."""
        self._sources = ()


def _found(sources: tuple[ModelSource, ...], wanted: Wanted, folders: tuple[Path, ...]) -> Answer:
    """``find``, with a defect in a source as a reason: it costs one answer, and the log tells."""
    try:
        return find(sources, wanted, folders)
    except Exception:
        _log.exception("looking up a model or a file failed")
        return _nothing(wanted, "failed; the server's log says why")


def _nothing(wanted: Wanted, reason: str) -> Answer:
    if isinstance(wanted, FileRef):
        return Unlent(f"and looking it up {reason}")
    return Unavailable(f"looking up {wanted.name} {reason}")

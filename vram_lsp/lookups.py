"""Model look-ups off the event loop: one in flight per question, shared by all who ask, answers remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.ports import ModelSource

Answer = FoundModel | Unavailable
Question = tuple[ModelRef, tuple[Path, ...]]

# A slow network drive must not leave an editor without an answer for ever.
TIMEOUT_S = 20.0
# A directory that was not there may appear; what was found is looked at again when something says it changed.
RETRY_AFTER_S = 3.0


@dataclass(frozen=True, slots=True)
class _Remembered:
    answer: Answer
    at: float


class Lookups:
    """Asks sources in turn, in threads of its own: pygls' pool also reads stdin and must never be full."""

    def __init__(self, sources: tuple[ModelSource, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="look-up")
        self._answers: dict[Question, _Remembered] = {}
        self._running: dict[Question, asyncio.Task[Answer]] = {}

    def known(self, folders: tuple[Path, ...], refs: frozenset[ModelRef] | None = None) -> dict[ModelRef, Answer]:
        """What has been answered for files in ``folders``."""
        return {
            ref: remembered.answer
            for (ref, where), remembered in self._answers.items()
            if where == folders and (refs is None or ref in refs)
        }

    def is_stale(self, question: Question) -> bool:
        """Whether a failure is old enough to ask again."""
        remembered = self._answers.get(question)
        if remembered is None:
            return True
        return isinstance(remembered.answer, Unavailable) and self._clock() - remembered.at > RETRY_AFTER_S

    async def answer(self, question: Question) -> Answer:
        """The answer, computed once however many wait for it; a waiter that is cancelled cancels only its wait."""
        task = self._running.get(question)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(question))
            self._running[question] = task
            task.add_done_callback(lambda _: self._running.pop(question, None))
        return await asyncio.shield(task)

    async def _ask(self, question: Question) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await loop.run_in_executor(self._pool, find_model, self._sources, *question)
        except TimeoutError:
            answer = Unavailable(f"looking up {question[0].name} took longer than {TIMEOUT_S:.0f} s")
        self._answers[question] = _Remembered(answer, self._clock())
        return answer

    def forget(self) -> None:
        """Everything may have changed on disk."""
        self._answers.clear()

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def find_model(sources: tuple[ModelSource, ...], ref: ModelRef, folders: tuple[Path, ...]) -> Answer:
    """The first source that knows the model decides."""
    for source in sources:
        found = source.find(ref, folders)
        if found is not None:
            return found
    return Unavailable(f"{ref.name} is not a directory here and not in the catalogue (vram-lsp models lists it)")

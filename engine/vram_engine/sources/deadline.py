"""Work with an end: threads that are waited for no longer than agreed, and that never keep a process alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class _Job(Generic[T]):
    """One piece of work, its result or its exception."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._results: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:
            self.error = error

    def result(self) -> T:
        """What the work returned; raises what it raised, and TimeoutError where it has not ended."""
        if self.error is not None:
            raise self.error
        if not self._results:
            raise TimeoutError
        return self._results[0]


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of ``work``; raises TimeoutError when it takes longer, and lets it run out unheeded."""
    job = _Job(work)
    thread = threading.Thread(target=job.run, daemon=True)
    thread.start()
    thread.join(seconds)
    return job.result()


def in_parallel(works: Sequence[Callable[[], T]], workers: int, until: float) -> list[T]:
    """The results of all ``works`` in order; raises the first failure, and TimeoutError past ``until`` (monotonic)."""
    jobs = [_Job(work) for work in works]
    waiting = iter(jobs)
    lock = threading.Lock()
    stopped = threading.Event()

    def work_off() -> None:
        while not stopped.is_set():
            with lock:
                job = next(waiting, None)
            if job is None:
                return
            job.run()
            if job.error is not None:
                stopped.set()

    threads = [threading.Thread(target=work_off, daemon=True) for _ in range(min(workers, len(jobs)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    stopped.set()
    for job in jobs:
        if job.error is not None:
            raise job.error
    return [job.result() for job in jobs]

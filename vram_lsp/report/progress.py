"""How far a long check has come, for somebody who watches a terminal; nothing anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.status import Status

_T = TypeVar("_T")

# What is done sooner needs no progress, nor the time that drawing it takes.
PATIENCE_S = 0.5


def with_progress(results: Iterable[_T], terminal: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[_T]:
    """``results`` as they are, counted on ``terminal`` once they take longer than ``PATIENCE_S``, if it is one."""
    if not terminal.isatty():
        yield from results
        return
    started = clock()
    shown: Status | None = None
    try:
        for number, result in enumerate(results, 1):
            if shown is None and clock() - started > PATIENCE_S:
                shown = _status(terminal)
            if shown is not None:
                shown.update(f"{number:,} files checked")
            yield result
    finally:
        if shown is not None:
            shown.stop()


def _status(terminal: TextIO) -> Status:
    from rich.console import Console

    status = Console(file=terminal).status("")
    status.start()
    return status

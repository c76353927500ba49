"""$/progress: work that takes its time says so, to clients that show it, and stops when it is told to."""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType
from typing import TYPE_CHECKING

from lsprotocol import types

from vram_engine.lent import FileRef

if TYPE_CHECKING:
    from vram_lsp.lookups import Question
    from vram_lsp.server import VramServer

# What is over sooner is not worth a line in the editor.
SHOWN_AFTER_S = 0.5


class WorkDone:
    """Progress under a token of the client's; without one nothing is told."""

    def __init__(self, server: VramServer, token: types.ProgressToken | None, title: str, steps: int) -> None:
        self._progress = server.work_done_progress
        self._token = token
        self._title = title
        self._steps = steps
        self._done = 0

    def __enter__(self) -> WorkDone:
        if self._token is not None:
            begin = types.WorkDoneProgressBegin(self._title, cancellable=True, percentage=0)
            self._progress.begin(self._token, begin)
        return self

    def step(self) -> bool:
        """One more step is done; whether the user has had enough."""
        self._done += 1
        if self._token is None:
            return False
        if self._done * 100 // self._steps > (self._done - 1) * 100 // self._steps:
            percentage = self._done * 100 // self._steps
            self._progress.report(self._token, types.WorkDoneProgressReport(percentage=percentage))
        return self._progress.tokens[self._token].cancelled()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            self._progress.end(self._token, types.WorkDoneProgressEnd())
            self._progress.tokens.pop(self._token, None)


async def show_look_up(server: VramServer, question: Question) -> None:
    """Tell of a look-up from when it has taken a while until this task is cancelled; the user may stop it."""
    await asyncio.sleep(SHOWN_AFTER_S)
    token = f"vram-lsp-{uuid.uuid4()}"
    progress, loop = server.work_done_progress, asyncio.get_running_loop()
    await progress.create_async(token)
    progress.tokens[token].add_done_callback(
        lambda future: (
            loop.call_soon_threadsafe(server.session.lookups.give_up, question) if future.cancelled() else None
        )
    )
    wanted = question[0].path if isinstance(question[0], FileRef) else question[0].name
    progress.begin(token, types.WorkDoneProgressBegin(f"Looking up {wanted}", cancellable=True))
    try:
        await asyncio.Event().wait()
    finally:
        progress.end(token, types.WorkDoneProgressEnd())
        progress.tokens.pop(token, None)

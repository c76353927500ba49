"""Look-ups: one in flight per question, shared, remembered, and survivable."""

from __future__ import annotations

import asyncio
import threading

import pytest
from vram_engine.model.reference import ModelRef
from vram_engine.model.spec import Unavailable

from vram_lsp.lookups import RETRY_AFTER_S, Lookups

QUESTION = (ModelRef("org/name"), ())


class Slow:
    """A source that answers when it is let go, and counts how often it was asked."""

    def __init__(self):
        self.asked = 0
        self.let_go = threading.Event()

    def find(self, ref, folders):
        """Nothing, after a while."""
        self.asked += 1
        self.let_go.wait(5)
        return Unavailable("gone")


@pytest.mark.asyncio
async def test_one_question_is_asked_once_however_many_wait():
    """Ten waiters share one look-up, and one that gives up does not spoil it for the others."""
    source = Slow()
    lookups = Lookups((source,))
    waiters = [asyncio.create_task(lookups.answer(QUESTION)) for _ in range(10)]
    await asyncio.sleep(0.05)
    waiters[0].cancel()
    source.let_go.set()
    answers = await asyncio.gather(*waiters[1:])
    assert source.asked == 1
    assert answers == [Unavailable("gone")] * 9
    assert lookups.known(()) == {QUESTION[0]: Unavailable("gone")}
    lookups.close()


@pytest.mark.asyncio
async def test_a_failure_is_remembered_for_a_while():
    """A model that was not there is not asked for at every keystroke, but again later."""
    now = 0.0
    source = Slow()
    source.let_go.set()
    lookups = Lookups((source,), clock=lambda: now)
    assert lookups.is_stale(QUESTION)
    await lookups.answer(QUESTION)
    assert not lookups.is_stale(QUESTION)
    now = RETRY_AFTER_S + 1
    assert lookups.is_stale(QUESTION)
    lookups.close()


@pytest.mark.asyncio
async def test_a_source_that_knows_nothing_leaves_a_reason():
    """When no source has heard of a model, the answer says what was tried."""
    lookups = Lookups(())
    answer = await lookups.answer(QUESTION)
    assert isinstance(answer, Unavailable)
    assert "org/name" in answer.reason
    lookups.close()

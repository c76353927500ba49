"""Look-ups: one in flight per question, shared, remembered, and survivable."""

from __future__ import annotations

import asyncio
import threading

import pytest

from vram_engine.model.by_size import from_parameter_count
from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.model.spec import Unavailable
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.sources.this_machine import ThisMachine
from vram_lsp.answers import find_model
from vram_lsp.lookups import RETRY_AFTER_S, Lookups
from vram_lsp.server import _settled, create_server
from vram_lsp.session import Session

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


class Says:
    """A source that gives one answer, or breaks with it."""

    def __init__(self, answer):
        self.answer = answer

    def find(self, ref, folders):
        """The answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


MODEL = FoundModel(from_parameter_count(8 * 10**9), "catalogue", notes=("one",))


def test_who_cannot_say_leaves_the_word_to_others():
    """A source that gave no answer is passed over, and its reason stays with what another found."""
    away = Says(Unanswered("the hub is away"))
    found = find_model((Says(None), away, away, Says(MODEL)), *QUESTION)
    assert found.notes == ("one", "the hub is away")
    nothing = find_model((away, Says(Unanswered("did you mean org/nam?"))), *QUESTION)
    assert nothing == Unavailable(
        "org/name is not a directory here and not in the catalogue; the hub is away; did you mean org/nam?"
    )


def test_who_knows_that_it_cannot_be_used_has_the_last_word():
    """A directory with a broken config.json is not replaced by the catalogue's model of that name."""
    assert find_model((Says(Unavailable("broken")), Says(MODEL)), *QUESTION) == Unavailable("broken")


@pytest.mark.asyncio
async def test_a_defect_in_a_source_costs_one_answer(caplog):
    """The waiter gets a reason, the log the traceback."""
    lookups = Lookups((Says(RuntimeError("bug")),))
    answer = await lookups.answer(QUESTION)
    assert answer == Unavailable("looking up org/name failed; the server's log says why")
    assert "RuntimeError: bug" in caplog.text


@pytest.mark.asyncio
async def test_other_sources_answer_even_what_was_already_asked():
    """When the user changes what may be asked, old answers go, and a look-up under way is done again."""
    slow = Slow()
    lookups = Lookups((slow,))
    waiting = asyncio.create_task(lookups.answer(QUESTION))
    await asyncio.sleep(0.05)
    lookups.use((Says(MODEL),))
    slow.let_go.set()
    assert await waiting == MODEL
    assert lookups.known(()) == {QUESTION[0]: MODEL}
    lookups.use(())
    assert lookups.known(()) == {}


@pytest.mark.asyncio
async def test_a_stuck_look_up_keeps_nobody(monkeypatch):
    """A drive that never answers ends in a reason, and its thread does not keep the process."""
    monkeypatch.setattr("vram_lsp.lookups.TIMEOUT_S", 0.05)
    slow = Slow()
    answer = await Lookups((slow,)).answer(QUESTION)
    assert "took longer" in answer.reason
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "look-up")
    slow.let_go.set()


def test_a_draft_model_is_looked_up_beside_the_model():
    """A document with a draft model asks for both, once each."""
    session = Session(Lookups(()))
    text = (
        'model: org/a\nmax-model-len: 8192\nspeculative-config: \'{"model": "org/b", "num_speculative_tokens": 2}\'\n'
    )
    session.open("file:///srv/serve.yaml", 1, "# vram: gpu=l4\n" + text)
    snapshot = session.snapshot("file:///srv/serve.yaml")
    assert [ref.name for ref, _ in session.questions(snapshot)] == ["org/a", "org/b"]


def test_a_command_that_comes_between_an_answer_and_its_telling_is_answered():
    """The answer is there and the text not analysed again yet: the command does that, and waits for nobody."""
    uri, ref = "file:///serve.yaml", ModelRef("Qwen/Qwen2.5-14B-Instruct")
    found = []

    async def command():
        server = create_server(Lookups((CatalogueModels(),)), ThisMachine())
        server.session.open(uri, 1, f"# vram: gpu=l4\nmodel: {ref.name}\n")
        assert server.session.snapshot(uri).analysis.wants == {ref}
        await server.session.lookups.answer((ref, server.session.snapshot(uri).folders))
        found.append(await _settled(server, (uri,)))

    # On the thread of the test, a loop that never yields could not be timed out.
    thread = threading.Thread(target=lambda: asyncio.run(command()), daemon=True)
    thread.start()
    thread.join(20)
    assert [each.analysis.wants for each in found] == [frozenset()]

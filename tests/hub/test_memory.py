"""What is remembered of the hub: answers on disk, refusals for a while, one question at a time."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hub.checkpoints import LLAMA_BYTES, LLAMA_CONFIG, llama, safetensors
from tests.hub.loopback import COMMIT
from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.model.spec import Unavailable
from vram_engine.sources.model_files import ModelFiles
from vram_lsp.model_cache import ModelCache, Stored
from vram_lsp.remembered_hub import RememberedHub

MODEL = "org/llama"
REF = ModelRef(MODEL)
DAY = 24 * 3600.0


class Clock:
    """Time that passes when told."""

    def __init__(self):
        self.now = 1_790_000_000.0

    def __call__(self):
        return self.now


class Scripted:
    """A hub that gives these answers one after the other, and counts them."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    def fetch(self, _):
        """The next answer, the last one for ever."""
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def clock():
    """A time of this test's own."""
    return Clock()


FILES = ModelFiles(LLAMA_CONFIG, commit=COMMIT, quantize_files={"quantize_config.json": {"bits": 4}})
AWAY = Unanswered("the hub is away", for_all=True)
ABSENT = Unanswered("the hub has no such model")


def test_what_was_looked_up_once_needs_no_hub_again(hub, client, cache):
    """Cold from the hub; warm without a request, in this process and another, with the cable out and the hub off."""
    hub.add(MODEL, LLAMA_CONFIG, model_safetensors=safetensors(llama()))
    cold = RememberedHub(client, cache).find(REF, ())
    assert (cold.source, cold.checkpoint.total_bytes, len(hub.requests)) == ("hub", LLAMA_BYTES, 3)
    hub.close()
    for source in (RememberedHub(client, cache), RememberedHub(None, cache)):
        warm = source.find(REF, ())
        assert (warm.source, warm.checkpoint, warm.commit) == ("cache", cold.checkpoint, COMMIT)
    assert len(hub.requests) == 3


def test_another_endpoint_or_revision_is_another_model(cache):
    """A mirror may hold something else under the same name."""
    cache.write("https://a.example", REF, Stored(FILES, 0.0))
    assert cache.read("https://a.example", REF) == Stored(FILES, 0.0)
    assert cache.read("https://b.example", REF) is None
    assert cache.read("https://a.example", ModelRef(MODEL, "v1")) is None


def test_a_branch_is_looked_at_again_after_a_day_and_a_commit_never(cache, clock):
    """main may move; what is incomplete is tried again within the hour."""
    hub = Scripted(FILES)
    source = RememberedHub(hub, cache, {}, clock)
    refs = {"main": REF, "commit": ModelRef(MODEL, "c" * 40)}
    for ref in refs.values():
        source.find(ref, ())
    clock.now += DAY - 1
    assert all(source.find(ref, ()).source == "cache" for ref in refs.values())
    clock.now += 2
    assert {name: source.find(ref, ()).source for name, ref in refs.items()} == {"main": "hub", "commit": "cache"}
    partial = ModelRef("org/partial", "d" * 40)
    hub.answers = [ModelFiles(LLAMA_CONFIG, notes=("no tensors",))]
    assert source.find(partial, ()).source == "hub"
    clock.now += 3601
    assert source.find(partial, ()).source == "hub"


def test_an_old_answer_serves_while_the_hub_is_away(cache, clock):
    """It says of which day it is, and why there is no newer one."""
    source = RememberedHub(Scripted(FILES, AWAY), cache, {}, clock)
    source.find(REF, ())
    clock.now += 30 * DAY
    found = source.find(REF, ())
    assert found.source == "cache"
    assert found.notes == ("as the hub described it on 2026-09-21; the hub is away",)


def test_a_model_that_is_absent_is_not_asked_for_at_every_keystroke(cache, clock):
    """Waits double from a quarter of a minute to ten; other models are asked for in between."""
    hub = Scripted(ABSENT)
    source = RememberedHub(hub, cache, {}, clock)
    waits = []
    for _ in range(10):
        before = clock.now
        asked = hub.asked
        while hub.asked == asked:
            assert source.find(REF, ()) == ABSENT
            clock.now += 1
        waits.append(round(clock.now - before - 1))
    assert waits[0] == 0
    assert waits[1:8] == [14, 29, 59, 119, 239, 479, 599]
    asked = hub.asked
    source.find(ModelRef("org/other"), ())
    assert hub.asked == asked + 1


def test_a_hub_that_is_away_is_left_alone_for_all_models(cache, clock):
    """One failure of the network speaks for every model, until it answers again."""
    hub = Scripted(AWAY, FILES)
    source = RememberedHub(hub, cache, {}, clock)
    assert source.find(REF, ()) == AWAY
    assert source.find(ModelRef("org/other"), ()) == AWAY
    assert hub.asked == 1
    clock.now += 15
    assert isinstance(source.find(REF, ()), FoundModel)
    assert isinstance(source.find(ModelRef("org/other"), ()), FoundModel)


def test_a_flaky_hub_is_exact_once_it_answers(hub, client, cache, clock):
    """Every other request breaks off: each try waits its turn, and the one that gets through is whole and is kept."""
    hub.add(MODEL, LLAMA_CONFIG, model_safetensors=safetensors(llama()))
    wanted = ["/revision/", "/config.json", "model.safetensors"]

    def broken(handler):
        hub.faults.clear()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    source = RememberedHub(client, cache, {"HF_ENDPOINT": hub.endpoint}, clock)
    answers = []
    for fragment in wanted:
        hub.fail(fragment, broken)
        answers.append(source.find(REF, ()))
        clock.now += 3601
    assert [isinstance(each, Unanswered) for each in answers] == [True, True, False]
    assert answers[2].checkpoint is None
    assert "broke off its answer" in answers[2].notes[0]
    whole = source.find(REF, ())
    assert (whole.source, whole.checkpoint.total_bytes, whole.notes) == ("hub", LLAMA_BYTES, ())
    assert RememberedHub(None, cache, {"HF_ENDPOINT": hub.endpoint}).find(REF, ()).checkpoint == whole.checkpoint


def test_the_hub_may_say_how_long_to_wait(cache, clock):
    """Retry-After of a rate limit is kept."""
    hub = Scripted(Unanswered("too many requests", 300.0, for_all=True))
    source = RememberedHub(hub, cache, {}, clock)
    source.find(REF, ())
    clock.now += 299
    source.find(REF, ())
    assert hub.asked == 1
    clock.now += 2
    source.find(REF, ())
    assert hub.asked == 2


def test_many_who_ask_at_once_cause_one_look_up(hub, client, cache):
    """Ten documents with the same model, ten threads, three requests."""
    hub.add(MODEL, LLAMA_CONFIG, model_safetensors=safetensors(llama()))
    source = RememberedHub(client, cache)
    barrier = threading.Barrier(10)

    def find():
        barrier.wait()
        return source.find(REF, ())

    with ThreadPoolExecutor(10) as pool:
        found = [future.result() for future in [pool.submit(find) for _ in range(10)]]
    assert {each.checkpoint.total_bytes for each in found} == {LLAMA_BYTES}
    assert len(hub.requests) == 3


def test_a_model_that_cannot_be_used_is_remembered_too(cache):
    """An architecture that is not derived is looked up once; a later release may derive it from what is stored."""
    hub = Scripted(ModelFiles({"architectures": ["MadeUpForCausalLM"]}))
    source = RememberedHub(hub, cache)
    assert isinstance(source.find(REF, ()), Unavailable)
    assert isinstance(source.find(REF, ()), Unavailable)
    assert hub.asked == 1


def written(cache):
    """The one file of a cache."""
    cache.write("https://a.example", REF, Stored(FILES, 5.0))
    (path,) = cache._folder.glob("*.json")
    return path


def damaged(**changes):
    """A change of the stored object."""
    return lambda data: json.dumps(json.loads(data) | changes).encode()


DAMAGE = {
    "empty": lambda _: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "noise": lambda _: b"\x00\xff" * 1000,
    "deep": lambda _: b"[" * 100_000,
    "too large": lambda data: data + b" " * 5 * 2**20,
    "another version": damaged(key=[0, "https://a.example", MODEL, None]),
    "another model": damaged(key=[1, "https://a.example", "org/other", None]),
    "no config": damaged(config=[]),
    "a strange quantization": damaged(quant_config="x"),
    "no time": damaged(fetched="soon"),
    "a time without end": damaged(fetched=1e300),
    "no notes": damaged(notes=[1]),
    "a checkpoint of another format": damaged(checkpoint={"format": "pickle", "files": 1, "tensors": []}),
    "tensors of negative size": damaged(
        checkpoint={"format": "safetensors", "files": 1, "tensors": [["x", "F32", [2], 1, -8]]}
    ),
    "tensors that are none": damaged(checkpoint={"format": "safetensors", "files": 1, "tensors": [5]}),
    "half a checkpoint": damaged(checkpoint={"format": "safetensors"}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_as_good_as_none_and_written_again(cache, damage):
    """Whatever became of the file, the hub is asked and the file is whole again."""
    path = written(cache)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.read("https://a.example", REF) is None
    source = RememberedHub(Scripted(FILES), cache, {"HF_ENDPOINT": "https://a.example"})
    assert source.find(REF, ()).source == "hub"
    assert cache.read("https://a.example", REF).files == FILES


def test_a_disk_that_takes_nothing_costs_the_memory_alone(tmp_path):
    """A folder that cannot be made, as on a full or read-only disk."""
    (tmp_path / "file").write_text("")
    source = RememberedHub(Scripted(FILES), ModelCache(tmp_path / "file/models"))
    assert source.find(REF, ()).source == "hub"
    assert source.find(REF, ()).source == "hub"


def test_the_folder_stays_small_and_private(cache, monkeypatch):
    """Old models make room for new ones, none is huge, half-written files go, and nobody else may read them."""
    monkeypatch.setattr("vram_lsp.model_cache._MOST_FILES", 3)
    monkeypatch.setattr("vram_lsp.model_cache._ABANDONED_AFTER_S", -1.0)
    path = written(cache)
    (path.parent / "left.part").write_text("x")
    for number in range(5):
        cache.write("https://a.example", ModelRef(f"org/m{number}"), Stored(FILES, 5.0))
    large = ModelFiles(LLAMA_CONFIG | {"ignored": "x" * 5 * 2**20})
    cache.write("https://a.example", ModelRef("org/large"), Stored(large, 5.0))
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {file.stat().st_mode & 0o077 for file in (path.parent, *files)} == {0}
    cache.clear()
    assert list(path.parent.iterdir()) == []


WRITER = """
import sys
from pathlib import Path
from vram_engine.model.reference import ModelRef
from vram_engine.sources.model_files import ModelFiles
from vram_lsp.model_cache import ModelCache, Stored
cache = ModelCache(Path(sys.argv[1]))
files = ModelFiles({"filler": sys.argv[2] * 100_000})
for _ in range(50):
    cache.write("https://a.example", ModelRef("org/llama"), Stored(files, 5.0))
"""


def test_two_processes_never_show_a_third_half_a_file(cache, tmp_path):
    """While two write the same model, every read is one of theirs, whole."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "models")]
    writers = [subprocess.Popen([*command, letter]) for letter in "ab"]
    seen = []
    while any(writer.poll() is None for writer in writers):
        stored = cache.read("https://a.example", REF)
        seen.append(stored if stored is None else stored.files.config["filler"])
    assert all(writer.returncode == 0 for writer in writers)
    first = next(index for index, each in enumerate(seen) if each is not None)
    assert set(seen[first:]) <= {"a" * 100_000, "b" * 100_000}

"""What goes on around the open documents: pulls over the workspace, progress, cancelling, traces, watched files."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from concurrent.futures import Future

import pytest

from tests.lsp.wire import Wire
from vram_engine.model.reference import ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.sources.nvml import NvmlGpus
from vram_lsp.lookups import Lookups
from vram_lsp.server import create_server

TOO_LARGE = "# vram: gpu=l4\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n"
# The misspelt key stands behind 19 characters, the wide ones and 9 more.
WIDE = "served-model-name: é🦙 # vram: concurency=1\n"
HEALTHY = "# vram: gpu=h100\nmodel: Qwen/Qwen2.5-7B-Instruct\nmax-model-len: 8192\n"
PULLS = {
    "textDocument": {"diagnostic": {}},
    "workspace": {"diagnostics": {"refreshSupport": True}, "didChangeWatchedFiles": {"dynamicRegistration": True}},
}


@pytest.fixture
def wire():
    """A server, not yet through the handshake."""
    connection = Wire()
    yield connection
    connection.close()


@pytest.fixture
def workspace(tmp_path):
    """A folder with a deployment that does not fit, one that does, and files of other kinds."""
    (tmp_path / "large.yaml").write_text(TOO_LARGE, encoding="utf-8")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/healthy.yml").write_text(HEALTHY)
    (tmp_path / "other.yaml").write_text("services:\n  web:\n    image: nginx\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00model: x")
    (tmp_path / ".gitignore").write_text("left-out.yaml\n")
    (tmp_path / "left-out.yaml").write_text(TOO_LARGE, encoding="utf-8")
    return tmp_path


def begin(wire, folder, capabilities=PULLS, encoding="utf-16"):
    """The handshake, with one folder."""
    general = {"general": {"positionEncodings": [encoding]}}
    return wire.initialize({**capabilities, **general}, workspaceFolders=[{"uri": folder.as_uri(), "name": "w"}])


def pull(previous=(), **more):
    """The parameters of a pull."""
    return {"previousResultIds": [{"uri": uri, "value": value} for uri, value in previous], **more}


def by_name(report):
    """The reports of an answer by the file's name."""
    return {each["uri"].rpartition("/")[2]: each for each in report["items"]}


@pytest.mark.parametrize(("encoding", "wide"), [("utf-8", 6), ("utf-16", 3), ("utf-32", 2)])
def test_closed_files_are_reported_when_the_client_pulls(wire, workspace, encoding, wide):
    """Ours alone, each under an id; with the id in hand nothing is sent again, and a file that goes is cleared."""
    (workspace / "large.yaml").write_text(TOO_LARGE + WIDE, encoding="utf-8")
    result = begin(wire, workspace, encoding=encoding)
    assert result["capabilities"]["diagnosticProvider"]["workspaceDiagnostics"] is True
    found = by_name(wire.request("workspace/diagnostic", pull()))
    assert set(found) == {"large.yaml", "healthy.yml"}
    assert [each["code"] for each in found["large.yaml"]["items"]] == ["out-of-memory", "invalid-directive"]
    memory, misspelt = (each["range"]["start"] for each in found["large.yaml"]["items"])
    assert memory == {"line": 1, "character": 7}
    assert misspelt == {"line": 3, "character": 19 + wide + 9}
    assert found["healthy.yml"]["items"] == []

    known = [(each["uri"], each["resultId"]) for each in found.values()]
    (workspace / "deep/healthy.yml").unlink()
    changed = {"uri": (workspace / "deep/healthy.yml").as_uri(), "type": 3}
    wire.notify("workspace/didChangeWatchedFiles", {"changes": [changed]})
    again = by_name(wire.request("workspace/diagnostic", pull(known)))
    assert again["large.yaml"]["kind"] == "unchanged"
    assert (again["healthy.yml"]["kind"], again["healthy.yml"]["items"]) == ("full", [])


def test_a_pull_waits_until_there_is_something_new(wire, workspace):
    """A client that tells of changed files is answered when one changes, and may cancel until then."""
    begin(wire, workspace)
    wire.request("workspace/diagnostic", pull())
    waiting = wire.ask("workspace/diagnostic", pull())
    given_up = wire.ask("workspace/diagnostic", pull())
    wire.notify("$/cancelRequest", {"id": given_up})
    assert wire.response(given_up)["error"]["code"] == -32800
    (workspace / "large.yaml").write_text(HEALTHY)
    changed = {"uri": (workspace / "large.yaml").as_uri(), "type": 2}
    wire.notify("workspace/didChangeWatchedFiles", {"changes": [changed]})
    assert by_name(wire.response(waiting)["result"])["large.yaml"]["items"] == []
    wire.until(lambda: wire.seen.get("workspace/diagnostic/refresh"))


def test_open_files_are_left_to_their_own_pull(wire, workspace):
    """The editor's text counts for them, not the disk's; closed again they are reported."""
    begin(wire, workspace)
    uri = (workspace / "large.yaml").as_uri()
    wire.open(uri, HEALTHY)
    assert set(by_name(wire.request("workspace/diagnostic", pull()))) == {"healthy.yml"}
    wire.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert "large.yaml" in by_name(wire.request("workspace/diagnostic", pull()))


def test_settings_and_project_files_reach_closed_files(wire, workspace):
    """What the settings say is asked again, and so is what a project file says once it is there."""
    (workspace / "bare.yaml").write_text("model: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n")
    begin(wire, workspace)

    def bare():
        return [each["code"] for each in by_name(wire.request("workspace/diagnostic", pull()))["bare.yaml"]["items"]]

    assert bare() == ["gpu-unknown"]
    settings = {"settings": {"vramLsp": {"hardware": {"gpu": "l4"}}}}
    wire.notify("workspace/didChangeConfiguration", settings)
    assert bare() == ["out-of-memory"]
    (workspace / "vram-lsp.toml").write_text('[hardware]\ngpu = "h100"\n')
    changed = {"uri": (workspace / "vram-lsp.toml").as_uri(), "type": 1}
    wire.notify("workspace/didChangeWatchedFiles", {"changes": [changed]})
    assert bare() == []


def test_tokens_bring_progress_and_parts(wire, workspace):
    """Reports come as parts and the answer is empty; progress has a beginning and an end."""
    for number in range(30):
        (workspace / f"{number}.yaml").write_text(HEALTHY)
    begin(wire, workspace)
    answer = wire.request("workspace/diagnostic", pull(workDoneToken="work", partialResultToken="part"))
    assert answer == {"items": []}
    told = [each["value"] for each in wire.seen["$/progress"] if each["token"] == "work"]
    assert (told[0]["kind"], told[0]["cancellable"], told[-1]["kind"]) == ("begin", True, "end")
    percentages = [each["percentage"] for each in told if each["kind"] == "report"]
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100
    parts = [each["value"]["items"] for each in wire.seen["$/progress"] if each["token"] == "part"]
    assert len(parts) == 2
    assert sum(map(len, parts)) == 32


def test_a_client_that_does_not_pull_is_offered_no_workspace_pull(wire, workspace):
    """And asking all the same is an error of the protocol, not a crash."""
    result = begin(wire, workspace, {})
    assert "diagnosticProvider" not in result["capabilities"]
    assert wire.response(wire.ask("workspace/diagnostic", pull()))["error"]["code"] == -32601


@pytest.mark.asyncio
async def test_a_look_up_that_is_given_up_says_so():
    """Whoever waits has an answer at once, and the question may be asked again later."""
    release = threading.Event()

    class Stuck:
        def find(self, ref, folders):
            release.wait(20)

    lookups = Lookups((Stuck(),))
    question = (ModelRef("some/model"), ())
    task = asyncio.get_running_loop().create_task(lookups.answer(question))
    await asyncio.sleep(0.05)
    lookups.give_up(question)
    answer = await task
    release.set()
    assert isinstance(answer, Unavailable)
    assert "was stopped" in answer.reason
    lookups.give_up(question)


def test_work_done_tokens_of_strangers_do_no_harm(wire, workspace):
    """Cancelling what was never begun, and ids of any shape, leave the server as it was."""
    begin(wire, workspace)
    wire.notify("window/workDoneProgress/cancel", {"token": "never"})
    wire.notify("$/cancelRequest", {"id": 987})
    assert set(by_name(wire.request("workspace/diagnostic", pull([("not a uri", "x")])))) >= {"large.yaml"}
    json.dumps(wire.seen)


SLOW_SERVER = """
import time
from vram_engine.sources.catalogue import CatalogueModels
from vram_lsp.lookups import Lookups
from vram_lsp.server import create_server
class Slow:
    def find(self, ref, folders):
        time.sleep(3)
        return CatalogueModels().find(ref, folders)
class Nothing:
    def gpus(self):
        return ()
create_server(Lookups((Slow(),)), Nothing()).start_io()
"""


@pytest.fixture
def slow():
    """A server whose look-ups take three seconds."""
    connection = Wire([sys.executable, "-c", SLOW_SERVER])
    yield connection
    connection.close()


def test_a_long_look_up_is_shown_and_can_be_stopped(slow):
    """After half a second, under a token of the server's; stopping it says so at the model."""
    slow.initialize({"window": {"workDoneProgress": True}})
    slow.open("untitled:/x.yaml", TOO_LARGE)
    slow.until(lambda: slow.seen.get("$/progress"))
    (made,) = slow.seen["window/workDoneProgress/create"]
    begun = slow.seen["$/progress"][0]
    assert begun["token"] == made["token"]
    assert begun["value"]["title"] == "Looking up Qwen/Qwen2.5-14B-Instruct"
    slow.notify("window/workDoneProgress/cancel", {"token": made["token"]})
    slow.until(lambda: (1, ["model-unknown"]) in slow.published("untitled:/x.yaml"))
    slow.until(lambda: slow.seen["$/progress"][-1]["value"]["kind"] == "end")


def test_a_client_that_shows_no_progress_is_told_of_none(slow):
    """It gets the answer when it is there."""
    slow.initialize()
    slow.open("untitled:/x.yaml", TOO_LARGE)
    slow.until(lambda: (1, ["out-of-memory"]) in slow.published("untitled:/x.yaml"))
    assert not {"$/progress", "window/workDoneProgress/create"} & set(slow.seen)


def test_a_trace_tells_what_was_analysed(wire):
    """From the setting in the handshake and from $/setTrace on; in full only where all is asked for."""
    wire.initialize(trace="messages")
    wire.open("untitled:/x.yaml", HEALTHY)
    wire.until(lambda: wire.seen.get("$/logTrace"))
    assert "analysed version 1 of untitled:/x.yaml" in wire.seen["$/logTrace"][0]["message"]
    assert "verbose" not in wire.seen["$/logTrace"][0]
    wire.notify("$/setTrace", {"value": "verbose"})
    wire.change("untitled:/x.yaml", HEALTHY, 2)
    wire.until(lambda: "verbose" in wire.seen["$/logTrace"][-1])
    assert wire.seen["$/logTrace"][-1]["verbose"].startswith("Qwen/Qwen2.5-7B-Instruct: ")
    wire.notify("$/setTrace", {"value": "off"})
    wire.until(lambda: (2, []) in wire.published("untitled:/x.yaml"))
    told = len(wire.seen["$/logTrace"])
    wire.change("untitled:/x.yaml", HEALTHY, 3)
    wire.until(lambda: (3, []) in wire.published("untitled:/x.yaml"))
    assert len(wire.seen["$/logTrace"]) == told


def test_nothing_is_kept_of_notifications_that_have_been_handled():
    """A future that is done goes with the text it holds; one that is not may still be cancelled."""
    server = create_server(Lookups(()), NvmlGpus())
    done, pending = Future(), Future()
    done.set_result(None)
    server.protocol._request_futures.update({"done": done, "pending": pending})
    server.forget_handled()
    assert server.protocol._request_futures == {"pending": pending}


def test_settings_are_those_of_the_folder_a_file_is_in(tmp_path):
    """Two folders of one window may mean different hardware; a file outside of both has the window's, here none."""
    hardware = {(tmp_path / "small").as_uri(): "l4", (tmp_path / "large").as_uri(): "h100"}

    def settings(params):
        gpus = [hardware.get(item.get("scopeUri")) for item in params["items"]]
        return [{} if gpu is None else {"hardware": {"gpu": gpu}} for gpu in gpus]

    wire = Wire(answers={"workspace/configuration": settings})
    folders = [{"uri": uri, "name": gpu} for uri, gpu in hardware.items()]
    wire.initialize({"workspace": {"configuration": True}}, workspaceFolders=folders)
    expected = {"small": ["out-of-memory"], "large": [], "elsewhere": ["gpu-unknown"]}
    uris = {(tmp_path / place / "serve.yaml").as_uri(): found for place, found in expected.items()}
    for uri in uris:
        wire.open(uri, TOO_LARGE.partition("\n")[2])
    for uri, found in uris.items():
        wire.until(lambda uri=uri, found=found: [each[1] for each in wire.published(uri)][-1:] == [found])
    assert wire.close() == 0

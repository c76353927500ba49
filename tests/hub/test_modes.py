"""What off, cache and on mean: who is asked, in which order, and that no socket is opened without leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.hub.checkpoints import LLAMA_BYTES, LLAMA_CONFIG, llama, safetensors
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable
from vram_lsp.answers import find_model
from vram_lsp.cli import main
from vram_lsp.config import hub_mode, read_config
from vram_lsp.model_cache import default_folder
from vram_lsp.model_sources import model_sources

REF = ModelRef("org/llama")
KNOWN = ModelRef("meta-llama/Llama-3.1-8B-Instruct")


@pytest.fixture(autouse=True)
def user_cache(monkeypatch, tmp_path):
    """The user's cache folder, moved into the test's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("vram_lsp.model_sources.default_folder", lambda: tmp_path / "cache/vram-lsp/models")


def find(mode, ref=REF):
    """What the sources of a mode say."""
    return find_model(model_sources(mode), ref, ())


def test_each_mode_allows_more(hub):
    """off and cache ask nobody, on asks the hub once; then cache knows too, and off still does not."""
    hub.add(REF.name, LLAMA_CONFIG, model_safetensors=safetensors(llama()))
    for mode in ("off", "cache"):
        answer = find(mode)
        assert isinstance(answer, Unavailable)
        assert answer.reason == (
            "org/llama is not a directory here and not in the catalogue; "
            "the hub was not asked (--online, or vramLsp.hub in an editor, allows it)"
        )
    assert hub.requests == []
    assert find("on").source == "hub"
    asked = len(hub.requests)
    assert find("cache").source == "cache"
    assert isinstance(find("off"), Unavailable)
    assert len(hub.requests) == asked


def test_files_on_this_machine_come_first(hub, tmp_path, monkeypatch):
    """A directory of that name, then Hugging Face's own cache, and only then the hub: in every mode."""
    snapshot = tmp_path / "hf/hub/models--org--llama/snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(LLAMA_CONFIG))
    refs = tmp_path / "hf/hub/models--org--llama/refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    assert {find(mode).source for mode in ("off", "cache", "on")} == {"cache"}
    directory = tmp_path / "here/org/llama"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(LLAMA_CONFIG))
    assert find_model(model_sources("on"), REF, (tmp_path / "here",)).source == "local"
    assert hub.requests == []


def test_the_catalogue_speaks_where_the_hub_does_not(hub):
    """A model that is gated, or a hub that is away, leaves the catalogue's word, with the reason beside it."""
    hub.fail("/api/", lambda handler: handler.send(401, b"", {"X-Error-Code": "GatedRepo"}))
    found = find("on", KNOWN)
    assert isinstance(found, FoundModel)
    assert found.source == "catalogue"
    assert "gated" in found.notes[0]


def test_a_name_that_nobody_knows_says_what_everybody_said(hub):
    """The hub's reason and the catalogue's suggestion."""
    answer = find("on", ModelRef("Qwen/Qwen2.5-7B-Instrukt"))
    assert answer.reason.startswith("Qwen/Qwen2.5-7B-Instrukt is not a directory here and not in the catalogue; ")
    assert "127.0.0.1 has no model" in answer.reason
    assert "did you mean Qwen/Qwen2.5-7B-Instruct?" in answer.reason


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    """Results are stored where this system keeps caches."""
    assert default_folder().parts[-2:] == ("vram-lsp", "models")


# Ends the process at the first sign of a network; the hook cannot be removed again.
GUARD = """
import os, socket, sys
EVENTS = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
def guard(event, arguments):
    inet = event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6)
    if inet or event in EVENTS:
        os.write(2, f"network: {event}\\n".encode())
        os._exit(99)
sys.addaudithook(guard)
from vram_lsp.cli import main
for words in sys.argv[1:]:
    code = main(words.split())
sys.exit(code)
"""

DEPLOYMENT = "# vram: gpu=h100-sxm-80\nmodel: org/llama\nmax-model-len: 8192\n"


def guarded(tmp_path, endpoint, *calls):
    """Calls of the program under the guard, one after the other."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint}
    command = [sys.executable, "-c", GUARD, *calls]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60)


@pytest.fixture
def deployment(tmp_path):
    """A file that names a model nobody here has."""
    (tmp_path / "serve.yaml").write_text(DEPLOYMENT)
    return tmp_path


def test_the_command_line_opens_no_socket(deployment, hub):
    """Without --online, no socket, whatever is asked."""
    done = guarded(deployment, hub.endpoint, "check .", "plan serve.yaml", "models", "gpus", "detect")
    assert done.returncode == 0, done.stderr


def test_the_guard_sees_what_online_does(deployment, hub):
    """With --online the same call would be caught, so the guard is no blind eye."""
    done = guarded(deployment, hub.endpoint, "check --online .")
    assert (done.returncode, done.stderr.splitlines()[-1][:8]) == (99, "network:")


def test_online_is_exact_and_later_calls_need_no_network(deployment, hub):
    """plan --online finds the model on the hub; the same without it, under the guard, finds it in the cache."""
    hub.add(REF.name, LLAMA_CONFIG, model_safetensors=safetensors(llama()))
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint}
    command = [sys.executable, "-m", "vram_lsp", "plan", "serve.yaml", "--online", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=deployment, env=environment, timeout=60)
    (online,) = json.loads(done.stdout)["deployments"]
    assert (online["model"]["source"], online["verdict"]) == ("hub", "fits")
    hub.close()
    done = guarded(deployment, hub.endpoint, "plan serve.yaml --json")
    (later,) = json.loads(done.stdout)["deployments"]
    assert later == online | {"model": online["model"] | {"source": "cache"}}
    # Beside the tensors stays one rotary table, of 131,072 positions and 128 numbers of two bytes.
    assert later["memory"]["weights_bytes"] == LLAMA_BYTES + 131072 * 128 * 2


def test_a_project_cannot_switch_the_network_on(deployment, hub, capsys):
    """hub in a project file is refused in words, and nothing is looked up."""
    (deployment / "vram-lsp.toml").write_text('hub = "on"\n')
    assert main(["check", str(deployment / "serve.yaml")]) == 0
    assert "hub is a setting of the editor alone" in capsys.readouterr().err
    assert hub.requests == []


def test_a_setting_that_is_none_of_the_three_is_said():
    """Anything but off, cache and on switches nothing on."""
    for value in ("yes", True, 1, ["on"]):
        assert read_config({"hub": value}, "settings", "vramLsp").problems == (
            "vramLsp: hub must be one of off, cache, on",
        )
        assert hub_mode({"hub": value}) is None
    assert hub_mode({"hub": "on"}) == "on"


def message(method, parameters, identifier=None):
    """A JSON-RPC message with its header."""
    body = {"jsonrpc": "2.0", "method": method, "params": parameters}
    if identifier is not None:
        body["id"] = identifier
    data = json.dumps(body).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(data), data)


def session(*hub_settings):
    """A client's whole conversation: documents opened, changed and saved under one setting after the other."""
    yield message("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, 1), None
    yield message("initialized", {}), None
    for number, setting in enumerate(hub_settings):
        if setting is not None:
            yield message("workspace/didChangeConfiguration", {"settings": {"vramLsp": {"hub": setting}}}), None
        document = {"uri": f"file:///x/{number}.yaml", "languageId": "yaml", "version": 1, "text": DEPLOYMENT}
        changed = {"textDocument": {"uri": document["uri"], "version": 2}}
        yield message("textDocument/didOpen", {"textDocument": document}), None
        yield message("textDocument/didChange", changed | {"contentChanges": [{"text": DEPLOYMENT + "\n"}]}), None
        yield message("textDocument/didSave", {"textDocument": {"uri": document["uri"]}}), document["uri"]
        yield message("workspace/didChangeWatchedFiles", {"changes": []}), None
    yield message("shutdown", None, 2), None
    yield message("exit", None), None


def served(tmp_path, endpoint, *hub_settings):
    """The server under the guard, through a whole conversation: its exit code and what it said."""
    command = [sys.executable, "-c", GUARD, "serve --stdio"]
    environment = {**os.environ, "HF_ENDPOINT": endpoint}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=pipe, stdout=pipe, stderr=pipe) as server:
        with suppress(BrokenPipeError):
            for each, awaited in session(*hub_settings):
                server.stdin.write(each)
                server.stdin.flush()
                if awaited is not None:
                    wait_for(server, awaited.encode(), b"model-unknown")
        _, errors = server.communicate(timeout=20)
    return server.returncode, errors.decode()


def wait_for(server, *wanted):
    """Read what the server says until one message has all of ``wanted``, or it has nothing more to say."""
    said = b""
    while not any(all(each in part for each in wanted) for part in said.split(b"Content-Length")):
        read = server.stdout.read1()
        if not read:
            return
        said += read


def test_the_server_opens_no_socket(tmp_path, hub):
    """Undecided, off and cache: a whole session under the guard, with a model that only the hub could know."""
    code, errors = served(tmp_path, hub.endpoint, None, "off", "cache")
    assert "network" not in errors
    assert code == 0, errors
    assert hub.requests == []


def test_the_guard_sees_the_server_too(tmp_path, hub):
    """With the hub on, the same session is caught."""
    code, errors = served(tmp_path, hub.endpoint, "on")
    assert (code, "network:" in errors) == (99, True)

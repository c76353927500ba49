"""The server and the hub together: offered once, allowed by the user alone, and never in the way of typing."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import pytest
import pytest_asyncio
from lsprotocol import types
from pytest_lsp import ClientServerConfig

from tests.hub.checkpoints import LLAMA_CONFIG, as_json, llama, safetensors
from vram_lsp.asked_once import AskedOnce
from vram_lsp.server import ALLOW_HUB, CLEAR_CACHE, HUB_SETTLE_S, NOT_NOW, USE_CACHE

URI = "untitled:/serve.yaml"
# Twice what the model was made for, which only somebody who knows the model can find fault with.
HEAD = "# vram: gpu=h100-sxm-80\nmax-model-len: 262144\n"
UNKNOWN = ["model-unknown"]
KNOWN = ["max-model-len-exceeds-model"]


@pytest.fixture
def llama_hub(hub):
    """A hub with Llama 3.1 8B."""
    hub.add("org/llama", LLAMA_CONFIG, model_safetensors=safetensors(llama()))
    return hub


class Editor:
    """A client that answers questions with ``choice`` and keeps what it was asked."""

    def __init__(self, client):
        self.client = client
        self.choice = None
        self.asked = []

        @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def show(params):
            self.asked.append([action.title for action in params.actions])
            return None if self.choice is None else types.MessageActionItem(self.choice)

    async def start(self, settings=None, can_ask=True):
        """The handshake, with settings from the start where there are any."""
        window = types.WindowClientCapabilities(show_message=types.ShowMessageRequestClientCapabilities())
        capabilities = types.ClientCapabilities(window=window if can_ask else None)
        options = None if settings is None else {"vramLsp": settings}
        params = types.InitializeParams(capabilities=capabilities, initialization_options=options)
        await self.client.initialize_session(params)

    def open(self, model):
        """A document that names a model."""
        document = types.TextDocumentItem(URI, "yaml", 1, f"{HEAD}model: {model}\n")
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))

    def type(self, model, version):
        """The model's name as it stands now."""
        change = types.TextDocumentContentChangeWholeDocument(f"{HEAD}model: {model}\n")
        identifier = types.VersionedTextDocumentIdentifier(version, URI)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(identifier, [change]))

    def found(self):
        """The rules of the diagnostics shown, None before there are any."""
        shown = self.client.diagnostics.get(URI)
        return None if shown is None else [each.code for each in shown]

    def reason(self):
        """The text of the only diagnostic."""
        (shown,) = self.client.diagnostics[URI]
        return shown.message

    async def until(self, condition):
        """Wait for something to become so."""
        for _ in range(400):
            if condition():
                return
            await asyncio.sleep(0.025)
        raise AssertionError(f"still {self.found()}")


@pytest_asyncio.fixture
async def editor(llama_hub, tmp_path):
    """An editor with a server whose hub is the loopback's."""
    client = await server_in(tmp_path, llama_hub)
    yield Editor(client)
    await client.shutdown_session()
    await client.stop()


async def server_in(home, hub):
    """A server of a user whose home is ``home``."""
    folders = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    command = [sys.executable, "-m", "vram_lsp", "--stdio"]
    environment = {**os.environ, **folders, "HF_ENDPOINT": hub.endpoint}
    return await ClientServerConfig(server_command=command, server_env=environment).start()


@pytest.mark.asyncio
async def test_the_hub_is_offered_once_and_used_when_allowed(editor, llama_hub):
    """A model that nobody here knows brings one question; yes looks it up, and no document asks again."""
    editor.choice = ALLOW_HUB
    await editor.start()
    editor.open("org/llama")
    await editor.until(lambda: editor.found() == KNOWN)
    assert editor.asked == [[ALLOW_HUB, USE_CACHE, NOT_NOW]]
    assert len(llama_hub.requests) == 3
    editor.type("org/other", 2)
    await editor.until(lambda: "/api/models/org/other/revision/main" in llama_hub.paths)
    await editor.until(lambda: editor.found() == UNKNOWN)
    assert len(editor.asked) == 1


@pytest.mark.asyncio
async def test_no_answer_means_no(editor, llama_hub):
    """Dismissed, the question does not come back, and the hub is not asked."""
    await editor.start()
    editor.open("org/llama")
    await editor.until(lambda: editor.asked)
    editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(URI)))
    editor.open("org/more")
    await editor.until(lambda: editor.found() == UNKNOWN and "org/more" in editor.reason())
    assert len(editor.asked) == 1
    assert llama_hub.requests == []


@pytest.mark.asyncio
async def test_the_question_is_asked_once_in_a_life(editor, llama_hub, tmp_path):
    """A later server of the same user does not ask again, whatever the answer was; the reason says how to allow it."""
    editor.choice = NOT_NOW
    await editor.start()
    editor.open("org/llama")
    await editor.until(lambda: editor.asked)
    later = Editor(await server_in(tmp_path, llama_hub))
    await later.start()
    later.open("org/llama")
    await later.until(lambda: later.found() == UNKNOWN and "vramLsp.hub" in later.reason())
    await asyncio.sleep(0.2)
    assert (later.asked, llama_hub.requests) == ([], [])
    await later.client.shutdown_session()
    await later.client.stop()


@pytest.mark.asyncio
async def test_the_cache_alone_may_be_chosen(editor, llama_hub):
    """What the hub said before may be used without asking it again: no request is made."""
    editor.choice = USE_CACHE
    await editor.start()
    editor.open("org/llama")
    await editor.until(lambda: editor.asked and editor.found() == UNKNOWN)
    await asyncio.sleep(0.2)
    assert llama_hub.requests == []


def test_a_folder_that_cannot_be_written_forgets(tmp_path):
    """A question comes once for a folder; where nothing can be kept, the question comes again."""
    assert [AskedOnce(tmp_path / "data").is_first("hub") for _ in range(2)] == [True, False]
    (tmp_path / "file").write_text("")
    assert [AskedOnce(tmp_path / "file").is_first("hub") for _ in range(2)] == [True, True]


@pytest.mark.asyncio
async def test_who_has_decided_is_not_asked_and_may_decide_anew(editor, llama_hub):
    """A setting is an answer; changed, it counts at once for open documents, and the cache can be cleared."""
    await editor.start({"hub": "off"})
    editor.open("org/llama")
    await editor.until(lambda: editor.found() == UNKNOWN and "was not asked" in editor.reason())
    await asyncio.sleep(0.1)
    assert (editor.asked, llama_hub.requests) == ([], [])

    settings = types.DidChangeConfigurationParams({"vramLsp": {"hub": "on"}})
    editor.client.workspace_did_change_configuration(settings)
    await editor.until(lambda: editor.found() == KNOWN)
    asked = len(llama_hub.requests)
    await editor.client.workspace_execute_command_async(types.ExecuteCommandParams(CLEAR_CACHE, []))
    await editor.until(lambda: len(llama_hub.requests) == 2 * asked)


@pytest.mark.asyncio
async def test_half_typed_names_are_not_sent(editor, llama_hub):
    """While keys keep coming nothing is asked; the name that stands is asked for once, and answers arrive on time."""
    await editor.start({"hub": "on"})
    editor.open("org/l")
    await editor.until(lambda: len(llama_hub.requests) == 1)
    for version, length in enumerate(range(6, 10), start=2):
        editor.type("org/llama"[:length], version)
        await asyncio.sleep(HUB_SETTLE_S / 4)
    await editor.until(lambda: editor.found() == KNOWN)
    asked = [path for path in llama_hub.paths if path.startswith("/api/")]
    assert asked == ["/api/models/org/l/revision/main", "/api/models/org/llama/revision/main"]


@pytest.mark.asyncio
async def test_adapters_are_asked_for_when_their_names_stand(editor, hub):
    """As models are: not while keys keep coming, once, and the verdict follows the answer."""
    hub.models["org/sql"] = {"adapter_config.json": as_json({"peft_type": "LORA", "r": 48})}
    lora = "Qwen/Qwen2.5-7B-Instruct\nenable-lora: true\nlora-modules: sql="
    await editor.start({"hub": "on"})
    editor.open("org/llama")
    await editor.until(lambda: editor.found() == KNOWN)
    for version, length in enumerate(range(4, 8), start=2):
        editor.type(lora + "org/sql"[:length], version)
        await asyncio.sleep(HUB_SETTLE_S / 4)
    await editor.until(lambda: "adapter-rank-exceeds-limit" in (editor.found() or ()))
    asked = [path for path in hub.paths if path.startswith("/api/") and "/org/" in path]
    assert asked == ["/api/models/org/llama/revision/main", "/api/models/org/sql/revision/main"]


@pytest.mark.asyncio
async def test_typing_does_not_wait_for_a_slow_hub(editor, llama_hub):
    """While the hub keeps a look-up waiting, a hover is answered as ever; and the server leaves without waiting."""
    llama_hub.fail("/api/", lambda _: time.sleep(5))
    await editor.start({"hub": "on"})
    editor.open("org/llama")
    await editor.until(lambda: len(llama_hub.requests) == 1)
    started = time.monotonic()
    where = types.TextDocumentIdentifier(URI), types.Position(1, 3)
    await editor.client.text_document_hover_async(types.HoverParams(*where))
    assert time.monotonic() - started < 1

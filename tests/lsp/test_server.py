"""The server as a client meets it: a real process over stdio, in each of LSP's three position encodings."""

from __future__ import annotations

import asyncio
import sys

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient

CONFIG = ClientServerConfig(server_command=[sys.executable, "-m", "vram_lsp", "--stdio", "--clientProcessId=1"])

# é and the llama take 2+4 bytes, 1+2 UTF-16 units and 1+1 code points; U+2028 ends a line for Python and for YAML 1.1,
# which folds it in a quoted value, but not for LSP.
URI = "untitled:/deployment.yaml"
TEXT = (
    "# vram: gpu=l4 gpus=2\n"
    'tokenizer: "é\u2028 not a new line"\n'
    "model: Qwen/Qwen2.5-14B-Instruct\n"
    "max-model-len: 8192\n"
    "served-model-name: é🦙 # vram: concurrency=none\n"
)
# The column of "concurrency" on the last line, counted by hand in each encoding.
COLUMN = {"utf-8": 19 + 6 + 9, "utf-16": 19 + 3 + 9, "utf-32": 19 + 2 + 9}


def capabilities(encoding):
    """A client that understands one encoding and versioned edits."""
    return types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind(encoding)]),
        text_document=types.TextDocumentClientCapabilities(
            hover=types.HoverClientCapabilities(content_format=[types.MarkupKind.Markdown])
        ),
        workspace=types.WorkspaceClientCapabilities(
            workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True)
        ),
    )


@pytest_lsp.fixture(config=CONFIG, params=["utf-8", "utf-16", "utf-32"])
async def client(lsp_client: LanguageClient, request):
    """A client that has been through the handshake."""
    lsp_client.encoding = request.param
    params = types.InitializeParams(capabilities=capabilities(request.param))
    lsp_client.result = await lsp_client.initialize_session(params)
    yield
    await lsp_client.shutdown_session()
    assert [each.message for each in lsp_client.messages] == []


def open_document(client, text, uri=URI, version=1):
    """Tell the server about a document."""
    document = types.TextDocumentItem(uri, "yaml", version, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(document))


def change_document(client, text, version, uri=URI):
    """Tell the server the document's new text."""
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version, uri),
            [types.TextDocumentContentChangeWholeDocument(text)],
        )
    )


async def diagnostics(client, expected, uri=URI):
    """The diagnostics, once there is one of each expected rule and no other."""
    for _ in range(400):
        found = {each.code: each for each in client.diagnostics.get(uri, [])}
        if set(found) == set(expected):
            return found
        await asyncio.sleep(0.025)
    raise AssertionError(f"expected {expected}, have {sorted(found)}")


@pytest.mark.asyncio
async def test_a_deployment_is_diagnosed_hovered_and_fixed(client: LanguageClient):
    """The whole way: findings at exact places, the hover's table, the preferred fix, and its effect."""
    assert client.result.capabilities.position_encoding == client.encoding
    open_document(client, TEXT)
    found = await diagnostics(client, ["out-of-memory", "invalid-directive"])

    memory = found["out-of-memory"]
    assert memory.range == types.Range(types.Position(2, 7), types.Position(2, 32))
    assert memory.severity == types.DiagnosticSeverity.Error
    assert memory.source == "vram-lsp"
    assert memory.code_description.href.startswith("file://")
    assert memory.code_description.href.endswith("#out-of-memory")
    assert found["invalid-directive"].range.start == types.Position(4, COLUMN[client.encoding])

    where = types.TextDocumentPositionParams(types.TextDocumentIdentifier(URI), types.Position(2, 3))
    hover = await client.text_document_hover_async(types.HoverParams(where.text_document, where.position))
    assert "| weights " in hover.contents.value
    assert "does not fit" in hover.contents.value

    actions = await client.text_document_code_action_async(
        types.CodeActionParams(types.TextDocumentIdentifier(URI), memory.range, types.CodeActionContext([memory]))
    )
    preferred = [action for action in actions if getattr(action, "is_preferred", None)]
    assert len(preferred) == 1
    assert any(action.title == "Ignore out-of-memory here" for action in actions)
    parallel = next(action for action in actions if action.title.startswith("Set tensor-parallel-size to 2: "))
    (change,) = parallel.edit.document_changes
    assert change.text_document.version == 1
    (edit,) = change.edits
    # The new key goes behind the last one, whose line holds the characters that differ in width.
    assert edit.new_text == "\ntensor-parallel-size: 2"
    assert edit.range.start.line == 4

    change_document(client, TEXT + "tensor-parallel-size: 2\n", 2)
    await diagnostics(client, ["invalid-directive"])


@pytest.mark.asyncio
async def test_another_kind_of_file_gets_nothing(client: LanguageClient):
    """A compose file without vLLM has no diagnostics, no hover and no actions."""
    text = "services:\n  web:\n    image: nginx\n"
    open_document(client, text)
    identifier, at = types.TextDocumentIdentifier(URI), types.Position(0, 2)
    assert await client.text_document_hover_async(types.HoverParams(identifier, at)) is None
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(identifier, types.Range(at, at), types.CodeActionContext([]))
    )
    assert not actions
    assert not client.diagnostics.get(URI)


@pytest.mark.asyncio
async def test_closing_a_document_clears_it(client: LanguageClient):
    """Nothing stays behind in the editor's list of problems."""
    open_document(client, TEXT)
    await diagnostics(client, ["out-of-memory", "invalid-directive"])
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(URI)))
    await diagnostics(client, [])


@pytest.mark.asyncio
async def test_settings_change_what_is_found(client: LanguageClient):
    """Hardware from the editor's settings is used where the file says none, and takes effect at once."""
    open_document(client, "model: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n")
    await diagnostics(client, ["gpu-unknown"])
    settings = {"vramLsp": {"hardware": {"gpu": "l4"}, "colour": "red"}}
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    await diagnostics(client, ["out-of-memory"])
    assert any("colour is not a setting" in each.message for each in client.log_messages)


@pytest.mark.asyncio
async def test_a_named_python_environment_says_the_version(client: LanguageClient, tmp_path):
    """The vLLM of the environment that the settings name is sized for where a file says none."""
    (tmp_path / "lib/python3.12/site-packages/vllm-0.9.2.dist-info").mkdir(parents=True)
    open_document(client, TEXT)
    await diagnostics(client, ["out-of-memory", "invalid-directive"])
    settings = types.DidChangeConfigurationParams({"vramLsp": {"python": str(tmp_path)}})
    client.workspace_did_change_configuration(settings)
    where = types.TextDocumentIdentifier(URI), types.Position(2, 3)
    for _ in range(100):
        hover = await client.text_document_hover_async(types.HoverParams(*where))
        if "0.9.2 (found in vramLsp.python)" in hover.contents.value:
            return
        await asyncio.sleep(0.025)
    raise AssertionError(hover.contents.value)


@pytest.mark.asyncio
async def test_requests_about_unknown_documents_are_answered(client: LanguageClient):
    """A hover for a document that was never opened is null, not an error and not a read from disk."""
    params = types.HoverParams(types.TextDocumentIdentifier("file:///never/opened.yaml"), types.Position(5, 5))
    assert await client.text_document_hover_async(params) is None

"""Deployments converted in the editor: actions for clients that can make files, and the command for all."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
import pytest_lsp
import yaml
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient

from vram_engine.generate import KINDS
from vram_lsp import proto
from vram_lsp.features import code_action, conversion
from vram_lsp.session import Snapshot

CONFIG = ClientServerConfig(server_command=[sys.executable, "-m", "vram_lsp", "--stdio"])
SERVE = "# vram: gpu=l4 vllm=0.31.0\nmodel: org/é🦙\nmax-model-len: 8192\n"
TWO = """\
services:
  chat:
    image: vllm/vllm-openai:v0.31.0
    command: --model org/chat --max-model-len 4096
  code:
    image: vllm/vllm-openai:v0.31.0
    command: --model org/code --max-model-len ${LENGTH}
"""
CREATING = proto.Abilities(versioned_edits=True, creates_files=True)
RESOLVING = proto.Abilities(versioned_edits=True, creates_files=True, resolves_edits=True)


@pytest.fixture
def at(snapshot, tmp_path):
    """A function that makes a snapshot of a text as a file of an empty folder."""

    def at(text, name="source.yaml", **more):
        taken = snapshot(text, **more)
        uri = (tmp_path / name).as_uri()
        return Snapshot(uri, taken.version, taken.text, taken.encoding, taken.context, taken.folders)

    return at


def asked(snapshot, line=0, *, only=None, trigger=None):
    """The parameters of a request with the cursor at the start of a line."""
    position = types.Position(line, 0)
    context = types.CodeActionContext([], only=only, trigger_kind=trigger)
    return types.CodeActionParams(types.TextDocumentIdentifier(snapshot.uri), types.Range(position, position), context)


def conversions(snapshot, params, abilities):
    """The conversions among all actions."""
    found = code_action.code_actions(snapshot, params, abilities)
    return [action for action in found if action.title.startswith("Convert ")]


def test_every_other_form_is_offered(at):
    """Each as a file that is not there yet, made before it is written."""
    taken = at(SERVE)
    found = conversions(taken, asked(taken), CREATING)
    assert [action.title for action in found] == [
        "Convert to vllm serve command as a new file",
        "Convert to docker run command as a new file",
        "Convert to docker-compose as a new file",
        "Convert to Kubernetes as a new file",
        "Convert to Helm values (production-stack) as a new file",
        "Convert to profile as a new file",
    ]
    create, written = found[2].edit.document_changes
    assert (create.kind, create.options.overwrite, create.options.ignore_if_exists) == ("create", False, False)
    assert create.uri == written.text_document.uri
    assert create.uri.endswith("/compose.yaml")
    (edit,) = written.edits
    assert yaml.safe_load(edit.new_text)["services"]["vllm"]["image"] == "vllm/vllm-openai:v0.31.0"
    assert {action.kind for action in found} == {types.CodeActionKind.Refactor}


def test_a_client_that_cannot_make_files_is_offered_none(at):
    """Nor is a document that is no file, whose folder nobody knows."""
    taken = at(SERVE)
    assert not conversions(taken, asked(taken), proto.Abilities(versioned_edits=True))
    untitled = Snapshot("untitled:/a.yaml", 1, taken.text, taken.encoding, taken.context, ())
    assert not conversions(untitled, asked(untitled), CREATING)


def test_conversions_wait_until_somebody_asks(at):
    """Not on every line the cursor rests on; but where just they are asked for."""
    taken = at(SERVE)
    automatic = types.CodeActionTriggerKind.Automatic
    assert not conversions(taken, asked(taken, trigger=automatic), CREATING)
    only = [types.CodeActionKind.Refactor]
    found = code_action.code_actions(taken, asked(taken, only=only), CREATING)
    assert found == conversions(taken, asked(taken), CREATING)
    assert not conversions(taken, asked(taken, only=[types.CodeActionKind.QuickFix]), CREATING)


def test_the_deployment_at_the_cursor_is_converted(at):
    """Of several it is the one that the cursor is in; one that leaves values open is not offered."""
    taken = at(TWO)
    assert conversions(taken, asked(taken, 3), CREATING)[0].title == "Convert chat to vllm serve command as a new file"
    assert not conversions(taken, asked(taken, 6), CREATING)
    assert not conversions(taken, asked(taken, 6), RESOLVING)


def test_a_name_that_is_taken_is_not_used(at, tmp_path):
    """The next free name beside the document is, and the document's own never."""
    (tmp_path / "compose.yaml").write_text("mine\n")
    (tmp_path / "compose-2.yaml").symlink_to("nowhere")
    taken = at(SERVE, "profile.yaml")
    found = {action.title: action for action in conversions(taken, asked(taken), CREATING)}
    uri = found["Convert to docker-compose as a new file"].edit.document_changes[0].uri
    assert uri.endswith("/compose-3.yaml")
    uri = found["Convert to profile as a new file"].edit.document_changes[0].uri
    assert uri.endswith("/profile-2.yaml")


def test_a_client_that_resolves_gets_the_file_it_chose(at):
    """The same actions without their edits, which come one by one and are the same."""
    taken = at(SERVE)
    eager = conversions(taken, asked(taken), CREATING)
    lazy = conversions(taken, asked(taken), RESOLVING)
    assert [action.edit for action in lazy] == [None] * len(eager)
    for one, other in zip(lazy, eager, strict=True):
        assert code_action.resolved(taken, one, RESOLVING).edit == other.edit


@pytest.mark.parametrize("change", [{"version": 7}, {"deployment": 3}, {"convert": "quadlet"}, {"deployment": None}])
def test_an_action_of_another_text_is_refused(at, change):
    """With the error that says so, whatever a client sends back."""
    taken = at(SERVE)
    action = conversions(taken, asked(taken), RESOLVING)[0]
    action.data |= change
    with pytest.raises(JsonRpcException, match="changed"):
        code_action.resolved(taken, action, RESOLVING)


def test_the_command_answers_with_every_text(at):
    """Every kind of every deployment, refusals with their reason, unless less is asked for."""
    taken = at(TWO)
    answer = conversion.generated(conversion.wish_of(taken, None))
    assert [(each["deployment"], each["kind"]) for each in answer["artifacts"]] == [
        (name, kind) for name in ("chat", "code") for kind in KINDS
    ]
    assert all(each["text"] for each in answer["artifacts"][: len(KINDS)])
    assert all("max-model-len is not known" in each["refused"] for each in answer["artifacts"][len(KINDS) :])
    one = conversion.generated(conversion.wish_of(taken, {"kind": "config", "deployment": "chat"}))
    assert len(one["artifacts"]) == 1


@pytest_lsp.fixture(config=CONFIG)
async def client(lsp_client: LanguageClient):
    """A client that keeps what the server asks of it."""
    lsp_client.applied = []

    def apply(params):
        lsp_client.applied.append(params.edit)
        return types.ApplyWorkspaceEditResult(applied=True)

    lsp_client.feature(types.WORKSPACE_APPLY_EDIT)(apply)
    yield
    await lsp_client.shutdown_session()
    assert [each.message for each in lsp_client.messages] == []


def able(*, creates):
    """What a client says of itself that applies edits and shows documents."""
    operations = [types.ResourceOperationKind.Create] if creates else []
    edits = types.WorkspaceEditClientCapabilities(document_changes=True, resource_operations=operations)
    return types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(apply_edit=True, workspace_edit=edits),
        window=types.WindowClientCapabilities(show_document=types.ShowDocumentClientCapabilities(support=True)),
    )


async def commanded(client, capabilities, uri, options):
    """The answer of a server to the command, as JSON."""
    result = await client.initialize_session(types.InitializeParams(capabilities=capabilities))
    assert conversion.GENERATE in result.capabilities.execute_command_provider.commands
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "yaml", 1, SERVE)))
    params = types.ExecuteCommandParams(conversion.GENERATE, [uri, options])
    answer = await client.workspace_execute_command_async(params)
    return json.loads(json.dumps(answer, default=vars))


@pytest.mark.asyncio
async def test_the_command_opens_a_new_file_where_the_client_can(client: LanguageClient, tmp_path):
    """The client is told to make the file and to show it, and the answer names it."""
    uri = (tmp_path / "source.yaml").as_uri()
    answer = await commanded(client, able(creates=True), uri, {"kind": "kubernetes", "open": True})
    assert answer["uri"] == (tmp_path / "kubernetes.yaml").as_uri()
    (edit,) = client.applied
    create, written = edit.document_changes
    assert create.uri == answer["uri"]
    assert written.edits[0].new_text == answer["artifacts"][0]["text"]
    for _ in range(100):
        if client.shown_documents:
            break
        await asyncio.sleep(0.02)
    assert [each.uri for each in client.shown_documents] == [answer["uri"]]
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.asyncio
async def test_a_client_that_cannot_make_files_gets_the_text(client: LanguageClient, tmp_path):
    """It is asked for nothing; the text is in the answer."""
    uri = (tmp_path / "source.yaml").as_uri()
    answer = await commanded(client, able(creates=False), uri, {"kind": "kubernetes", "open": True})
    assert (answer["uri"], client.applied, client.shown_documents) == (None, [], [])
    assert answer["artifacts"][0]["text"].startswith("# Generated by vram-lsp")


@pytest.mark.asyncio
async def test_a_wish_that_means_nothing_is_refused(client: LanguageClient, tmp_path):
    """Kinds, deployments and documents that there are not, each with an error that says so."""
    uri = (tmp_path / "source.yaml").as_uri()
    await commanded(client, types.ClientCapabilities(), uri, ["hostile"])
    for arguments, said in (
        ([uri, {"kind": "quadlet"}], "kind must be one of"),
        ([uri, {"deployment": ["x"]}], "no such deployment"),
        ([uri, {"kind": {"a": 1}}], "kind must be one of"),
        (["file:///nowhere.yaml"], "URI of an open document"),
        ([], "URI of an open document"),
    ):
        with pytest.raises(JsonRpcException, match=said):
            await client.workspace_execute_command_async(types.ExecuteCommandParams(conversion.GENERATE, arguments))

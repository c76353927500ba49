"""The whole surface over stdio: every method in each position encoding, clients that can much and that can nothing."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient

from vram_engine.facts.catalogue import catalogue_model

CONFIG = ClientServerConfig(server_command=[sys.executable, "-m", "vram_lsp", "--stdio"])
URI = "untitled:/deployment.yaml"
DOCUMENT = types.TextDocumentIdentifier(URI)
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"

# é and the llama take 2+4 bytes, 1+2 UTF-16 units and 1+1 code points; U+2028 ends a line for Python but not for LSP.
TEXT = (
    "# vram: gpu=l4 gpus=2\n"
    'tokenizer: "é\u2028 not a new line"\n'
    f'model: "{LLAMA}"\n'
    "max-model-len: 8192\n"
    "served-model-name: é🦙 # vram: concurency=1\n"
)
WIDE = {"utf-8": 6, "utf-16": 3, "utf-32": 2}
# The misspelt key of the last line stands behind 19 characters, the wide ones and 9 more.
AT_KEY = {encoding: 19 + wide + 9 for encoding, wide in WIDE.items()}


def rich(encoding="utf-16", *, pulls=True):
    """A client that can do all we can use."""
    item = types.ClientCompletionItemOptions(documentation_format=[types.MarkupKind.Markdown])
    resolving = types.ClientCodeActionResolveOptions(properties=["edit"])
    return types.ClientCapabilities(
        general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind(encoding)]),
        text_document=types.TextDocumentClientCapabilities(
            completion=types.CompletionClientCapabilities(completion_item=item),
            hover=types.HoverClientCapabilities(content_format=[types.MarkupKind.Markdown]),
            code_action=types.CodeActionClientCapabilities(data_support=True, resolve_support=resolving),
            document_symbol=types.DocumentSymbolClientCapabilities(hierarchical_document_symbol_support=True),
            diagnostic=types.DiagnosticClientCapabilities() if pulls else None,
        ),
        workspace=types.WorkspaceClientCapabilities(
            workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True),
            code_lens=types.CodeLensWorkspaceClientCapabilities(refresh_support=True),
            inlay_hint=types.InlayHintWorkspaceClientCapabilities(refresh_support=True),
            diagnostics=types.DiagnosticWorkspaceClientCapabilities(refresh_support=True),
            did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True),
            did_change_configuration=types.DidChangeConfigurationClientCapabilities(dynamic_registration=True),
            workspace_folders=True,
        ),
    )


@pytest_lsp.fixture(config=CONFIG)
async def client(lsp_client: LanguageClient):
    """A server that waits for the handshake, and a client that counts what it is told."""
    lsp_client.told = []
    for method in (
        types.WORKSPACE_CODE_LENS_REFRESH,
        types.WORKSPACE_INLAY_HINT_REFRESH,
        types.CLIENT_REGISTER_CAPABILITY,
    ):
        lsp_client.feature(method)(lambda params, method=method: lsp_client.told.append((method, params)))
    yield
    await lsp_client.shutdown_session()
    assert [each.message for each in lsp_client.messages] == []


async def start(client, capabilities, **more):
    """The handshake."""
    return await client.initialize_session(types.InitializeParams(capabilities=capabilities, **more))


def open_document(client, text=TEXT, uri=URI):
    """Tell the server about a document."""
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "yaml", 1, text)))


async def until(condition):
    """Wait for something to become so."""
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.025)
    raise AssertionError("it did not come to that")


async def pulled(client, previous=None, uri=URI):
    """A report of a document's diagnostics."""
    params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri), previous_result_id=previous)
    return await client.text_document_diagnostic_async(params)


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.asyncio
async def test_every_feature_answers_at_exact_places(client: LanguageClient, encoding):
    """One pass over all methods, with wide characters on the lines and a break that is none between them."""
    result = await start(client, rich(encoding))
    assert result.capabilities.position_encoding == encoding
    open_document(client)
    await until(lambda: client.diagnostic_refresh_count > 0)

    report = await pulled(client)
    assert [each.code for each in report.items] == ["invalid-directive"]
    misspelt = types.Range(types.Position(4, AT_KEY[encoding]), types.Position(4, AT_KEY[encoding] + 10))
    assert report.items[0].range == misspelt
    assert (await pulled(client, report.result_id)).kind == "unchanged"
    assert client.diagnostics == {}

    items = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, misspelt.end))
    (item,) = (each for each in items if each.label == "concurrency")
    assert item.text_edit == types.TextEdit(misspelt, "concurrency")
    documented = await client.completion_item_resolve_async(item)
    assert documented.documentation.value == "requests served at once"

    whole = types.Range(types.Position(0, 0), types.Position(5, 0))
    hints = await client.text_document_inlay_hint_async(types.InlayHintParams(DOCUMENT, whole))
    defaults = [each for each in hints if each.label.endswith("(default)")]
    assert all(each.position == types.Position(4, 19 + WIDE[encoding]) for each in defaults)
    assert any(each.label == "1.00 GiB of KV cache per request" for each in hints)

    (lens,) = await client.text_document_code_lens_async(types.CodeLensParams(DOCUMENT))
    assert lens.range.start == types.Position(1, 0)
    assert lens.command.title.startswith(("fits  ", "at risk  "))

    (symbol,) = await client.text_document_document_symbol_async(types.DocumentSymbolParams(DOCUMENT))
    (tokenizer,) = (child for child in symbol.children if child.name == "tokenizer")
    # The quoted value and its key: 11 characters, two quotes, é, U+2028 and 15 more.
    assert tokenizer.range.end.line == 1
    assert tokenizer.range.end.character == 11 + 2 + 15 + {"utf-8": 5, "utf-16": 2, "utf-32": 2}[encoding]

    (link,) = await client.text_document_document_link_async(types.DocumentLinkParams(DOCUMENT))
    assert link.target.endswith(f"/{LLAMA}")
    assert link.range == types.Range(types.Position(2, 8), types.Position(2, 8 + len(LLAMA)))
    assert await client.text_document_definition_async(types.DefinitionParams(DOCUMENT, link.range.start)) is None

    asked = types.CodeActionParams(DOCUMENT, misspelt, types.CodeActionContext(report.items))
    action = (await client.text_document_code_action_async(asked))[0]
    assert action.edit is None
    (change,) = (await client.code_action_resolve_async(action)).edit.document_changes
    assert change.text_document.version == 1
    (edit,) = change.edits
    assert edit == types.TextEdit(misspelt, "concurrency")

    document = await client.workspace_execute_command_async(types.ExecuteCommandParams("vramLsp.plan", [URI]))
    found = json.loads(json.dumps(document, default=vars))["deployments"][0]
    assert (found["dialect"], found["model"]["id"]) == ("serve-config", LLAMA)


@pytest.mark.asyncio
async def test_a_client_that_pulls_is_never_pushed_to(client: LanguageClient):
    """Not when a document opens, changes or closes; what a look-up finds out makes it pull again."""
    await start(client, rich())
    open_document(client, "# vram: gpu=l4\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n")
    await until(lambda: (types.WORKSPACE_CODE_LENS_REFRESH, None) in client.told)
    assert (types.WORKSPACE_INLAY_HINT_REFRESH, None) in client.told
    assert [each.code for each in (await pulled(client)).items] == ["out-of-memory"]
    client.text_document_did_close(types.DidCloseTextDocumentParams(DOCUMENT))
    assert not (await pulled(client)).items
    assert client.diagnostics == {}


@pytest.mark.asyncio
async def test_a_client_that_cannot_be_told_to_pull_is_pushed_to(client: LanguageClient):
    """Pulling alone would leave it with what was known before the look-up: the server does not offer it."""
    capabilities = rich()
    capabilities.workspace.diagnostics = None
    result = await start(client, capabilities)
    assert result.capabilities.diagnostic_provider is None
    open_document(client, "# vram: gpu=l4\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n")
    await until(lambda: [each.code for each in client.diagnostics.get(URI, [])] == ["out-of-memory"])


@pytest.mark.asyncio
async def test_a_client_that_can_nothing_gets_everything(client: LanguageClient):
    """It is asked and told nothing it does not understand, and every method answers it."""
    result = await start(client, types.ClientCapabilities())
    assert result.capabilities.position_encoding == "utf-16"
    open_document(client, "# vram: gpu=l4 gpus=2\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n")
    await until(lambda: [each.code for each in client.diagnostics.get(URI, [])] == ["out-of-memory"])
    where = client.diagnostics[URI][0].range
    context = types.CodeActionContext([])
    actions = await client.text_document_code_action_async(types.CodeActionParams(DOCUMENT, where, context))
    assert all(each.edit.changes for each in actions if each.command is None)
    symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(DOCUMENT))
    assert all(isinstance(each, types.SymbolInformation) for each in symbols)
    items = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, types.Position(3, 0)))
    shown = await client.completion_item_resolve_async(next(each for each in items if each.label == "max-num-seqs"))
    assert shown.documentation.kind == types.MarkupKind.PlainText
    answer = await client.workspace_execute_command_async(types.ExecuteCommandParams("vramLsp.recommend", [URI]))
    given = json.loads(json.dumps(answer, default=vars))["deployments"][0]["recommendations"]
    assert any(each["settings"] == {"tensor-parallel-size": 2} for each in given)
    assert all(URI in each["edit"]["changes"] for each in given if each["edit"])
    assert (client.told, client.diagnostic_refresh_count) == ([], 0)


@pytest.mark.asyncio
async def test_a_command_without_its_document_is_refused(client: LanguageClient):
    """With an error that says what is wanted, not with silence."""
    await start(client, rich())
    for arguments in (None, [], ["untitled:/never-opened.yaml"], [7], [{"uri": URI}]):
        with pytest.raises(JsonRpcException, match="URI of an open document"):
            await client.workspace_execute_command_async(types.ExecuteCommandParams("vramLsp.plan", arguments))


@pytest.mark.asyncio
async def test_the_server_asks_to_hear_of_the_files_it_rests_on(client: LanguageClient, tmp_path):
    """Project files and descriptions of models; what changes in them changes what is found, and so do the settings."""
    await start(client, rich())
    await until(lambda: any(method == types.CLIENT_REGISTER_CAPABILITY for method, _ in client.told))
    (asked,) = (params for method, params in client.told if method == types.CLIENT_REGISTER_CAPABILITY)
    watched, settings = asked.registrations
    assert watched.method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    patterns = [_field(each, "glob_pattern", "globPattern") for each in _field(watched.register_options, "watchers")]
    assert patterns == [
        "**/vram-lsp.toml",
        "**/pyproject.toml",
        "**/config.json",
        "**/adapter_config.json",
        "**/*.yaml",
        "**/*.yml",
        "**/*.env",
    ]
    assert settings.method == types.WORKSPACE_DID_CHANGE_CONFIGURATION

    uri = (tmp_path / "serve.yaml").as_uri()
    open_document(client, "model: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\nblock-size: 16\n", uri)
    await until(lambda: client.diagnostic_refresh_count > 0)
    assert [each.code for each in (await pulled(client, uri=uri)).items] == ["gpu-unknown"]
    project = tmp_path / "vram-lsp.toml"
    project.write_text('[hardware]\ngpu = "l4"\n')
    client.diagnostic_refresh_count = 0
    event = types.FileEvent(project.as_uri(), types.FileChangeType.Created)
    client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
    await until(lambda: client.diagnostic_refresh_count > 0)
    assert [each.code for each in (await pulled(client, uri=uri)).items] == ["out-of-memory"]


def _field(value, *names):
    """A field of options that may have come as an object or as JSON."""
    found = (value.get(name) if isinstance(value, dict) else getattr(value, name, None) for name in names)
    return next(each for each in found if each is not None)


@pytest.mark.asyncio
async def test_models_are_found_in_folders_that_join_the_workspace(client: LanguageClient, tmp_path):
    """A relative path starts at every folder: at one that is added from then on, at one that goes no more."""
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text(json.dumps(dict(catalogue_model(LLAMA).config)))
    await start(client, types.ClientCapabilities())
    open_document(client, "# vram: gpu=h100\nmodel: ./llama\nmax-model-len: 262144\n")
    await until(lambda: [each.code for each in client.diagnostics.get(URI, [])] == ["model-unknown"])
    folder = types.WorkspaceFolder(tmp_path.as_uri(), "models")

    def change(added, removed):
        event = types.WorkspaceFoldersChangeEvent(added=added, removed=removed)
        client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))

    change([folder], [])
    await until(lambda: [each.code for each in client.diagnostics.get(URI, [])] == ["max-model-len-exceeds-model"])
    (link,) = await client.text_document_document_link_async(types.DocumentLinkParams(DOCUMENT))
    assert link.target == (tmp_path / "llama/config.json").resolve().as_uri()
    at = types.DefinitionParams(DOCUMENT, types.Position(1, 10))
    assert (await client.text_document_definition_async(at)).uri == link.target
    change([], [folder])
    await until(lambda: [each.code for each in client.diagnostics.get(URI, [])] == ["model-unknown"])


@pytest.mark.asyncio
async def test_another_kind_of_file_gets_nothing_from_any_method(client: LanguageClient):
    """No item, hint, lens, symbol, link or action; only a comment to us is completed."""
    await start(client, rich())
    open_document(client, "services:\n  web:\n    image: nginx\n    command: --m\n# vram: g\n")
    whole = types.Range(types.Position(0, 0), types.Position(4, 0))
    at = types.Position(3, 16)
    assert not await client.text_document_completion_async(types.CompletionParams(DOCUMENT, at))
    assert not await client.text_document_inlay_hint_async(types.InlayHintParams(DOCUMENT, whole))
    assert not await client.text_document_code_lens_async(types.CodeLensParams(DOCUMENT))
    assert not await client.text_document_document_symbol_async(types.DocumentSymbolParams(DOCUMENT))
    assert not await client.text_document_document_link_async(types.DocumentLinkParams(DOCUMENT))
    in_comment = types.CompletionParams(DOCUMENT, types.Position(4, 9))
    assert (await client.text_document_completion_async(in_comment))[0].label == "gpu"


@pytest.mark.asyncio
async def test_a_configuration_file_counts_as_it_stands_in_the_editor(client: LanguageClient, tmp_path):
    """It is read from disk, from the editor while it is open there, and what takes settings from it follows."""
    (tmp_path / "conf.yaml").write_text("model: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\n")
    await start(client, types.ClientCapabilities())
    uri, other = (tmp_path / "run.yaml").as_uri(), (tmp_path / "conf.yaml").as_uri()
    open_document(client, "resources: {accelerators: L4}\nrun: vllm serve --config conf.yaml\n", uri)
    await until(lambda: [each.code for each in client.diagnostics.get(uri, [])] == ["out-of-memory"])
    open_document(client, "model: Qwen/Qwen2.5-0.5B-Instruct\nmax-model-len: 999999\n", other)
    await until(lambda: [each.code for each in client.diagnostics.get(uri, [])] == ["max-model-len-exceeds-model"])
    document = types.TextDocumentIdentifier(uri)
    links = await client.text_document_document_link_async(types.DocumentLinkParams(document))
    assert [each.target for each in links] == [(tmp_path / "conf.yaml").resolve().as_uri()]
    at = types.DefinitionParams(document, types.Position(1, 27))
    assert (await client.text_document_definition_async(at)).uri == links[0].target
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(other)))
    await until(lambda: [each.code for each in client.diagnostics.get(uri, [])] == ["out-of-memory"])

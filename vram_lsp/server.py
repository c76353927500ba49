"""The language server: one table from LSP methods to features, and nothing else that knows the protocol's flow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from vram_engine.analysis import Answer
from vram_engine.lent import LentFile
from vram_engine.model.reference import ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.ports import GpuSource
from vram_engine.sources.names import shown
from vram_engine.sources.python_environment import vllm_at_hand
from vram_lsp import __version__, proto
from vram_lsp.config import HubMode
from vram_lsp.features import (
    code_action,
    completion,
    conversion,
    execute_command,
    plan_page,
    receipt,
    signature_help,
    trial,
)
from vram_lsp.features.code_lens import code_lenses
from vram_lsp.features.diagnostics import diagnostics
from vram_lsp.features.document_diagnostic import NOTHING, Report, document_diagnostic
from vram_lsp.features.document_link import definition, document_links
from vram_lsp.features.document_symbol import document_symbols
from vram_lsp.features.hover import hover
from vram_lsp.features.inlay_hint import inlay_hints
from vram_lsp.features.work_done import show_look_up
from vram_lsp.features.workspace_scan import WorkspaceScan
from vram_lsp.lookups import Lookups, Question
from vram_lsp.model_cache import ModelCache, default_folder
from vram_lsp.model_sources import model_sources
from vram_lsp.patience import STILL_S, is_waiting
from vram_lsp.session import Session, Snapshot, path_of

SECTION = "vramLsp"
# A model's name changes with every key while it is typed: it is looked up when it has stood still this long.
SETTLE_S = 0.15
# A hub is a stranger who need not see half-typed names: with it, for longer.
HUB_SETTLE_S = 0.8

ALLOW_HUB, USE_CACHE, NOT_NOW = "Look models up", "Use what it said before", "Not now"
_ALLOWED: dict[str, HubMode] = {ALLOW_HUB: "on", USE_CACHE: "cache"}
CLEAR_CACHE = execute_command.CLEAR_CACHE
# What a deployment's figures rest on besides its own text.
WATCHED = (
    *("**/vram-lsp.toml", "**/pyproject.toml"),
    *("**/config.json", "**/adapter_config.json"),
    *("**/*.yaml", "**/*.yml", "**/*.env"),
)

_log = logging.getLogger("vram_lsp")
_T = TypeVar("_T")


class VramServer(LanguageServer):
    """pygls' server with our session. Errors are logged, not shown as pop-ups: they cost one answer, not the user."""

    def __init__(self, lookups: Lookups, gpus: GpuSource) -> None:
        super().__init__(proto.SOURCE, __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.session = Session(lookups)
        self.gpus = gpus
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: dict[str, asyncio.TimerHandle] = {}
        self._typing: dict[str, asyncio.TimerHandle] = {}
        self._standing: set[Question] = set()
        self._told_of: set[Question] = set()
        self.is_configured = asyncio.Event()
        self.was_shut_down = False
        self.exit_code = 0
        self.abilities = proto.Abilities()
        self.scan = WorkspaceScan()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls would otherwise show as a message box."""
        _log.error("error in %s", source, exc_info=error)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` beside everything else, and keep a reference so that it is not collected."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget_handled(self) -> None:
        """Drop what pygls 2.1 keeps for ever of every notification it handles itself: a future with the text in it.

        Whoever waits for a future has it from elsewhere, and a request that is answered has been taken out by then.
        """
        futures = getattr(self.protocol, "_request_futures", {})
        for number in [number for number, future in futures.items() if future.done()]:
            del futures[number]

    def publish(self, uri: str) -> Snapshot | None:
        """Analyse a document as it is now and show its findings. Files of another kind get nothing, ever.

        A client that pulls is shown nothing: it asks.
        """
        snapshot = self.session.snapshot(uri)
        if snapshot is None:
            return None
        document = self.session.documents[uri]
        if not self.abilities.pulls_diagnostics and (snapshot.analysis.is_ours or document.shown):
            document.shown = True
            self.text_document_publish_diagnostics(diagnostics(snapshot, document.typed))
        return snapshot

    def trace(self, snapshot: Snapshot, seconds: float) -> None:
        """Tell a client that traces what an analysis came to and how long it took; in full where it wants all."""
        if self.protocol.trace == types.TraceValue.Off:
            return
        found = len(snapshot.analysis.findings)
        message = f"analysed version {snapshot.version} of {snapshot.uri}: {found} findings, {seconds * 1e3:.1f} ms"
        verdicts = (f"{plan.deployment.name}: {plan.verdict}" for plan in snapshot.analysis.plans)
        verbose = "\n".join(verdicts) if self.protocol.trace == types.TraceValue.Verbose else None
        self.log_trace(types.LogTraceParams(message, verbose))

    def show_when_still(self, uri: str, snapshot: Snapshot) -> None:
        """Show what waits on the line that is being typed once nobody types any more."""
        timer = self._typing.pop(uri, None)
        if timer is not None:
            timer.cancel()
        if is_waiting(snapshot.analysis, self.session.documents[uri].typed):
            self._typing[uri] = asyncio.get_running_loop().call_later(STILL_S, self._is_still, uri)

    def _is_still(self, uri: str) -> None:
        self._typing.pop(uri, None)
        document = self.session.documents.get(uri)
        if document is not None:
            document.typed = None
            self.publish(uri)
            self.refresh_diagnostics()

    def publish_all(self) -> None:
        """Show every document again, after something outside them changed."""
        for uri in list(self.session.documents):
            self.publish(uri)
        self.refresh()

    def refresh(self) -> None:
        """Have the client ask again for what it asks for by itself, where it can be told to."""
        if self.session.documents or self.scan.is_pulled:
            self.refresh_diagnostics()
        if not self.session.documents:
            return
        if self.abilities.refreshes_lenses:
            self.start(_told(self.workspace_code_lens_refresh_async(None)))
        if self.abilities.refreshes_hints:
            self.start(_told(self.workspace_inlay_hint_refresh_async(None)))

    def refresh_diagnostics(self) -> None:
        """Have a client that pulls diagnostics do so again."""
        if self.abilities.pulls_diagnostics:
            self.start(_told(self.workspace_diagnostic_refresh_async(None)))

    def look_up(self, uri: str, snapshot: Snapshot, after: float) -> None:
        """Ask for the models a document wants once it has been still for ``after`` seconds."""
        waiting = self._settling.pop(uri, None)
        if waiting is not None:
            waiting.cancel()
        questions = self.session.questions(snapshot)
        if after == 0.0:
            self._standing.update(questions)
        if questions:
            loop = asyncio.get_running_loop()
            self._settling[uri] = loop.call_later(after, self._ask, uri, questions)

    def _ask(self, uri: str, questions: tuple[Question, ...]) -> None:
        self._settling.pop(uri, None)
        for question in questions:
            self.start(self.answer(question))

    async def answer(self, question: Question) -> None:
        """Look one model or file up, and show the documents again where that taught something."""
        before = self.session.lookups.known(question[1]).get(question[0])
        answer = await self._looked_up(question)
        if answer != before:
            self.session.learned()
            self.publish_all()
            if isinstance(answer, LentFile):
                self._look_further()
        # Somebody who is typing a name is not asked anything.
        if question in self._standing and isinstance(answer, Unavailable) and isinstance(question[0], ModelRef):
            await self._offer_hub(question[0])

    async def _looked_up(self, question: Question) -> Answer:
        if not self.abilities.shows_progress or question in self._told_of:
            return await self.session.lookups.answer(question)
        self._told_of.add(question)
        shown = asyncio.get_running_loop().create_task(_told(show_look_up(self, question)))
        try:
            return await self.session.lookups.answer(question)
        finally:
            self._told_of.discard(question)
            shown.cancel()

    def _look_further(self) -> None:
        """A file that has been lent may name what must be looked up in turn."""
        for uri in list(self.session.documents):
            snapshot = self.session.snapshot(uri)
            if snapshot is not None and snapshot.analysis.wants:
                self.look_up(uri, snapshot, after=0.0)

    async def _offer_hub(self, ref: ModelRef) -> None:
        """Ask once whether the hub may be asked, where the client can show a question."""
        await self.is_configured.wait()
        window = self.client_capabilities.window
        if window is None or window.show_message is None or not self.session.offers_hub(ref):
            return
        message = (
            f"vram-lsp does not know {shown(ref.name)}. May it look models up on the hub (their descriptions, never "
            "weights)? Your answer counts until the editor is closed, and this is asked once: "
            'the setting vramLsp.hub ("on", "cache" or "off") decides it for good.'
        )
        actions = [types.MessageActionItem(title) for title in (ALLOW_HUB, USE_CACHE, NOT_NOW)]
        asked = types.ShowMessageRequestParams(types.MessageType.Info, message, actions)
        chosen = await self.window_show_message_request_async(asked)
        mode = None if chosen is None else _ALLOWED.get(chosen.title)
        if mode is not None:
            self.session.use_hub(mode)
            _show_all(self)


def create_server(lookups: Lookups, gpus: GpuSource) -> VramServer:
    """The server with every feature in place."""
    server = VramServer(lookups, gpus)
    for method, handler, options in _METHODS:
        server.feature(method, options)(handler)
    for command, run in _COMMANDS:
        server.command(command)(run)
    return server


def _initialize(server: VramServer, params: types.InitializeParams) -> None:
    session = server.session
    folders = [folder.uri for folder in params.workspace_folders or []] or [params.root_uri or ""]
    session.folders = tuple(path for path in map(path_of, folders) if path is not None)
    session.encoding = proto.encoding_of(server.workspace.position_encoding)
    server.abilities = proto.abilities_of(params.capabilities)
    server.protocol.trace = params.trace or types.TraceValue.Off
    if server.abilities.pulls_diagnostics:
        server.feature(types.TEXT_DOCUMENT_DIAGNOSTIC, _DIAGNOSTIC_OPTIONS)(_document_diagnostic)
        server.feature(types.WORKSPACE_DIAGNOSTIC)(_workspace_diagnostic)
    if isinstance(params.initialization_options, dict):
        options = params.initialization_options
        values = options.get(SECTION, options)
        session.configure(values if isinstance(values, dict) else {})


async def _initialized(server: VramServer, _: types.InitializedParams) -> None:
    server.start(_detect(server))
    server.start(_find_vllm(server))
    server.start(_register(server))
    try:
        await _pull_configuration(server)
    finally:
        server.is_configured.set()


def _shutdown(server: VramServer, _: None = None) -> None:
    server.was_shut_down = True


def _exit(server: VramServer, _: None = None) -> None:
    """LSP has the process fail when the end was not announced."""
    server.exit_code = 0 if server.was_shut_down else 1


async def _detect(server: VramServer) -> None:
    gpus = await asyncio.to_thread(server.gpus.gpus)
    if gpus:
        server.session.detect(gpus)
        server.publish_all()


async def _find_vllm(server: VramServer) -> None:
    """Folders may be on a slow disk: they are looked into beside everything else."""
    session = server.session
    if session.use_vllm(await asyncio.to_thread(vllm_at_hand, session.python, session.folders)):
        server.publish_all()


async def _told(request: Coroutine[Any, Any, object]) -> None:
    """A request whose answer says nothing; a client that refuses it loses what it was for."""
    try:
        await request
    except Exception as error:
        _log.warning("the client refused a request: %s", error)


async def _register(server: VramServer) -> None:
    """Ask for the notifications that a client sends only where it was asked to."""
    wanted: list[types.Registration] = []
    if server.abilities.registers_watchers:
        watchers = [types.FileSystemWatcher(pattern) for pattern in WATCHED]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        wanted.append(types.Registration("vram-lsp.files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options))
    if server.abilities.registers_configuration:
        section = types.DidChangeConfigurationRegistrationOptions(section=SECTION)
        wanted.append(types.Registration("vram-lsp.settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION, section))
    if wanted:
        await _told(server.client_register_capability_async(types.RegistrationParams(wanted)))


async def _pull_configuration(server: VramServer) -> None:
    """Ask for the settings of the window and, where it has several folders, of each of them."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return
    folders = list(server.workspace.folders) if len(server.workspace.folders) > 1 else []
    asked = [types.ConfigurationItem(scope_uri=uri, section=SECTION) for uri in (None, *folders)]
    answers = await server.workspace_configuration_async(types.ConfigurationParams(asked))
    window, *scoped = answers or [None]
    found = ((path_of(uri), values) for uri, values in zip(folders, scoped, strict=False))
    in_folders = {path: values for path, values in found if path is not None and isinstance(values, dict)}
    _log_problems(server, server.session.configure_folders(in_folders))
    if isinstance(window, dict):
        _log_problems(server, server.session.configure(window))
    _show_all(server)


def _configure(server: VramServer, values: dict[str, Any]) -> None:
    _log_problems(server, server.session.configure(values))
    _show_all(server)
    server.start(_find_vllm(server))


def _log_problems(server: VramServer, problems: tuple[str, ...]) -> None:
    for problem in problems:
        server.window_log_message(types.LogMessageParams(types.MessageType.Warning, problem))


async def _did_change_configuration(server: VramServer, params: types.DidChangeConfigurationParams) -> None:
    values = params.settings.get(SECTION) if isinstance(params.settings, dict) else None
    if isinstance(values, dict):
        _configure(server, values)
    # What is pushed is the window's: those of folders are asked for.
    if not isinstance(values, dict) or server.session.scoped:
        await _pull_configuration(server)


def _did_open(server: VramServer, params: types.DidOpenTextDocumentParams) -> None:
    document = params.text_document
    opened = server.session.open(document.uri, document.version, document.text)
    _show(server, document.uri, after=0.0)
    _show_dependents(server, opened.path, after=0.0)


def _did_change(server: VramServer, params: types.DidChangeTextDocumentParams) -> None:
    document = params.text_document
    changed = server.session.change(document.uri, document.version, params.content_changes[-1].text)
    server.forget_handled()
    settle = HUB_SETTLE_S if server.session.hub == "on" else SETTLE_S
    _show(server, document.uri, after=settle)
    _show_dependents(server, changed.path if changed is not None else None, after=settle)


def _show(server: VramServer, uri: str, after: float) -> None:
    began = time.perf_counter()
    snapshot = server.publish(uri)
    if snapshot is not None:
        server.trace(snapshot, time.perf_counter() - began)
        server.look_up(uri, snapshot, after)
        server.show_when_still(uri, snapshot)


def _show_dependents(server: VramServer, path: str | None, after: float) -> None:
    """Show the documents that take settings from the file at ``path`` again."""
    dependents = server.session.dependents(path)
    for uri in dependents:
        _show(server, uri, after)
    if dependents:
        server.refresh()


def _show_all(server: VramServer) -> None:
    """Show every document again and look up what it lacks, after something outside the documents changed."""
    for uri in list(server.session.documents):
        _show(server, uri, after=0.0)
    server.refresh()


def _clear_cache(server: VramServer, *_: Any) -> None:
    """Forget what the hub said, on disk and here."""
    ModelCache(default_folder()).clear()
    server.session.lookups.use(model_sources(server.session.hub))
    _show_all(server)


def _did_save(server: VramServer, params: types.DidSaveTextDocumentParams) -> None:
    document = server.session.documents.get(params.text_document.uri)
    if document is not None:
        document.typed = None
    server.session.reread_projects()
    server.publish_all()


def _did_close(server: VramServer, params: types.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    closed = server.session.documents.get(uri)
    server.session.close(uri)
    _show_dependents(server, closed.path if closed is not None else None, after=0.0)
    if not server.abilities.pulls_diagnostics:
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


def _did_change_watched_files(server: VramServer, params: types.DidChangeWatchedFilesParams) -> None:
    if any(change.uri.endswith(".json") for change in params.changes):
        server.session.lookups.forget()
    if any(change.uri.endswith((".yaml", ".yml", ".env")) for change in params.changes):
        server.session.lookups.forget_files()
    server.session.reread_projects()
    _show_all(server)


async def _did_change_workspace_folders(server: VramServer, _: types.DidChangeWorkspaceFoldersParams) -> None:
    server.session.folders = tuple(path for path in map(path_of, server.workspace.folders) if path is not None)
    server.session.reread_projects()
    _show_all(server)
    await _pull_configuration(server)


async def _plan(server: VramServer, *arguments: Any) -> dict[str, Any]:
    asked = trial.read_trial(arguments)
    return trial.plan(await _settled(server, arguments), asked, server.abilities)


async def _plan_page(server: VramServer, *arguments: Any) -> dict[str, Any]:
    """The page is shown outside the editor where the client can; elsewhere its address is the answer."""
    snapshot = await _settled(server, arguments)
    uri = plan_page.written(trial.plan(snapshot, trial.Trial({}), server.abilities), snapshot.uri)
    if not server.abilities.shows_documents:
        return {"uri": uri, "shown": False}
    shown = await server.window_show_document_async(types.ShowDocumentParams(uri, external=True))
    return {"uri": uri, "shown": shown.success}


async def _apply(server: VramServer, *arguments: Any) -> dict[str, Any]:
    asked = trial.read_trial(arguments)
    edit = trial.edit_to_apply(await _settled(server, arguments), asked, server.abilities)
    applied = await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, "Apply to file"))
    return {"applied": applied.applied, "failure_reason": applied.failure_reason}


async def _receipt(server: VramServer, *arguments: Any) -> dict[str, Any]:
    sources = model_sources(server.session.hub)
    return await asyncio.to_thread(receipt.receipt, arguments, server.session.folders, sources)


async def _recommend(server: VramServer, *arguments: Any) -> dict[str, Any]:
    return execute_command.recommend(await _settled(server, arguments), server.abilities)


async def _generate(server: VramServer, *arguments: Any) -> dict[str, Any]:
    snapshot = server.session.snapshot(arguments[0]) if arguments and isinstance(arguments[0], str) else None
    if snapshot is None:
        raise JsonRpcInvalidParams(_NO_DOCUMENT)
    wish = conversion.wish_of(snapshot, arguments[1] if len(arguments) > 1 else None)
    answer = conversion.generated(wish)
    created = conversion.created(snapshot, wish) if wish.open and server.abilities.applies_edits else None
    if created is not None and server.abilities.creates_files:
        await _create(server, created, answer)
    return answer


async def _create(server: VramServer, created: conversion.Created, answer: dict[str, Any]) -> None:
    """Have the client make a new file and show it."""
    edit = types.ApplyWorkspaceEditParams(created.edit, created.title)
    applied = await server.workspace_apply_edit_async(edit)
    if not applied.applied:
        return
    answer["uri"] = created.uri
    if server.abilities.shows_documents:
        server.start(_told(server.window_show_document_async(types.ShowDocumentParams(created.uri, take_focus=True))))


_NO_DOCUMENT = "the first argument must be the URI of an open document"


async def _other_gpus(server: VramServer, *arguments: Any) -> dict[str, Any]:
    """Answered, and shown to whoever chose it from a menu."""
    snapshot = await _settled(server, arguments)
    found = execute_command.other_gpus(snapshot, arguments[1] if len(arguments) > 1 else 0)
    server.window_show_message(types.ShowMessageParams(types.MessageType.Info, found["message"]))
    return found


async def _settled(server: VramServer, arguments: tuple[Any, ...]) -> Snapshot:
    """The document a command names, once the models it lacks have been looked up."""
    uri = arguments[0] if arguments else None
    snapshot = server.session.snapshot(uri) if isinstance(uri, str) else None
    asked: set[Question] = set()
    # A file that is lent may name a model in its turn; nothing is waited for twice.
    while snapshot is not None and (wanted := server.session.wanted(snapshot) - asked):
        asked |= wanted
        for question in sorted(wanted, key=str):
            if server.session.lookups.is_stale(question):
                await server.answer(question)
        # An answer may be there that whoever asked for it has not told of yet.
        server.session.learned()
        snapshot = server.session.snapshot(snapshot.uri)
    if snapshot is None:
        raise JsonRpcInvalidParams(_NO_DOCUMENT)
    return snapshot


def _document_diagnostic(server: VramServer, params: types.DocumentDiagnosticParams) -> Report:
    uri = params.text_document.uri
    snapshot = server.session.snapshot(uri)
    if snapshot is None:
        return NOTHING
    typed = server.session.documents[uri].typed
    return _guarded(lambda: document_diagnostic(snapshot, params.previous_result_id, typed), NOTHING)


async def _workspace_diagnostic(
    server: VramServer, params: types.WorkspaceDiagnosticParams
) -> types.WorkspaceDiagnosticReport:
    return await server.scan.report(server, params)


def _resolve_completion(server: VramServer, item: types.CompletionItem) -> types.CompletionItem:
    return _guarded(lambda: completion.resolved(_snapshot_of(server, item.data), item, server.abilities), item)


def _resolve_code_action(server: VramServer, action: types.CodeAction) -> types.CodeAction:
    """Not guarded: a client that gets no edit must not believe that there was nothing to do."""
    snapshot = _snapshot_of(server, action.data)
    if snapshot is None:
        raise JsonRpcInvalidParams("the action belongs to no open document")
    return code_action.resolved(snapshot, action, server.abilities)


def _snapshot_of(server: VramServer, data: Any) -> Snapshot | None:
    """The document that what was sent with an item names."""
    uri = data.get("uri") if isinstance(data, dict) else None
    return server.session.snapshot(uri) if isinstance(uri, str) else None


def _on_document(feature: Callable[[Snapshot, Any, proto.Abilities], _T], otherwise: _T) -> Callable[..., _T]:
    """A handler that answers from the document as it is now, and ``otherwise`` for one that is not open."""

    def handler(server: VramServer, params: Any) -> _T:
        def answer() -> _T:
            snapshot = server.session.snapshot(params.text_document.uri)
            return otherwise if snapshot is None else feature(snapshot, params, server.abilities)

        return _guarded(answer, otherwise)

    return handler


def _guarded(answer: Callable[[], _T], otherwise: _T) -> _T:
    """A crash in one feature is logged and costs only that answer."""
    try:
        return answer()
    except Exception:
        _log.exception("a feature failed")
        return otherwise


_DIAGNOSTIC_OPTIONS = types.DiagnosticOptions(inter_file_dependencies=True, workspace_diagnostics=False)
_CODE_ACTION_OPTIONS = types.CodeActionOptions(
    code_action_kinds=[types.CodeActionKind.QuickFix, types.CodeActionKind.Refactor, code_action.FIX_ALL],
    resolve_provider=True,
)

_METHODS: tuple[tuple[str, Callable[..., Any], Any], ...] = (
    (types.INITIALIZE, _initialize, None),
    (types.INITIALIZED, _initialized, None),
    (types.SHUTDOWN, _shutdown, None),
    (types.EXIT, _exit, None),
    (types.WORKSPACE_DID_CHANGE_CONFIGURATION, _did_change_configuration, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, _did_change_watched_files, None),
    (types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, _did_change_workspace_folders, None),
    (types.TEXT_DOCUMENT_DID_OPEN, _did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, _did_change, None),
    (types.TEXT_DOCUMENT_DID_SAVE, _did_save, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, _did_close, None),
    (types.TEXT_DOCUMENT_HOVER, _on_document(lambda at, params, can: hover(at, params.position, can), None), None),
    (types.TEXT_DOCUMENT_CODE_ACTION, _on_document(code_action.code_actions, []), _CODE_ACTION_OPTIONS),
    (types.CODE_ACTION_RESOLVE, _resolve_code_action, None),
    (
        types.TEXT_DOCUMENT_COMPLETION,
        _on_document(lambda at, params, can: completion.completion(at, params, can), []),
        completion.OPTIONS,
    ),
    (types.TEXT_DOCUMENT_SIGNATURE_HELP, _on_document(signature_help.signature_help, None), signature_help.OPTIONS),
    (types.COMPLETION_ITEM_RESOLVE, _resolve_completion, None),
    (types.TEXT_DOCUMENT_INLAY_HINT, _on_document(lambda at, params, _: inlay_hints(at, params), []), None),
    (types.TEXT_DOCUMENT_CODE_LENS, _on_document(lambda at, *_: code_lenses(at), []), None),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _on_document(lambda at, _, can: document_symbols(at, can), []), None),
    (types.TEXT_DOCUMENT_DOCUMENT_LINK, _on_document(lambda at, *_: document_links(at), []), None),
    (types.TEXT_DOCUMENT_DEFINITION, _on_document(lambda at, params, _: definition(at, params), None), None),
)
_COMMANDS: tuple[tuple[str, Callable[..., Any]], ...] = (
    (execute_command.PLAN, _plan),
    (trial.APPLY, _apply),
    (receipt.RECEIPT, _receipt),
    (plan_page.PLAN_PAGE, _plan_page),
    (execute_command.RECOMMEND, _recommend),
    (conversion.GENERATE, _generate),
    (execute_command.OTHER_GPUS, _other_gpus),
    (execute_command.CLEAR_CACHE, _clear_cache),
)

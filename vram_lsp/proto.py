"""The only translator between the engine's values and LSP's types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lsprotocol import types
from pygls.capabilities import get_capability

from vram_engine.analysis import Analysis
from vram_engine.rules.base import Finding, Severity
from vram_engine.syntax.edits import TextEdit
from vram_engine.text import Encoding, LineIndex, Position, Span
from vram_engine.view.plain_text import plain_text
from vram_lsp import rule_pages

SOURCE = "vram-lsp"

_SEVERITY: dict[Severity, types.DiagnosticSeverity] = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "information": types.DiagnosticSeverity.Information,
    "hint": types.DiagnosticSeverity.Hint,
}


def encoding_of(kind: types.PositionEncodingKind | str | None) -> Encoding:
    """The negotiated position encoding; UTF-16 where none was."""
    value = kind.value if isinstance(kind, types.PositionEncodingKind) else kind
    return "utf-8" if value == "utf-8" else "utf-32" if value == "utf-32" else "utf-16"


def range_of(lines: LineIndex, span: Span, encoding: Encoding) -> types.Range:
    """A span as a range."""
    start, end = lines.position(span.start, encoding), lines.position(span.end, encoding)
    return types.Range(types.Position(start.line, start.character), types.Position(end.line, end.character))


def span_of(lines: LineIndex, where: types.Range, encoding: Encoding) -> Span:
    """A range as a span."""
    return Span(offset_of(lines, where.start, encoding), offset_of(lines, where.end, encoding))


def offset_of(lines: LineIndex, position: types.Position, encoding: Encoding) -> int:
    """A position as an offset."""
    return lines.offset(Position(position.line, position.character), encoding)


def diagnostic(uri: str, analysis: Analysis, finding: Finding, encoding: Encoding) -> types.Diagnostic:
    """A finding as a diagnostic that links to its rule's page and to the keys that add up to it."""
    lines = analysis.tree.lines
    related = [
        types.DiagnosticRelatedInformation(
            types.Location(uri, range_of(lines, analysis.span(each.where), encoding)), each.message
        )
        for each in finding.related
    ]
    return types.Diagnostic(
        range=range_of(lines, analysis.span(finding.where), encoding),
        message=finding.message,
        severity=_SEVERITY[finding.severity],
        code=finding.rule,
        code_description=types.CodeDescription(rule_pages.uri(finding.rule)),
        source=SOURCE,
        related_information=related or None,
    )


def workspace_edit(
    uri: str, version: int, lines: LineIndex, edits: Iterable[TextEdit], encoding: Encoding, *, versioned: bool
) -> types.WorkspaceEdit:
    """Edits of one document, tied to its version where the client understands that."""
    changes = [types.TextEdit(range_of(lines, edit.span, encoding), edit.new_text) for edit in edits]
    if not versioned:
        return types.WorkspaceEdit(changes={uri: changes})
    document = types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, [*changes])])


def markup(text: str, *, markdown: bool) -> types.MarkupContent:
    """Markdown for a client that shows it, and its words alone for one that does not."""
    if markdown:
        return types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.MarkupContent(types.MarkupKind.PlainText, plain_text(text))


def new_file(uri: str, text: str) -> types.WorkspaceEdit:
    """A file that is not there yet, with its text; where one is, the client refuses the whole."""
    create = types.CreateFile(uri, options=types.CreateFileOptions(overwrite=False, ignore_if_exists=False))
    start = types.Position(0, 0)
    document = types.OptionalVersionedTextDocumentIdentifier(uri=uri)
    written = types.TextDocumentEdit(document, [types.TextEdit(types.Range(start, start), text)])
    return types.WorkspaceEdit(document_changes=[create, written])


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the client can do beyond the least, asked once; everything works where all of it is False."""

    versioned_edits: bool = False
    applies_edits: bool = False
    resolves_edits: bool = False
    hovers_markdown: bool = False
    documents_markdown: bool = False
    signs_markdown: bool = False
    inserts_snippets: bool = False
    nests_symbols: bool = False
    pulls_diagnostics: bool = False
    refreshes_lenses: bool = False
    refreshes_hints: bool = False
    shows_progress: bool = False
    registers_watchers: bool = False
    registers_configuration: bool = False
    creates_files: bool = False
    shows_documents: bool = False


def abilities_of(client: types.ClientCapabilities) -> Abilities:
    """What a client says of itself."""
    resolved = get_capability(client, "text_document.code_action.resolve_support.properties", [])
    operations = get_capability(client, "workspace.workspace_edit.resource_operations", [])
    # A client that cannot be told to pull again would miss what a look-up finds out: it is pushed to instead.
    pulls = get_capability(client, "text_document.diagnostic") is not None
    return Abilities(
        versioned_edits=bool(get_capability(client, "workspace.workspace_edit.document_changes")),
        applies_edits=bool(get_capability(client, "workspace.apply_edit")),
        resolves_edits="edit" in resolved and bool(get_capability(client, "text_document.code_action.data_support")),
        hovers_markdown=_prefers_markdown(client, "text_document.hover.content_format"),
        documents_markdown=_prefers_markdown(client, "text_document.completion.completion_item.documentation_format"),
        signs_markdown=_prefers_markdown(
            client, "text_document.signature_help.signature_information.documentation_format"
        ),
        inserts_snippets=bool(get_capability(client, "text_document.completion.completion_item.snippet_support")),
        nests_symbols=bool(
            get_capability(client, "text_document.document_symbol.hierarchical_document_symbol_support")
        ),
        pulls_diagnostics=pulls and bool(get_capability(client, "workspace.diagnostics.refresh_support")),
        refreshes_lenses=bool(get_capability(client, "workspace.code_lens.refresh_support")),
        refreshes_hints=bool(get_capability(client, "workspace.inlay_hint.refresh_support")),
        shows_progress=bool(get_capability(client, "window.work_done_progress")),
        registers_watchers=bool(get_capability(client, "workspace.did_change_watched_files.dynamic_registration")),
        creates_files=types.ResourceOperationKind.Create in operations
        and bool(get_capability(client, "workspace.workspace_edit.document_changes")),
        shows_documents=bool(get_capability(client, "window.show_document.support")),
        registers_configuration=bool(get_capability(client, "workspace.did_change_configuration.dynamic_registration")),
    )


def _prefers_markdown(client: types.ClientCapabilities, where: str) -> bool:
    """Formats are listed in the order they are preferred in; a client that lists none is promised plain text alone."""
    return list(get_capability(client, where, []) or [])[:1] == [types.MarkupKind.Markdown]

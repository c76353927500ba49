"""The only translator between the engine's values and LSP's types."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types
from vram_engine.analysis import Analysis
from vram_engine.rules.base import Finding, Severity
from vram_engine.syntax.edits import TextEdit
from vram_engine.text import Encoding, LineIndex, Position, Span
from vram_engine.view.hover import Hover

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


def hover(lines: LineIndex, found: Hover, encoding: Encoding) -> types.Hover:
    """A hover as Markdown."""
    contents = types.MarkupContent(types.MarkupKind.Markdown, found.markdown)
    return types.Hover(contents, range_of(lines, found.span, encoding))

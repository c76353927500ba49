"""textDocument/completion and completionItem/resolve: what could stand at the cursor, and what to say about it."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from vram_engine.view.completion import Completion, Kind, completions
from vram_engine.view.completion_docs import key_documentation, rule_documentation, value_documentation
from vram_engine.view.snippets import Snippet, snippets
from vram_lsp import proto
from vram_lsp.session import Snapshot

# What ends a word and begins another in our texts: options, values after = and :, rule names, ids of models.
OPTIONS = types.CompletionOptions(trigger_characters=["-", "=", "[", ",", "/", " "], resolve_provider=True)

_KIND: dict[Kind, types.CompletionItemKind] = {
    "key": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.Value,
    "gpu": types.CompletionItemKind.Constant,
    "model": types.CompletionItemKind.Module,
    "rule": types.CompletionItemKind.Reference,
}


def completion(
    snapshot: Snapshot, params: types.CompletionParams, abilities: proto.Abilities
) -> list[types.CompletionItem]:
    """The items at a position, in our order; whole beginnings of files last, for clients that fill in places."""
    offset = proto.offset_of(snapshot.analysis.tree.lines, params.position, snapshot.encoding)
    begun = snippets(snapshot.analysis, offset) if abilities.inserts_snippets else ()
    return [*_items(snapshot, offset), *(_snippet(snapshot, each) for each in begun)]


def _items(snapshot: Snapshot, offset: int) -> list[types.CompletionItem]:
    lines = snapshot.analysis.tree.lines
    found = completions(snapshot.analysis, offset)
    if not found:
        return []
    where = proto.range_of(lines, found[0].span, snapshot.encoding)
    return [_item(snapshot, each, number, where) for number, each in enumerate(found)]


def _snippet(snapshot: Snapshot, found: Snippet) -> types.CompletionItem:
    where = proto.range_of(snapshot.analysis.tree.lines, found.span, snapshot.encoding)
    return types.CompletionItem(
        label=found.label,
        kind=types.CompletionItemKind.Snippet,
        detail=found.detail,
        sort_text="~",
        insert_text_format=types.InsertTextFormat.Snippet,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(where, found.text),
    )


def _item(snapshot: Snapshot, found: Completion, number: int, where: types.Range) -> types.CompletionItem:
    data: dict[str, Any] = {"uri": snapshot.uri, "kind": found.kind, "subject": found.subject}
    if found.value is not None:
        data |= {"value": found.value, "plan": found.plan}
    return types.CompletionItem(
        label=found.label,
        kind=_KIND[found.kind],
        detail=found.detail or None,
        sort_text=f"{number:04}",
        text_edit=types.TextEdit(where, found.text),
        data=data,
    )


def resolved(snapshot: Snapshot | None, item: types.CompletionItem, abilities: proto.Abilities) -> types.CompletionItem:
    """The item with its documentation; values are sized in the document as it is now."""
    text = _documentation(snapshot, item.data) if isinstance(item.data, dict) else ""
    if text:
        item.documentation = proto.markup(text, markdown=abilities.documents_markdown)
    return item


def _documentation(snapshot: Snapshot | None, data: dict[str, Any]) -> str:
    subject, value, plan = str(data.get("subject", "")), data.get("value"), data.get("plan")
    if data.get("kind") == "rule":
        return rule_documentation(subject)
    if isinstance(value, str | int | float):
        analysis = snapshot.analysis if snapshot is not None else None
        return value_documentation(analysis, subject, value, plan if isinstance(plan, int) else None)
    return key_documentation(subject)

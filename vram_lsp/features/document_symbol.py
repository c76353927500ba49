"""textDocument/documentSymbol: deployments and their settings as the outline of a file."""

from __future__ import annotations

from lsprotocol import types

from vram_engine.view.symbols import Symbol, symbols
from vram_lsp import proto
from vram_lsp.session import Snapshot


def document_symbols(
    snapshot: Snapshot, abilities: proto.Abilities
) -> list[types.DocumentSymbol] | list[types.SymbolInformation]:
    """A tree for clients that show trees, else the deployments and settings in a row."""
    found = symbols(snapshot.analysis)
    if abilities.nests_symbols:
        return [_nested(snapshot, symbol, types.SymbolKind.Module) for symbol in found]
    flat = [_flat(snapshot, symbol, types.SymbolKind.Module, None) for symbol in found]
    for symbol in found:
        flat += [_flat(snapshot, child, types.SymbolKind.Property, symbol.name) for child in symbol.children]
    return flat


def _nested(snapshot: Snapshot, symbol: Symbol, kind: types.SymbolKind) -> types.DocumentSymbol:
    lines = snapshot.analysis.tree.lines
    return types.DocumentSymbol(
        name=symbol.name,
        kind=kind,
        range=proto.range_of(lines, symbol.span, snapshot.encoding),
        selection_range=proto.range_of(lines, symbol.selection, snapshot.encoding),
        detail=symbol.detail,
        children=[_nested(snapshot, child, types.SymbolKind.Property) for child in symbol.children],
    )


def _flat(snapshot: Snapshot, symbol: Symbol, kind: types.SymbolKind, container: str | None) -> types.SymbolInformation:
    where = proto.range_of(snapshot.analysis.tree.lines, symbol.selection, snapshot.encoding)
    return types.SymbolInformation(types.Location(snapshot.uri, where), symbol.name, kind, container_name=container)

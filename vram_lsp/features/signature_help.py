"""textDocument/signatureHelp: the option whose value is being written, and what it takes."""

from __future__ import annotations

from lsprotocol import types

from vram_engine.view.signature import signature
from vram_lsp import proto
from vram_lsp.session import Snapshot

# What stands between an option and its value.
OPTIONS = types.SignatureHelpOptions(trigger_characters=[" ", "="])


def signature_help(
    snapshot: Snapshot, params: types.SignatureHelpParams, abilities: proto.Abilities
) -> types.SignatureHelp | None:
    """One signature with one parameter, the value."""
    lines = snapshot.analysis.tree.lines
    found = signature(snapshot.analysis, proto.offset_of(lines, params.position, snapshot.encoding))
    if found is None:
        return None
    value = types.ParameterInformation(found.label[found.start :])
    about = proto.markup(found.markdown, markdown=abilities.signs_markdown)
    return types.SignatureHelp([types.SignatureInformation(found.label, about, [value])], 0, 0)

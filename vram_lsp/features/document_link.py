"""textDocument/documentLink and textDocument/definition: from a model to its config.json or page, and to files."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from lsprotocol import types

from vram_engine.lent import LentFile
from vram_engine.sources.hub import hub_endpoint
from vram_engine.sources.local import located
from vram_engine.sources.model_files import CONFIG
from vram_engine.sources.names import is_hub_id
from vram_engine.view.links import FileLink, ModelLink, file_links, model_links
from vram_lsp import proto
from vram_lsp.session import Snapshot


def document_links(snapshot: Snapshot) -> list[types.DocumentLink]:
    """A link on every model and configuration file: the config.json of a directory, the page of an id, the file."""
    found = [(link.span, _target(snapshot, link)) for link in model_links(snapshot.analysis)]
    found += [(link.span, _lent(snapshot, link)) for link in file_links(snapshot.analysis)]
    lines = snapshot.analysis.tree.lines
    return [
        types.DocumentLink(proto.range_of(lines, span, snapshot.encoding), target)
        for span, target in found
        if target is not None
    ]


def definition(snapshot: Snapshot, params: types.DefinitionParams) -> types.Location | None:
    """The file, or the config.json of the model directory, under the cursor; a page is no document to jump to."""
    offset = proto.offset_of(snapshot.analysis.tree.lines, params.position, snapshot.encoding)
    found = [(link.span, _config_file(snapshot, link)) for link in model_links(snapshot.analysis)]
    found += [(link.span, _lent(snapshot, link)) for link in file_links(snapshot.analysis)]
    target = next((target for span, target in found if span.touches(offset)), None)
    start = types.Position(0, 0)
    return None if target is None else types.Location(target, types.Range(start, start))


def _lent(snapshot: Snapshot, link: FileLink) -> str | None:
    lent = snapshot.context.files.get(link.ref)
    return Path(lent.path).as_uri() if isinstance(lent, LentFile) else None


def _target(snapshot: Snapshot, link: ModelLink) -> str | None:
    return _config_file(snapshot, link) or (None if link.source == "local" else _page(link))


def _config_file(snapshot: Snapshot, link: ModelLink) -> str | None:
    """Only where the look-up found a directory: nothing else makes the disk be asked while somebody types."""
    directory = located(link.ref.name, snapshot.folders, CONFIG) if link.source == "local" else None
    return None if directory is None else (directory / CONFIG).resolve().as_uri()


def _page(link: ModelLink) -> str | None:
    name, revision = link.ref.name, link.ref.revision
    if not is_hub_id(name):
        return None
    branch = "" if revision is None else f"/tree/{quote(revision, safe='')}"
    return f"{hub_endpoint(os.environ)}/{quote(name)}{branch}"

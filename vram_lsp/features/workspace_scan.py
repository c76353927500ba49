"""The workspace's closed files, looked through when the client pulls: what is known is kept, what is new is reported.

A client that tells of changed files is kept waiting while there are none: it asks again as soon as it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lsprotocol import types

from vram_lsp.config import Config
from vram_lsp.features import workspace_diagnostic as feature
from vram_lsp.features.work_done import WorkDone
from vram_lsp.model_sources import model_sources
from vram_lsp.session import path_of

if TYPE_CHECKING:
    from vram_lsp.server import VramServer

# So many files are reported at once to a client that takes them in parts.
_PART = 20

_Full = types.WorkspaceFullDocumentDiagnosticReport


class WorkspaceScan:
    """What was found in closed files, by what they were like."""

    def __init__(self) -> None:
        self._found: dict[feature.File, _Full | None] = {}
        self._answered: int | None = None

    @property
    def is_pulled(self) -> bool:
        """Whether the client looks at files that are not open."""
        return self._answered is not None

    async def report(
        self, server: VramServer, params: types.WorkspaceDiagnosticParams
    ) -> types.WorkspaceDiagnosticReport:
        """The answer to one pull; its reports go ahead of it to a client that gave a token for parts."""
        if server.abilities.registers_watchers:
            while self._answered == server.session.generation:
                await server.session.news.wait()
        generation = server.session.generation
        previous = {each.uri: each.value for each in params.previous_result_ids}
        send = _in_parts(server, params.partial_result_token)
        items = await self._reports(server, params.work_done_token, previous, send)
        self._answered = generation
        return types.WorkspaceDiagnosticReport(send(items, last=True))

    async def _reports(
        self, server: VramServer, token: types.ProgressToken | None, previous: Mapping[str, str], send: _Send
    ) -> list[feature.Report]:
        session = server.session
        scan = feature.Scan(session.folders, session.encoding, model_sources(session.hub), session.generation)
        # A client may write a file's URI in its own way, and keeps reports under the one it knows.
        spelled = {path: uri for uri in (*session.documents, *previous) if (path := path_of(uri)) is not None}
        opened = frozenset(path for uri in session.documents if (path := path_of(uri)) is not None)
        files = await asyncio.to_thread(feature.files, scan, opened)
        items: list[feature.Report] = []
        reported = set(session.documents)
        with WorkDone(server, token, "Checking vLLM deployments", len(files)) as work:
            for file in files:
                found = await self._of(scan, file, session.config_of(file.path))
                if found is not None:
                    found.uri = spelled.get(file.path, found.uri)
                    reported.add(found.uri)
                    items = send([*items, feature.news(found, previous.get(found.uri))], last=False)
                if work.step():
                    return items
        self._found = {file: self._found.get(file) for file in files}
        return [*items, *feature.gone(previous, reported)]

    async def _of(self, scan: feature.Scan, file: feature.File, config: Config) -> _Full | None:
        if file not in self._found:
            self._found[file] = await asyncio.to_thread(feature.full_report, scan, file, config)
        return self._found[file]


_Send = Callable[..., list[feature.Report]]


def _in_parts(server: VramServer, token: types.ProgressToken | None) -> _Send:
    """A function that sends reports ahead when there are enough of them, and returns those still to be sent."""

    def send(items: list[feature.Report], *, last: bool) -> list[feature.Report]:
        if token is None or not items or (len(items) < _PART and not last):
            return items
        part = types.WorkspaceDiagnosticReportPartialResult(items)
        server.progress(types.ProgressParams(token, part))
        return []

    return send

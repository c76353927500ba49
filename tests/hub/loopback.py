"""A model hub on this machine's loopback: real sockets, headers, ranges and redirects, and faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from tests.hub.checkpoints import File, as_json

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Request:
    """A request as it came in; names of headers are lower-case."""

    path: str
    headers: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    """One connection. ``send`` answers; faults write to ``wfile`` themselves."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:  # the name http.server calls
        """Record the request and answer it: by the first fault whose fragment its path has, else as a hub."""
        hub = self.server.hub
        path = unquote(self.path)
        hub.requests.append(Request(path, {name.lower(): value for name, value in self.headers.items()}))
        with suppress(ConnectionError):
            for fragment, answer in hub.faults:
                if fragment in path:
                    answer(self)
                    return
            self._answer(hub, path)

    def _answer(self, hub: LoopbackHub, path: str) -> None:
        for model, files in hub.models.items():
            if path.startswith(f"/api/models/{model}/revision/"):
                listed = {"sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
                self.send(200, json.dumps(listed).encode())
                return
            name = path.removeprefix(f"/{model}/resolve/{COMMIT}/")
            if name != path and name in files:
                self.send_file(files[name])
                return
        self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, file: File) -> None:
        """A file or the range of it that was asked for; what is only declared comes as zeros, and never as a whole."""
        ranged = self.headers.get("Range")
        if ranged is None:
            assert file.size == len(file.data), "nobody may ask for the whole of a checkpoint"
            self.send(200, file.data)
            return
        first, last = (int(number) for number in ranged.removeprefix("bytes=").split("-"))
        last = min(last, file.size - 1)
        body = file.data[first : last + 1]
        body += bytes(last + 1 - first - len(body))
        self.send(206, body, {"Content-Range": f"bytes {first}-{last}/{file.size}"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name http.server gives it
        """Tests do not chat."""


class Server(ThreadingHTTPServer):
    """The listening socket of a hub."""

    daemon_threads = True
    block_on_close = False
    hub: LoopbackHub

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what several tests are about."""


class LoopbackHub:
    """Models by id, each a mapping of file names to files; ``faults`` answer instead where their fragment matches."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, File]] = {}
        self.faults: list[tuple[str, Callable[[Handler], None]]] = []
        self.requests: list[Request] = []
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.hub = self
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        """The hub's address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for so far."""
        return [request.path for request in self.requests]

    def add(self, model: str, config: object, **files: File) -> None:
        """A model; names of files have two underscores for a dash and one for a dot."""
        named = {name.replace("__", "-").replace("_", "."): file for name, file in files.items()}
        self.models[model] = {"config.json": as_json(config), **named}

    def fail(self, fragment: str, answer: Callable[[Handler], None]) -> None:
        """Answer so where a path contains ``fragment``."""
        self.faults.insert(0, (fragment, answer))

    def close(self) -> None:
        """Take no more connections: the cable is out."""
        self._server.shutdown()
        self._server.server_close()

"""The least client there is: a server's process and JSON on its pipes. What comes is kept, in order."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
from typing import Any

COMMAND = [sys.executable, "-m", "vram_lsp", "serve"]


class Wire:
    """One server. ``seen`` are notifications by method, newest last; requests of the server are answered with null."""

    def __init__(self, command: list[str] | None = None, answers: dict[str, Any] | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the server
        self._process = subprocess.Popen(
            command or COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        self._answers = answers or {}
        self._came: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._responses: dict[Any, dict[str, Any]] = {}
        self._next = 0
        self.seen: dict[str, list[Any]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while True:
            length = 0
            while (line := stream.readline().strip()) or not length:
                if not line and stream.peek(1) == b"":
                    self._came.put(None)
                    return
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            self._came.put(json.loads(stream.read(length)))

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> int:
        """Send a request; the number to wait for."""
        self._next += 1
        self._send({"id": self._next, "method": method, "params": params})
        return self._next

    def response(self, number: int, seconds: float = 30.0) -> dict[str, Any]:
        """The whole response to a request, result or error."""
        self.until(lambda: number in self._responses, seconds)
        return self._responses.pop(number)

    def request(self, method: str, params: Any) -> Any:
        """Ask, and wait for the result; an error fails the test."""
        response = self.response(self.ask(method, params))
        assert "error" not in response, (method, response["error"])
        return response.get("result")

    def until(self, condition: Any, seconds: float = 30.0) -> None:
        """Take messages in until something is so; raises queue.Empty when it does not become so."""
        while not condition():
            message = self._came.get(timeout=seconds)
            assert message is not None, f"the server has gone: {self.log()}"
            self._take(message)

    def pump(self, seconds: float) -> None:
        """Take in the next message, if one comes in time."""
        with contextlib.suppress(queue.Empty):
            message = self._came.get(timeout=seconds)
            assert message is not None, f"the server has gone: {self.log()}"
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            self._responses[message["id"]] = message
            return
        self.seen.setdefault(method, []).append(message.get("params"))
        if "id" in message:
            answer = self._answers.get(method)
            self._send({"id": message["id"], "result": answer(message.get("params")) if answer else None})

    def initialize(self, capabilities: dict[str, Any] | None = None, **more: Any) -> Any:
        """The handshake."""
        params = {"processId": None, "rootUri": None, "capabilities": capabilities or {}, **more}
        result = self.request("initialize", params)
        self.notify("initialized", {})
        return result

    def open(self, uri: str, text: str, version: int = 1) -> None:
        """Open a document."""
        document = {"uri": uri, "languageId": "yaml", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, uri: str, text: str, version: int) -> None:
        """Send a document's new text."""
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def published(self, uri: str) -> list[tuple[int | None, list[str]]]:
        """Version and rules of everything that was published for a document."""
        pushed = self.seen.get("textDocument/publishDiagnostics", [])
        return [
            (each.get("version"), [found["code"] for found in each["diagnostics"]])
            for each in pushed
            if each["uri"] == uri
        ]

    @property
    def process_id(self) -> int:
        """The server's process."""
        return self._process.pid

    def log(self) -> str:
        """What the server wrote to its standard error so far."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def close(self) -> int:
        """Shut the server down; its exit code."""
        self.request("shutdown", None)
        self.notify("exit", None)
        assert self._process.stdin is not None
        self._process.stdin.close()
        code = self._process.wait(30)
        self._reader.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
        return code

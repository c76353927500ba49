"""Prints the time from a keystroke to its diagnostics, beside a pygls server that does nothing on the same file.

``python -m tests.bench.keystroke``. Nothing is judged but the ratio, and that only by the reader.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

EMPTY = Path(__file__).with_name("empty_server.py")
SERVERS = {
    "empty": [sys.executable, str(EMPTY)],
    "vram-lsp": [sys.executable, "-m", "vram_lsp", "serve"],
}
KEYSTROKES = 200


def text_of(lines: int) -> str:
    """A config file of about that many lines that does not fit, so that everything there is to do is done."""
    head = ["# vram: gpu=l4 gpus=2", "model: Qwen/Qwen2.5-14B-Instruct", "max-model-len: 16384"]
    return "\n".join([*head, *(f"# a comment of line {number}" for number in range(lines - len(head)))]) + "\n"


class Client(LanguageClient):
    """A client that notes when the diagnostics of a version arrive."""

    def __init__(self) -> None:
        super().__init__("bench", "1")
        self.arrived: dict[int, asyncio.Future[float]] = {}

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _(params: types.PublishDiagnosticsParams) -> None:
            future = self.arrived.get(params.version or 0)
            if future is not None and not future.done():
                future.set_result(time.perf_counter())


async def measure(command: list[str], text: str) -> tuple[float, list[float]]:
    """Milliseconds to the answer of initialize, and from each keystroke to the diagnostics of its version."""
    client = Client()
    began = time.perf_counter()
    await client.start_io(*command)
    await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    ready = time.perf_counter() - began
    client.initialized(types.InitializedParams())
    uri = "untitled:bench.yaml"
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "yaml", 0, text)))
    await asyncio.sleep(1.0)
    times = [await _keystroke(client, uri, text, number) for number in range(1, KEYSTROKES + 1)]
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return ready * 1e3, [each * 1e3 for each in times]


async def _keystroke(client: Client, uri: str, text: str, version: int) -> float:
    future = asyncio.get_running_loop().create_future()
    client.arrived[version] = future
    changed = text.replace("max-model-len: 16384", f"max-model-len: {16384 + version % 10}")
    change = types.TextDocumentContentChangeWholeDocument(changed)
    began = time.perf_counter()
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(version, uri), [change])
    )
    return await asyncio.wait_for(future, 10) - began


def main() -> None:
    """Both servers on files of 10, 100 and 1,000 lines."""
    print(f"{'lines':>6} {'server':<10} {'initialize ms':>14} {'p50 ms':>8} {'p95 ms':>8} {'ratio of p50':>13}")
    for lines in (10, 100, 1000):
        medians = {}
        for name, command in SERVERS.items():
            ready, times = asyncio.run(measure(command, text_of(lines)))
            medians[name] = statistics.median(times)
            p95 = sorted(times)[int(len(times) * 0.95)]
            ratio = medians[name] / medians["empty"]
            print(f"{lines:>6} {name:<10} {ready:>14.0f} {medians[name]:>8.2f} {p95:>8.2f} {ratio:>13.2f}")


if __name__ == "__main__":
    main()

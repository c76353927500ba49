"""Prints the time from a keystroke to its diagnostics, beside an empty pygls server and yaml-language-server.

``python -m tests.bench.keystroke``. All get the same files; yaml-language-server checks them against our JSON Schema,
and is installed by npm into a cache of its own the first time. Two kinds of keys: those of a number that is sized anew,
and those of a comment, as most keys are. ``cpu`` is the server's own work per key, ``p50`` also has the waiting (the
200 ms that yaml-language-server lets pass) and what else the machine does. ``hub on`` is our server with the model hub
allowed and nobody there, so that look-ups go on beside the keys. Nothing is judged.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from lsprotocol import types
from pygls.lsp.client import LanguageClient

EMPTY = Path(__file__).with_name("empty_server.py")
SCHEMA = Path(__file__).resolve().parents[2] / "editors/schemas/vllm-config.schema.json"
YAMLLS = "yaml-language-server@2.0.0"
# A port of this machine that nobody listens on.
NOBODY = "http://127.0.0.1:9"
URI = "untitled:bench.yaml"


@dataclass(frozen=True)
class Server:
    """A server to measure, and how many keys; few where each waits for a debounce."""

    name: str
    command: list[str]
    keystrokes: int = 200
    hub: str = "off"


@dataclass(frozen=True)
class Measured:
    """Milliseconds: to the answer of initialize, from each key to its diagnostics, and of work per key."""

    ready: float
    times: list[float]
    cpu: float | None


def servers() -> list[Server]:
    """Those that are there."""
    found = [Server("empty", [sys.executable, str(EMPTY)]), Server("vram-lsp", [sys.executable, "-m", "vram_lsp"])]
    found[1].command.append("serve")
    found.append(Server("hub on", found[1].command, hub="on"))
    peer = yaml_language_server()
    return found if peer is None else [*found, Server("yamlls", peer, 30)]


def yaml_language_server() -> list[str] | None:
    """The command of yaml-language-server, installed where it is not yet; None without node, npm or a registry."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print("yaml-language-server: absent, node and npm are needed")
        return None
    folder = Path(platformdirs.user_cache_dir("vram-lsp-bench"))
    script = folder / "node_modules/yaml-language-server/bin/yaml-language-server"
    if not script.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([npm, "install", "--prefix", str(folder), YAMLLS], capture_output=True, check=False)
        if done.returncode:
            print("yaml-language-server: absent, npm could not install it")
            return None
    return [node, str(script), "--stdio"]


def text_of(lines: int) -> str:
    """A config file of about that many lines that does not fit, so that everything there is to do is done."""
    head = [
        f"# yaml-language-server: $schema={SCHEMA.as_uri()}",
        "# vram: gpu=l4 gpus=2",
        "model: Qwen/Qwen2.5-14B-Instruct",
        "max-model-len: 16384",
        "# edited",
    ]
    return "\n".join([*head, *(f"# a comment of line {number}" for number in range(lines - len(head)))]) + "\n"


def number_key(text: str, version: int) -> str:
    """Another length every time."""
    return text.replace("max-model-len: 16384", f"max-model-len: {16384 + version}")


def comment_key(text: str, version: int) -> str:
    """A comment that grows and begins again."""
    return text.replace("# edited", f"# edited{'x' * (version % 20)}")


class Client(LanguageClient):
    """A client that notes when diagnostics arrive."""

    def __init__(self) -> None:
        super().__init__("bench", "1")
        self.waits: asyncio.Future[float] | None = None
        self.version = 0
        self.feature(types.WORKSPACE_CONFIGURATION)(lambda params: [None] * len(params.items))

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _(params: types.PublishDiagnosticsParams) -> None:
            # yaml-language-server does not say which version it speaks of.
            if self.waits is not None and not self.waits.done() and params.version in (None, self.version):
                self.waits.set_result(time.perf_counter())


async def measure(server: Server, text: str, key: Callable[[str, int], str]) -> Measured:
    """One server under so many keys."""
    client = Client()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        await client.start_io(*server.command, env={**os.environ, "HF_ENDPOINT": NOBODY, "XDG_CACHE_HOME": cache})
        return await _measured(client, server, text, key, began)


async def _measured(
    client: Client, server: Server, text: str, key: Callable[[str, int], str], began: float
) -> Measured:
    options = {"vramLsp": {"hub": server.hub}} if server.name != "yamlls" else None
    capabilities = types.ClientCapabilities()
    await client.initialize_async(types.InitializeParams(capabilities, initialization_options=options))
    ready = time.perf_counter() - began
    client.initialized(types.InitializedParams())
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, "yaml", 0, text)))
    await asyncio.sleep(2.0)
    before = _cpu_ms(client)
    times = [await _keystroke(client, key(text, number), number) for number in range(1, server.keystrokes + 1)]
    after = _cpu_ms(client)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    cpu = None if before is None or after is None else (after - before) / server.keystrokes
    return Measured(ready * 1e3, [each * 1e3 for each in times], cpu)


def _cpu_ms(client: Client) -> float | None:
    """The processor time a server has taken so far, where the system tells."""
    process = client._server
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split() if process else []
    except OSError:
        return None
    return sum(map(int, fields[11:13])) * 1e3 / os.sysconf("SC_CLK_TCK") if fields else None


async def _keystroke(client: Client, changed: str, version: int) -> float:
    client.waits, client.version = asyncio.get_running_loop().create_future(), version
    change = types.TextDocumentContentChangeWholeDocument(changed)
    began = time.perf_counter()
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(version, URI), [change])
    )
    return await asyncio.wait_for(client.waits, 10) - began


def main() -> None:
    """Every server on files of 10, 100 and 1,000 lines."""
    # An installed server has its modules compiled; without this an environment that keeps none is measured.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found = servers()
    print(f"{'lines':>6} {'key':<8} {'server':<10} {'initialize':>10} {'min':>7} {'p50':>7} {'p95':>7} {'cpu':>6}  ms")
    for lines in (10, 100, 1000):
        for key in (number_key, comment_key):
            for server in found:
                _show(
                    lines, key.__name__.removesuffix("_key"), server, asyncio.run(measure(server, text_of(lines), key))
                )


def _show(lines: int, key: str, server: Server, measured: Measured) -> None:
    times = sorted(measured.times)
    p50, p95 = statistics.median(times), times[int(len(times) * 0.95)]
    cpu = "" if measured.cpu is None else f"{measured.cpu:.2f}"
    spread = f"{times[0]:>7.2f} {p50:>7.2f} {p95:>7.2f}"
    print(f"{lines:>6} {key:<8} {server.name:<10} {measured.ready:>10.0f} {spread} {cpu:>6}", flush=True)


if __name__ == "__main__":
    main()

"""Random typing against a real server: ``python -m tests.lsp.fuzz --steps 5000`` types, deletes, pastes and undoes.

After every step the diagnostics of that version have to be those of a fresh analysis of the same text, every range has
to lie inside it, and one request in between has to be answered as a fresh snapshot answers it. Nothing may be logged as
an error. The same seed makes the same steps.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lsprotocol import converters, types

from tests.lsp.wire import Wire
from vram_engine.analysis import Context, analyse
from vram_engine.text import Encoding, width
from vram_lsp.answers import find
from vram_lsp.features import completion as completion_feature
from vram_lsp.features.code_action import code_actions
from vram_lsp.features.code_lens import code_lenses
from vram_lsp.features.diagnostics import diagnostics
from vram_lsp.features.document_link import document_links
from vram_lsp.features.document_symbol import document_symbols
from vram_lsp.features.hover import hover
from vram_lsp.features.inlay_hint import inlay_hints
from vram_lsp.model_sources import model_sources
from vram_lsp.patience import STILL_S, edited_line
from vram_lsp.proto import Abilities
from vram_lsp.session import Snapshot

URI = "untitled:/fuzz.yaml"
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
# How often the text is left alone until everything that waits has been said.
REST_EVERY = 250
LOOK_UPS_S = 10.0
# A text that grows for ever says nothing new.
LONGEST = 6000

TEXTS = (
    "# vram: gpu=l4 gpus=2\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 8192\ntensor-parallel-size: 2\n",
    "# vram: gpu=h100\nmodel: meta-llama/Llama-3.1-8B-Instruct\nserved-model-name: é🦙 # vram: concurrency=4\n",
    'services:\n  llm:\n    image: vllm/vllm-openai:v0.32.0\n    command: ["--model", "Qwen/Qwen2.5-7B-Instruct"]\n'
    "    # vram: gpu=a100-sxm-80\n",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n  template:\n    spec:\n      containers:\n"
    "      - name: vllm\n        image: vllm/vllm-openai:v0.32.0\n        args:\n"
    "        - --model=Qwen/Qwen2.5-7B-Instruct\n        - --max-model-len=32768\n"
    "        resources: {limits: {nvidia.com/gpu: 1}}\n# vram: gpu=l4\n",
    "profile_version: 1\nmodel:\n  id: meta-llama/Llama-3.1-8B-Instruct\nhardware:\n  gpu: h100\n  gpus: 1\n",
    'tokenizer: "é\u2028 not a new line"\nmodel: "Qwen/Qwen2.5-7B-Instruct"\n\r\nmax-model-len: 1e3\n',
)
PIECES = (
    "\n",
    "\r\n",
    "  ",
    ": ",
    "# vram: gpu=l4\n",
    "# vram: ignore[out-of-memory]\n",
    "max-model-len: 4096\n",
    "gpu-memory-utilization: 0.95\n",
    "kv-cache-dtype: fp8\n",
    "enforce-eager: true\n",
    "tensor-parallel-size: 3\n",
    "é🦙",
    "\u2028",
    "\x0c",
    "\ud83e".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "---\n",
    '"',
    "'",
    "[",
    "{",
    "&a ",
    "*a",
    "\t",
    "- ",
    "--max-num-seqs 8 ",
    "max-num-seqs",
)
ABILITIES = Abilities()


@dataclass
class Typist:
    """A text under a random hand, and every state it was in."""

    random: random.Random
    text: str
    past: list[str]

    def step(self) -> str:
        """The text after one more edit."""
        act = self.random.choice((self._type, self._type, self._type, self._delete, self._paste, self._undo))
        self.past = [*self.past[-40:], self.text]
        self.text = act()
        if len(self.text) > LONGEST or self.random.random() < 0.004:
            self.text = self.random.choice(TEXTS)
        return self.text

    def _place(self) -> int:
        return self.random.randint(0, len(self.text))

    def _type(self) -> str:
        at = self._place() if self.random.random() < 0.3 else len(self.text)
        letter = self.random.choice("abcdefgpqsx-_:# 0123456789\n\"'[]{},=&*|>.é")
        return self.text[:at] + letter + self.text[at:]

    def _delete(self) -> str:
        start = self._place()
        return self.text[:start] + self.text[start + self.random.choice((1, 1, 1, 5, 40)) :]

    def _paste(self) -> str:
        at = self._place()
        return self.text[:at] + self.random.choice(PIECES) + self.text[at:]

    def _undo(self) -> str:
        return self.random.choice(self.past)


class Fuzz:
    """One server, one document, and what a fresh analysis says of it."""

    def __init__(self, encoding: Encoding, seed: int) -> None:
        self.encoding = encoding
        self.random = random.Random(f"{encoding}-{seed}")
        self.converter = converters.get_converter()
        self.wire = Wire()
        self.typist = Typist(self.random, TEXTS[0], [TEXTS[0]])
        self.version = 1
        self.models: dict[Any, Any] = {}
        self.dialects: tuple[str | None, ...] = ()
        self.checked = 0

    def start(self) -> None:
        """The handshake and the first text."""
        self.wire.initialize({"general": {"positionEncodings": [self.encoding]}})
        self.wire.open(URI, self.typist.text, 1)
        self._learn(self.typist.text)
        self._settle(self._fresh(self.typist.text), None)

    def run(self, steps: int) -> None:
        """Take steps; an AssertionError names the one that failed."""
        for number in range(1, steps + 1):
            before, text = self.typist.text, self.typist.step()
            self.version += 1
            self.wire.change(URI, text, self.version)
            try:
                self._check(text, edited_line(before, text), rests=number % REST_EVERY == 0)
            except AssertionError as error:
                raise AssertionError(f"{self.encoding}, step {number}: {error}\n{text!r}") from error

    def finish(self) -> None:
        """Close the server and read what it logged."""
        log = self.wire.log()
        assert self.wire.close() == 0
        assert "Traceback" not in log, log[-4000:]
        assert "ERROR" not in log, log[-4000:]

    def _check(self, text: str, typed: int, *, rests: bool) -> None:
        self._learn(text)
        fresh = self._fresh(text)
        if rests:
            time.sleep(STILL_S + 0.5)
            self._settle(fresh, None)
        else:
            self._settle(fresh, typed)
        self._ask_something(fresh)
        self.dialects = fresh.analysis.dialects

    def _learn(self, text: str) -> None:
        for ref in analyse(text, Context(dialects=self.dialects)).wants:
            if ref not in self.models:
                self.models[ref] = find(model_sources("off"), ref, ())

    def _fresh(self, text: str) -> Snapshot:
        context = Context(dialects=self.dialects).knowing(self.models)
        return Snapshot(URI, self.version, text, self.encoding, context, ())

    def _settle(self, fresh: Snapshot, typed: int | None) -> None:
        """Wait for the diagnostics of this version that are those of a fresh analysis."""
        expected = self._json(diagnostics(fresh, typed).diagnostics)
        ours = fresh.analysis.is_ours or self._was_shown()
        deadline = time.monotonic() + 20
        while True:
            last = self._last()
            if last is not None and last.get("version") == self.version:
                _inside(last, fresh)
                if last["diagnostics"] == expected:
                    break
            elif not ours:
                break
            assert time.monotonic() < deadline, f"expected {expected}\n have {last}"
            self.wire.pump(0.2)
        self.checked += 1

    def _was_shown(self) -> bool:
        return bool(self.wire.seen.get("textDocument/publishDiagnostics"))

    def _last(self) -> Any:
        pushed = self.wire.seen.get("textDocument/publishDiagnostics", [])
        del pushed[:-1]
        return pushed[-1] if pushed else None

    def _ask_something(self, fresh: Snapshot) -> None:
        name, method, params, answer = self.random.choice(tuple(self._questions(fresh)))
        wanted = _compared(name, self._json(answer()))
        deadline = time.monotonic() + LOOK_UPS_S
        # Findings can be the same before a model is found and after: what rests on it comes with the look-up.
        while (got := _compared(name, self.wire.request(method, params))) != wanted:
            assert time.monotonic() < deadline, f"{name} {params}:\n got {got}\n of a fresh analysis {wanted}"
            self.wire.pump(0.1)
        _inside(got, fresh)

    def _questions(self, fresh: Snapshot) -> Iterator[tuple[str, str, Any, Callable[[], Any]]]:
        lines = fresh.analysis.tree.lines
        at = lines.position(self.random.randint(0, len(fresh.text)), self.encoding)
        place, document = types.Position(at.line, at.character), {"uri": URI}
        position = {"line": at.line, "character": at.character}
        here = {"textDocument": document, "position": position}
        whole = types.Range(types.Position(0, 0), types.Position(len(lines.starts), 0))
        identifier = types.TextDocumentIdentifier(URI)
        ranged = {"textDocument": document, "range": self._json(whole)}
        yield "hover", "textDocument/hover", here, lambda: hover(fresh, place, ABILITIES)
        yield (
            "completion",
            "textDocument/completion",
            here,
            lambda: completion_feature.completion(fresh, types.CompletionParams(identifier, place), ABILITIES),
        )
        yield "symbols", "textDocument/documentSymbol", ranged, lambda: document_symbols(fresh, ABILITIES)
        yield "links", "textDocument/documentLink", ranged, lambda: document_links(fresh)
        yield "lenses", "textDocument/codeLens", ranged, lambda: code_lenses(fresh)
        hints = types.InlayHintParams(identifier, whole)
        yield "hints", "textDocument/inlayHint", ranged, lambda: inlay_hints(fresh, hints)
        asked = types.CodeActionParams(identifier, types.Range(place, place), types.CodeActionContext([]))
        actions = {"textDocument": document, "range": {"start": position, "end": position}}
        yield (
            "actions",
            "textDocument/codeAction",
            {**actions, "context": {"diagnostics": []}},
            lambda: code_actions(fresh, asked, ABILITIES),
        )

    def _json(self, value: Any) -> Any:
        return json.loads(json.dumps(value, default=self.converter.unstructure))


def _compared(name: str, answer: Any) -> Any:
    """An answer without what is not said: nothing is an empty list, and an item of completion is its label and edit."""
    if name == "completion" and answer:
        return [{"label": each["label"], "textEdit": each.get("textEdit")} for each in answer]
    return answer or None


def _inside(answer: Any, fresh: Snapshot) -> None:
    """Every range in an answer lies inside the text it is about."""
    lines = fresh.analysis.tree.lines
    for found in _ranges(answer):
        for end in (found["start"], found["end"]):
            assert end["line"] < len(lines.starts), f"{found} is below the text"
            span = lines.line_span(end["line"])
            assert end["character"] <= width(fresh.text[span.start : span.end], fresh.encoding), f"{found} is outside"


def _ranges(answer: Any) -> Iterator[Any]:
    if isinstance(answer, dict):
        if {"start", "end"} <= set(answer) and isinstance(answer["start"], dict):
            yield answer
        for value in answer.values():
            yield from _ranges(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from _ranges(value)


def fuzz(encoding: Encoding, steps: int, seed: int = 0) -> int:
    """Run so many steps in one encoding; how many answers were compared."""
    session = Fuzz(encoding, seed)
    try:
        session.start()
        session.run(steps)
    finally:
        session.finish()
    return session.checked


def main() -> None:
    """Every encoding, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for encoding in ENCODINGS:
        began = time.monotonic()
        compared = fuzz(encoding, options.steps, options.seed)
        print(f"{encoding}: {options.steps} steps, {compared} compared, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())

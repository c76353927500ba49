"""How the server behaves towards a client and whoever types: exit codes, plain text, patience with half a word."""

from __future__ import annotations

import json
import subprocess

import pytest
from lsprotocol import types

from tests.lsp.wire import COMMAND, Wire
from vram_engine.view.plain_text import plain_text
from vram_lsp.features.diagnostics import diagnostics
from vram_lsp.features.hover import hover
from vram_lsp.patience import STILL_S, edited_line
from vram_lsp.proto import Abilities, abilities_of

URI = "untitled:/deployment.yaml"
LLAMA = "# vram: gpu=h100\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n"


def framed(*messages):
    """Messages as they go over the wire."""
    bodies = (json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages)
    return b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)


@pytest.mark.parametrize(("shutdown", "code"), [(True, 0), (False, 1)])
def test_exit_fails_unless_it_was_announced(shutdown, code):
    """LSP: exit code 0 after a shutdown request, 1 without one."""
    initialize = {"id": 1, "method": "initialize", "params": {"capabilities": {}, "processId": None, "rootUri": None}}
    last = [{"id": 2, "method": "shutdown"}] if shutdown else []
    sent = framed(initialize, {"method": "initialized", "params": {}}, *last, {"method": "exit"})
    ended = subprocess.run(COMMAND, input=sent, capture_output=True, timeout=60, check=False)
    assert ended.returncode == code


def test_plain_text_keeps_the_words():
    """Emphasis, marks of code and the lines of tables go; columns stay in line, and a bar in a cell is one."""
    table = "| per GPU     |   GiB |\n|:------------|------:|\n| **weights** | **1.5** |\n| a\\|b | 2 |"
    assert plain_text(table) == "per GPU        GiB\nweights  1.5\na|b  2"
    assert plain_text("**fits** with `max-model-len`") == "fits with max-model-len"


def test_a_hover_is_in_the_form_the_client_shows(snapshot):
    """Markdown where it is what the client likes best, else plain text without any of its marks."""
    taken = snapshot(LLAMA)
    marked = hover(taken, types.Position(1, 2), Abilities(hovers_markdown=True)).contents
    plain = hover(taken, types.Position(1, 2), Abilities()).contents
    assert (marked.kind, plain.kind) == (types.MarkupKind.Markdown, types.MarkupKind.PlainText)
    assert "| weights " in marked.value
    assert "weights " in plain.value
    assert not {"|", "*", "`"} & set(plain.value)


@pytest.mark.parametrize(
    ("formats", "markdown"),
    [(["markdown", "plaintext"], True), (["plaintext", "markdown"], False), (["plaintext"], False), ([], False)],
)
def test_the_first_format_a_client_names_is_the_one_it_gets(formats, markdown):
    """In LSP their order is that of preference."""
    kinds = [types.MarkupKind(each) for each in formats]
    client = types.ClientCapabilities(
        text_document=types.TextDocumentClientCapabilities(hover=types.HoverClientCapabilities(content_format=kinds))
    )
    assert abilities_of(client).hovers_markdown is markdown


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("a\nb\n", "a\nbc\n", 1),
        ("a\nb\n", "a\nb\nx", 2),
        ("a\nb\n", "a\nb\n\n", 2),
        ("a: 1\r\nb\r\n", "a: 1\r\nbc\r\n", 1),
        ("same\n", "same\n", 0),
        ("a\nb\nc\n", "", 0),
        ("", "a", 0),
    ],
)
def test_the_line_that_was_edited(before, after, line):
    """It is the last one that is not as it was."""
    assert edited_line(before, after) == line


@pytest.mark.parametrize(
    ("last", "typed", "found"),
    [
        ("max-num", 3, []),
        ("max-num", 2, ["yaml-syntax"]),
        ("max-num", None, ["yaml-syntax"]),
        ('dtype: "half', 3, ["yaml-syntax"]),
        ("two words", 3, ["yaml-syntax"]),
    ],
)
def test_only_a_bare_word_on_the_line_being_typed_waits(snapshot, last, typed, found):
    """Not on another line, not once nobody types, not for any other mistake."""
    taken = snapshot(LLAMA + last)
    assert [each.code for each in diagnostics(taken, typed).diagnostics] == found


@pytest.fixture
def wire():
    """A server and the least client."""
    connection = Wire()
    yield connection
    connection.close()


def test_a_word_becomes_a_mistake_when_it_is_left_alone(wire):
    """Nothing flashes while it is typed; the finding comes by itself, and at once when the next line is begun."""
    wire.initialize()
    wire.open(URI, LLAMA)
    for version, tail in ((2, "m"), (3, "ma"), (4, "max")):
        wire.change(URI, LLAMA + tail, version)
        wire.until(lambda version=version: (version, []) in wire.published(URI))
    assert all(not codes for _, codes in wire.published(URI))
    wire.until(lambda: (4, ["yaml-syntax"]) in wire.published(URI), STILL_S + 30)
    wire.change(URI, LLAMA + "maxi", 5)
    wire.until(lambda: (5, []) in wire.published(URI))
    wire.change(URI, LLAMA + "maxi\n", 6)
    wire.until(lambda: (6, ["yaml-syntax"]) in wire.published(URI))

"""Beginning a file and writing arguments: snippets, signatures and hovers inside commands."""

from __future__ import annotations

import re

import pytest
from lsprotocol import types

from vram_engine.analysis import analyse
from vram_lsp import proto
from vram_lsp.features.completion import completion
from vram_lsp.features.hover import hover
from vram_lsp.features.signature_help import signature_help

DOCUMENT = types.TextDocumentIdentifier("file:///srv/serve.yaml")
CAN = proto.Abilities(inserts_snippets=True)
MODEL = "Qwen/Qwen2.5-7B-Instruct"
COMPOSE = (
    "services:\n  é🦙:\n    image: vllm/vllm-openai:v0.32.0\n"
    f"    command: --served-model-name é🦙 --model {MODEL} --max-model-len 8192\n    # vram: gpu=l4\n"
)
KUBERNETES = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n  template:\n    spec:\n      containers:\n"
    f"      - name: vllm\n        image: vllm/vllm-openai:v0.32.0\n        command: [sh, -c, 'vllm serve {MODEL}"
    " --max-model-len 8192 --enforce-eager']\n# vram: gpu=l4\n"
)
LIST = (
    "services:\n  llm:\n    image: vllm/vllm-openai:v0.32.0\n    command:\n"
    f"      - --model={MODEL}\n      - --max-model-len\n      - '8192'\n    # vram: gpu=l4\n"
)


def at(taken, offset):
    """An offset as a position."""
    where = taken.analysis.tree.lines.position(offset, taken.encoding)
    return types.Position(where.line, where.character)


def offered(taken, offset, abilities=CAN):
    """The snippets at an offset by their labels."""
    items = completion(taken, types.CompletionParams(DOCUMENT, at(taken, offset)), abilities)
    return {each.label: each for each in items if each.kind == types.CompletionItemKind.Snippet}


def filled(text):
    """A snippet as it is with every place left as it came."""
    return re.sub(r"\$\{\d:([^}]*)\}", r"\1", text).replace("$0", "")


@pytest.mark.parametrize("text", ["", "vllm", "# a comment\n\nvl", "---\n"])
def test_an_empty_document_may_begin_in_five_ways(snapshot, text):
    """Also after comments, and when the first word is half typed; it replaces that word."""
    found = offered(snapshot(text), len(text))
    assert set(found) == {"vllm-config", "vllm-profile", "vllm-compose", "vllm-kubernetes", "vllm-helm"}
    start = found["vllm-config"].text_edit.range.start.character
    assert start == len(text.rsplit("\n", 1)[-1]) - len(re.search(r"\w*$", text)[0])
    assert offered(snapshot(text), len(text), proto.Abilities()) == {}


@pytest.mark.parametrize(
    ("label", "dialect"),
    [
        ("vllm-config", "serve-config"),
        ("vllm-profile", "profile"),
        ("vllm-compose", "compose"),
        ("vllm-kubernetes", "kubernetes"),
        ("vllm-helm", "production-stack"),
    ],
)
def test_a_beginning_is_a_deployment_that_fits(snapshot, label, dialect):
    """Read back by the dialect it is for, with a verdict and without a finding."""
    taken = snapshot(filled(offered(snapshot(""), 0)[label].text_edit.new_text))
    assert taken.analysis.dialects == (dialect,)
    (plan,) = taken.analysis.plans
    assert plan.verdict == "fits"
    assert [each.rule for each in taken.analysis.findings if each.severity in ("error", "warning")] == []


def test_a_service_is_offered_below_services(snapshot):
    """In the indentation of the line, and still a compose file with one engine more."""
    text = COMPOSE + "  ll"
    found = offered(snapshot(text), len(text))
    assert set(found) == {"vllm-service"}
    after = text.removesuffix("ll") + filled(found["vllm-service"].text_edit.new_text)
    assert len(analyse(after).plans) == 2
    for elsewhere in (
        COMPOSE + "    ll",
        "volumes:\n  ll",
        COMPOSE + "volumes:\n  ll",
        "services:\n  - a\n  ll",
        COMPOSE,
    ):
        assert offered(snapshot(elsewhere), len(elsewhere)) == {}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [COMPOSE, KUBERNETES, LIST])
def test_hovers_speak_in_commands_and_lists(snapshot, text, encoding):
    """On an option's name, on its value, on the model and on the image, at the exact word."""
    taken = snapshot(text, encoding=encoding)
    for word, about in (("--max-model-len", "max-model-len"), ("8192", "max-model-len"), (MODEL, "model")):
        offset = text.index(word)
        shown = hover(taken, at(taken, offset + 1), CAN)
        assert shown.contents.value.startswith("fits: ")
        assert f"\n{about}: " in shown.contents.value
        assert at(taken, offset).line == shown.range.start.line
        assert shown.range.start.character <= at(taken, offset).character
        assert shown.range.end.character >= at(taken, offset + len(word)).character
    assert hover(taken, at(taken, text.index("vllm-openai")), CAN).contents.value.startswith("fits: ")


def test_an_option_that_is_not_in_force_is_described(snapshot):
    """Half written or overridden: what it is for, and nothing about memory."""
    text = COMPOSE.replace("8192", "8192 --kv-cache-dtype")
    shown = hover(snapshot(text), at(snapshot(text), text.index("--kv-cache") + 4), CAN)
    assert "KV" in shown.contents.value
    assert hover(snapshot("a: --max-model-len 1\n"), types.Position(0, 6), CAN) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [COMPOSE, KUBERNETES, LIST])
def test_the_signature_of_an_option_shows_while_its_value_is_written(snapshot, text, encoding):
    """Which option it is, what it takes, and what it is for; nothing for switches, names and other places."""
    taken = snapshot(text, encoding=encoding)
    params = types.SignatureHelpParams(DOCUMENT, at(taken, text.index("8192") + 2))
    shown = signature_help(taken, params, CAN)
    (found,) = shown.signatures
    assert found.label == "--max-model-len INT"
    assert [each.label for each in found.parameters] == ["INT"]
    assert "Most tokens of one request" in found.documentation.value
    for word in ("--max-model", "image"):
        elsewhere = types.SignatureHelpParams(DOCUMENT, at(taken, text.index(word) + 3))
        assert signature_help(taken, elsewhere, CAN) is None

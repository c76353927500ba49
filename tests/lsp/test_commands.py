"""The commands a view of its own is built on: editors/PROTOCOL.md as tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pygls.exceptions import JsonRpcException

from tests.lsp.wire import Wire
from vram_engine.analysis import analyse
from vram_engine.syntax.edits import TextEdit, apply
from vram_lsp import overrides, proto
from vram_lsp.features import trial

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
URI = "file:///srv/serve.yaml"
# Weights of 27.5 GiB in 16 bits: one L4 is not enough, two are.
QWEN = "# vram: gpu=l4 gpus=2\nmodel: Qwen/Qwen2.5-14B-Instruct # é🦙\nmax-model-len: 8192\n"
LEAST = proto.Abilities()
LOG = """\
INFO 08-12 [core.py:76] Initializing a V1 LLM engine (v0.10.2) with config: model='Qwen/Qwen2.5-7B-Instruct', \
max_seq_len=32768
INFO 08-12 [gpu_model_runner.py:2602] Model loading took 14.2717 GiB and 4.1 seconds
"""
PROTOCOL = Path(__file__).resolve().parents[2] / "editors/PROTOCOL.md"


def tried(snapshot, values, text=QWEN):
    """The answer of vramLsp.plan with these overrides."""
    return trial.plan(snapshot(text), trial.read_trial((URI, values)), LEAST)


def edited(snapshot, edit):
    """The text after a workspace edit."""
    lines = snapshot.analysis.tree.lines
    changes = edit.changes[URI]
    edits = (TextEdit(proto.span_of(lines, each.range, snapshot.encoding), each.new_text) for each in changes)
    return apply(snapshot.text, tuple(edits))


def test_overrides_are_sized_at_once_and_come_with_their_edit(snapshot):
    """Two GPUs instead of one: it fits, the file as it is does not, and the edit makes the file say so."""
    document = tried(snapshot, {"tensor_parallel_size": 2, "max_model_len": "16K"})
    (deployment,) = document["deployments"]
    assert (deployment["verdict"], deployment["tensor_parallel_size"]) == ("fits", 2)
    assert deployment["max_model_len"] == 16384
    assert deployment["settings"]["tensor-parallel-size"]["origin"] == "argument"
    assert document["document"] == {"uri": URI, "version": 1}
    taken = snapshot(QWEN)
    after = edited(taken, deployment["edit"])
    assert after == QWEN.replace("8192", "16384") + "tensor-parallel-size: 2\n"
    (plan,) = analyse(after, taken.context).plans
    assert plan.verdict == "fits"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_an_edit_stands_in_the_encoding_of_the_client(snapshot, encoding):
    """Behind characters that differ in width as well."""
    text = QWEN.replace("max-model-len: 8192\n", "'é🦙': 1\n").replace("\n'", " #\n'").rstrip("\n")
    taken = snapshot(text, encoding=encoding)
    found = trial.edit(taken, trial.Trial({"max-model-len": 4096}), LEAST)
    assert edited(taken, found).endswith("\nmax-model-len: 4096")


def test_the_plan_without_overrides_is_the_file_as_it_is(snapshot):
    """Nothing to apply, and null takes an override back."""
    for said in ({}, {"max_model_len": None}, {"max_model_len": 8192}):
        (deployment,) = tried(snapshot, said)["deployments"]
        assert deployment["verdict"] == "infeasible"
        assert deployment["edit"] is None


def test_what_a_file_cannot_say_has_no_edit(snapshot):
    """A vLLM config has no place for a GPU but our comment, which is not rewritten: it can be tried all the same."""
    (deployment,) = tried(snapshot, {"gpu": "H100 80GB"}, QWEN.replace("# vram: gpu=l4 gpus=2\n", ""))["deployments"]
    assert deployment["gpu"]["id"].startswith("h100")
    assert deployment["edit"] is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"max_model_len": "long"}, "max-model-len"),
        ({"max_model_len": True}, "number or a string"),
        ({"max_model_len": [1]}, "number or a string"),
        ({"max_model_len": 10**400}, "max"),
        ({"gpu_memory_utilization": float("nan")}, "gpu-memory-utilization"),
        ({"gpus": 0}, "above 0"),
        ({"gpus": 2.5}, "above 0"),
        ({"concurrency": "8"}, "above 0"),
        ({"gpu": "h1000"}, "one GPU of the catalogue"),
        ({"gpu": 7}, "one GPU of the catalogue"),
        ({"model": "x"}, "cannot be overridden; these can: tensor_parallel_size"),
        ({"kv_cache_dtype": "fp7"}, "kv-cache-dtype"),
        ([1], "must be an object"),
        ("x", "must be an object"),
    ],
)
def test_an_override_that_cannot_be_is_refused_in_words(said, words):
    """Nothing is guessed and nothing is ignored."""
    with pytest.raises(overrides.OverrideError, match=words):
        overrides.read_overrides(said)


@pytest.mark.parametrize(
    "arguments", [(7,), ("x",), ([1],), ({}, {"deployment": "0"}), ({}, {"version": True}), ({}, 7), ({"gpus": -1},)]
)
def test_arguments_of_another_shape_are_refused(arguments):
    """As an error of the protocol, before anything is analysed."""
    with pytest.raises(JsonRpcException):
        trial.read_trial((URI, *arguments))


@pytest.mark.parametrize(
    ("abilities", "asked", "words"),
    [
        (LEAST, trial.Trial({"max-model-len": 4096}), "does not apply edits"),
        (proto.Abilities(applies_edits=True), trial.Trial({"max-model-len": 4096}, version=7), "has changed since"),
        (proto.Abilities(applies_edits=True), trial.Trial({"max-model-len": 4096}, 3), "cannot be written"),
        (proto.Abilities(applies_edits=True), trial.Trial({}), "cannot be written"),
    ],
)
def test_an_edit_that_cannot_be_applied_says_why(snapshot, abilities, asked, words):
    """The client cannot, the document moved on, there is no such deployment, or nothing to write."""
    with pytest.raises(JsonRpcException, match=words):
        trial.edit_to_apply(snapshot(QWEN), asked, abilities)


@pytest.fixture
def wire():
    """A server, and a client that applies edits and keeps them."""
    kept = []
    connection = Wire(answers={"workspace/applyEdit": lambda params: kept.append(params) or {"applied": True}})
    connection.kept = kept
    yield connection
    connection.close()


def command(wire, name, *arguments):
    """The whole response to a command."""
    return wire.response(wire.ask("workspace/executeCommand", {"command": name, "arguments": list(arguments)}))


def test_a_slider_and_apply_to_file(wire):
    """The whole way over the wire: plan, override, apply, and a refusal with its code."""
    wire.initialize({"workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}}})
    wire.open(URI, QWEN)
    said = {"tensor_parallel_size": 2}
    (deployment,) = command(wire, "vramLsp.plan", URI, said)["result"]["deployments"]
    assert deployment["verdict"] == "fits"
    (change,) = deployment["edit"]["documentChanges"]
    assert change["textDocument"] == {"uri": URI, "version": 1}
    applied = command(wire, "vramLsp.apply", URI, said, {"deployment": 0, "version": 1})["result"]
    assert applied == {"applied": True, "failure_reason": None}
    assert wire.kept[0]["edit"] == deployment["edit"]
    refused = command(wire, "vramLsp.plan", URI, {"gpu": "abacus"})["error"]
    assert refused["code"] == -32602
    assert "one GPU of the catalogue" in refused["message"]


def test_the_receipt_of_a_log(wire, tmp_path):
    """By its text, by a path below a workspace folder; what is no log or no file is refused in words."""
    (tmp_path / "boot.log").write_text(LOG)
    wire.initialize(workspaceFolders=[{"uri": tmp_path.as_uri(), "name": "w"}])
    log = tmp_path / "boot.log"
    for said in ({"text": LOG}, "boot.log", str(log), log.as_uri()):
        document = command(wire, "vramLsp.receipt", said)["result"]
        assert document["model"] == "Qwen/Qwen2.5-7B-Instruct"
        assert document["vllm_version"] == "0.10.2"
        assert "weights" in document["text"]
        assert "\x1b" not in document["text"]
    with_gpu = command(wire, "vramLsp.receipt", {"text": LOG}, {"gpu": "l4"})["result"]
    assert with_gpu["gpu"] == "l4"
    for said in ({"text": "nothing"}, "no.log", "-", "/dev/zero", {}, 7, "\0", {"text": 7}, "untitled:x"):
        assert command(wire, "vramLsp.receipt", said)["error"]["code"] == -32602


def test_the_protocol_names_every_override_and_command():
    """The page that views are written from is complete."""
    page = PROTOCOL.read_text(encoding="utf-8")
    for name in (*overrides.NAMES, "vramLsp.plan", "vramLsp.apply", "vramLsp.receipt", "vramLsp.recommend"):
        assert f"`{name}`" in page
    for example in page.split("```json")[1:]:
        json.loads(example.split("```")[0])

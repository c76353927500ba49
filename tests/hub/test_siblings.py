"""Quantized checkpoints that the hub lists for a model: which are taken, what stands in for an answer, their use."""

from __future__ import annotations

import json

import pytest

from tests.hub.checkpoints import LLAMA_CONFIG
from vram_engine.analysis import Context, analyse
from vram_engine.model.reference import ModelRef, Unanswered
from vram_engine.offering import recommended
from vram_engine.sources.model_files import found_model
from vram_lsp.recommending import looked_up

REF = ModelRef("org/llama")
LISTING = "/api/models?filter=base_model:quantized:org/llama"
FP8 = {**LLAMA_CONFIG, "quantization_config": {"quant_method": "fp8", "activation_scheme": "dynamic"}}


def lists(hub, *rows):
    """Let the hub list these repositories as made from the model."""
    body = json.dumps([{"id": name, "tags": list(tags)} for name, tags in rows]).encode()
    hub.fail(LISTING, lambda handler: handler.send(200, body))


def find(client):
    """A look-up that asks the hub alone."""

    def find(ref):
        return found_model(client.fetch(ref), "hub")

    return find


def test_only_what_vllm_loads_is_taken_and_in_the_hubs_order(hub, client):
    """GGUF and MLX are for other programs, and a repository that says no format may be anything."""
    lists(
        hub,
        ("a/llama-FP8", ["compressed-tensors", "8-bit"]),
        ("b/llama-GGUF", ["gguf", "4-bit"]),
        ("c/llama-mlx", ["mlx", "4-bit"]),
        ("d/llama", ["safetensors"]),
        ("e/llama-AWQ", ["AWQ", "4-bit"]),
    )
    assert client.quantized(REF) == ("a/llama-FP8", "e/llama-AWQ")
    assert [path.partition("&")[0] for path in hub.paths] == [LISTING]


@pytest.mark.parametrize(
    "body", [b"{}", b"no", b"[" * 5000, json.dumps([7, None, {"id": 7}, {"id": "../x", "tags": ["awq"]}]).encode()]
)
def test_a_lying_list_names_nothing(hub, client, body):
    """What is no list of repositories is a reason or an empty answer, never an exception."""
    hub.fail(LISTING, lambda handler: handler.send(200, body))
    answer = client.quantized(REF)
    assert answer == () or isinstance(answer, Unanswered)


def test_a_hub_that_refuses_is_a_reason(hub, client):
    """As for a model's files."""
    hub.fail(LISTING, lambda handler: handler.send(503, b"no"))
    assert isinstance(looked_up(REF, client, find(client)), Unanswered)


def test_a_listed_checkpoint_is_read_and_recommended(hub, client):
    """8 B parameters in 16 bits do not fit 16 GB; the checkpoint in 8 bits that the hub names does."""
    hub.add(REF.name, LLAMA_CONFIG)
    hub.add("a/llama-FP8", FP8)
    lists(hub, ("a/llama-FP8", ["fp8", "8-bit"]), ("a/gone", ["fp8"]))
    siblings = looked_up(REF, client, lambda ref: find(client)(ref) if ref.name != "a/gone" else None)
    assert [each.ref.name for each in siblings] == ["a/llama-FP8"]
    text = "# vram: gpu=rtx-4080 gpus=1\nmodel: org/llama\nmax-model-len: 8192\n"
    context = Context(models={REF: find(client)(REF)}, siblings={REF: siblings})
    offers = recommended(analyse(text, context), 0, context).offers
    named = [each for each in offers if each.choice.settings.get("model") == "a/llama-FP8"]
    assert named
    assert "8 bits, 8." in named[0].choice.because[0]


def test_another_model_is_no_sibling_whatever_its_page_says(hub, client):
    """A checkpoint of fewer layers is not offered."""
    hub.add(REF.name, LLAMA_CONFIG)
    hub.add("a/small-FP8", {**FP8, "num_hidden_layers": 4})
    lists(hub, ("a/small-FP8", ["fp8"]))
    context = Context(models={REF: find(client)(REF)}, siblings={REF: looked_up(REF, client, find(client))})
    offers = recommended(analyse("# vram: gpu=rtx-4080 gpus=1\nmodel: org/llama\n", context), 0, context).offers
    assert not [each for each in offers if "model" in each.choice.settings]

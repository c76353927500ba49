"""Model directories: found by path, read as data, and hostile ones answered with a reason."""

from __future__ import annotations

import json
import os

import pytest

from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.sources.local import LocalModels

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}


def directory(folder, text, name="config.json"):
    """A model directory with one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def find(name, *folders):
    """What local directories say of a name."""
    return LocalModels().find(ModelRef(name), folders)


def test_a_directory_is_found_by_any_of_its_paths(tmp_path):
    """Absolute, relative to the file's folder, or relative to a folder above."""
    model = directory(tmp_path / "models/llama", json.dumps(LLAMA))
    for name, folder in ((str(model), tmp_path), ("./models/llama", tmp_path), ("models/llama", tmp_path)):
        found = find(name, tmp_path / "elsewhere", folder)
        assert isinstance(found, FoundModel)
        assert (found.source, found.spec.parameters) == ("local", 8_030_261_248)


def test_a_hub_id_is_not_a_path(tmp_path):
    """A name that could be a hub's is left to other sources; one that can only be a path is missing."""
    assert find("org/name", tmp_path) is None
    for name in ("./org/name", "/org/name", "../name", "~/name", "a/b/c"):
        assert isinstance(find(name, tmp_path), Unavailable), name


HOSTILE = {
    "not JSON": "{",
    "not an object": "[]",
    "deep": "[" * 100_000,
    "empty": "",
    "no architecture": "{}",
    "an unknown architecture": '{"architectures": ["MadeUpForCausalLM"]}',
    "a wrong type": json.dumps({**LLAMA, "hidden_size": "4096"}),
    "a negative size": json.dumps({**LLAMA, "num_hidden_layers": -1}),
    "a huge size": json.dumps({**LLAMA, "num_hidden_layers": 10**30}),
    "a huge number of layers": json.dumps({**LLAMA, "num_hidden_layers": 10**9}),
    "not a number": json.dumps({**LLAMA, "hidden_size": float("nan")}),
    "no vocabulary": json.dumps({**LLAMA, "vocab_size": 0}),
    "more KV heads than heads": json.dumps({**LLAMA, "num_key_value_heads": 64}),
    "no heads": json.dumps({**LLAMA, "num_attention_heads": 0}),
    "a list for an object": json.dumps({**LLAMA, "rope_scaling": []}),
    "digits without end": '{"hidden_size": ' + "9" * 10_000 + "}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_config_that_cannot_be_used_is_a_reason(text, tmp_path):
    """Whatever config.json holds, the answer is a model or a sentence, quickly."""
    model = directory(tmp_path / "model", text)
    found = find(str(model), tmp_path)
    assert isinstance(found, Unavailable)
    assert found.reason


def test_files_that_are_no_files_are_not_read(tmp_path):
    """A pipe or a device in place of config.json cannot hang or fill the server."""
    os.mkfifo(directory(tmp_path / "pipe", "", "other") / "config.json")
    (directory(tmp_path / "device", "", "other") / "config.json").symlink_to("/dev/zero")
    for name in ("./pipe", "./device"):
        assert isinstance(find(name, tmp_path), Unavailable)


def test_names_that_are_no_paths_are_survived(tmp_path):
    """Control characters and endless names end in an answer."""
    for name in ("\0", "a" * 100_000, "../" * 1000, "~nobody-of-that-name/x"):
        find(name, tmp_path)


def test_a_broken_quantization_file_is_a_reason(tmp_path):
    """A hf_quant_config.json that cannot be read does not make its model a plain one."""
    model = directory(tmp_path / "llama", json.dumps(LLAMA))
    directory(model, "{", "hf_quant_config.json")
    found = find(str(model), tmp_path)
    assert isinstance(found, Unavailable)
    assert "hf_quant_config.json is not valid JSON" in found.reason

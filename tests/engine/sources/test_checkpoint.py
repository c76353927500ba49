"""Safetensors headers: exact bytes from honest files, a reason from every other, and no memory by a file's own word."""

from __future__ import annotations

import json
import os
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hub.checkpoints import (
    AWQ_BYTES,
    AWQ_CONFIG,
    LLAMA_BYTES,
    LLAMA_CONFIG,
    as_json,
    awq,
    described,
    llama,
    plain,
    safetensors,
    with_header,
)
from vram_engine.model.reference import FoundModel, ModelRef, StoredTensors
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import weights
from vram_engine.sources.checkpoint import (
    LONGEST_HEADER,
    Header,
    MalformedError,
    checkpoint_facts,
    header_length,
    is_one_set,
    weight_files,
)
from vram_engine.sources.local import LocalModels


def directory(folder, config, **files):
    """A model directory; file names have two underscores for a dash and one for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json(config).write(folder / "config.json")
    for name, file in files.items():
        file.write(folder / name.replace("__", "-").replace("_", "."))
    return folder


def found(folder):
    """The model in a directory."""
    model = LocalModels().find(ModelRef(str(folder)), ())
    assert isinstance(model, FoundModel), model
    return model


def read(header, body):
    """The facts of one file whose header is this object or text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return checkpoint_facts([Header("x.safetensors", text, body)])


def test_a_plain_checkpoint_weighs_what_vllm_allocates_for_it(tmp_path):
    """The tensors of Llama 3.1 8B are one to one with vLLM's parameters, so their bytes are vLLM's to the byte."""
    model = found(directory(tmp_path, LLAMA_CONFIG, model_safetensors=safetensors(llama())))
    assert model.checkpoint.total_bytes == LLAMA_BYTES
    assert model.checkpoint.bytes_by_dtype == {"BF16": LLAMA_BYTES}
    assert model.checkpoint.basis == "exact"
    assert model.notes == ()


def test_a_quantized_checkpoint_weighs_what_vllm_allocates_for_it(tmp_path):
    """Packed weights, zero points and scales too, to the byte."""
    model = found(directory(tmp_path, AWQ_CONFIG, model_safetensors=safetensors(awq())))
    assert model.checkpoint.total_bytes == AWQ_BYTES
    assert set(model.checkpoint.bytes_by_dtype) == {"I32", "F16"}
    assert model.notes == ()


def test_shards_add_up(tmp_path):
    """Three files with an index hold what one file would; files the index does not name are not loaded."""
    shards = {
        "model__00001__of__00003_safetensors": safetensors(llama(range(16), ends=False)),
        "model__00002__of__00003_safetensors": safetensors(llama(range(16, 32), ends=False)),
        "model__00003__of__00003_safetensors": safetensors(llama(range(0))),
    }
    index = {"weight_map": {str(n): f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)}}
    folder = directory(tmp_path, LLAMA_CONFIG, model_safetensors_index_json=as_json(index), **shards)
    safetensors(llama()).write(folder / "consolidated.safetensors")
    model = found(folder)
    assert (model.checkpoint.total_bytes, model.checkpoint.files) == (LLAMA_BYTES, 3)


def test_a_missing_shard_costs_the_exact_bytes_and_is_said(tmp_path):
    """A download that was broken off still sizes by its config.json, with a note."""
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    files = {"model__00001__of__00002_safetensors": safetensors(llama())}
    model = found(directory(tmp_path, LLAMA_CONFIG, model_safetensors_index_json=as_json(index), **files))
    assert model.checkpoint is None
    assert model.notes == ("1 of 2 files of weights are missing, model-00002-of-00002.safetensors first",)


def test_weights_that_are_not_those_of_the_config_are_said(tmp_path):
    """Half of the layers missing is far more than 1 % apart; parameters are compared, whatever the dtype."""
    model = found(directory(tmp_path, LLAMA_CONFIG, model_safetensors=safetensors(llama(range(16)))))
    (note,) = model.notes
    # 16 layers of 218,112,000 parameters are missing of 8,030,261,248.
    assert "8.030 billion parameters" in note
    assert "4.540" in note


def test_weights_that_the_files_contradict_are_not_certain(tmp_path):
    """The derived figure stays the expected one, and what the files hold is the other end of what it may be."""
    model = found(directory(tmp_path, LLAMA_CONFIG, model_safetensors=safetensors(llama(range(16)))))
    (stage,) = weights(model.spec, EngineArgs(), (9, 0))
    # 16 layers of 218,112,000 parameters are missing of 8,030,261,248, beside rotary tables of 32 MiB.
    assert stage.basis == "modelled"
    assert stage.high == stage.bytes
    assert stage.low == pytest.approx(stage.bytes * 4_540_469_248 / 8_030_261_248)
    assert "0.57 times" in stage.because
    (trusted,) = weights(replace(model.spec, held_ratio=None), EngineArgs(), (9, 0))
    assert (trusted.basis, trusted.low, trusted.high) == ("exact", stage.bytes, stage.bytes)


def test_what_speaks_and_the_head_of_a_pooling_model_are_not_compared(tmp_path):
    """A talker and its vocoder stay in the files, as does the output head of a model that embeds."""
    speaking = {"talker.model.weight": ("BF16", (4096, 262144)), "code2wav.conv.weight": ("BF16", (4096, 262144))}
    model = found(directory(tmp_path, LLAMA_CONFIG, model_safetensors=safetensors(llama() | speaking)))
    assert model.notes == ()
    pooling = LLAMA_CONFIG | {"architectures": ["LlamaModel"]}
    assert found(directory(tmp_path, pooling, model_safetensors=safetensors(llama()))).notes == ()


def test_what_vllm_does_not_load_is_not_compared(tmp_path):
    """Prediction layers behind the last one, stored rotary tables and a tied head's copy are no disagreement."""
    config = {**LLAMA_CONFIG, "tie_word_embeddings": True}
    more = {
        "model.layers.32.eh_proj.weight": ("BF16", (4096, 262144)),
        "mtp.fc.weight": ("BF16", (4096, 262144)),
        "model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", (2**28,)),
    }
    model = found(directory(tmp_path, config, model_safetensors=safetensors(llama() | more)))
    assert model.notes == ()
    tower = {"vision_tower.encoder.layers.40.mlp.fc1.weight": ("BF16", (4096, 262144))}
    (note,) = found(directory(tmp_path, config, model_safetensors=safetensors(llama() | tower))).notes
    assert "billion parameters" in note


def test_experts_of_a_layer_are_counted_together():
    """Numbers after the first in a name become one star, so that a checkpoint of many experts stays small."""
    shape = (768, 2048)
    tensors = {f"model.layers.{n}.mlp.experts.{e}.up_proj.weight": ("BF16", shape) for n in (0, 1) for e in range(128)}
    facts = read(*described(tensors))
    one_layer = 128 * 768 * 2048 * 2
    assert facts.tensors == tuple(
        StoredTensors(f"model.layers.{n}.mlp.experts.*.up_proj.weight", "BF16", shape, 128, one_layer) for n in (0, 1)
    )


def test_any_spelling_of_valid_json_is_read():
    """Blanks, another order of keys, escapes in names, and metadata with braces in its texts."""
    text = (
        b' {"x"'.lstrip() + b' : { "shape" : [ 2 , 3 ] , "data_offsets" : [ 0 , 12 ] , "dtype" : "F16" } ,\n'
        b'"__metadata__" : {"note": "}{\\"} , ["}, "\\u00e9": {"dtype":"F4","shape":[4],"data_offsets":[12,14]}}  '
    )
    assert {(each.name, each.bytes) for each in read(text, 14).tensors} == {("x", 12), ("é", 2)}
    assert read({}, 0).tensors == ()


def one(**changes):
    """A header of one tensor of 8 bytes, changed."""
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


OTHER = {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}

HOSTILE = {
    "no JSON": (b"{", 0),
    "an array": (b"[]", 0),
    "not UTF-8": (b'{"\xff": 1}', 0),
    "something behind it": (b"{} {}", 0),
    "a trailing comma": (json.dumps(one()).encode()[:-1] + b",}", 8),
    "nested without end": (b'{"x":' + b"[" * 100_000, 0),
    "nested metadata": (b'{"__metadata__":' + b"[" * 100_000, 0),
    "metadata twice": (b'{"__metadata__":{},"__metadata__":{}}', 0),
    "metadata that is no object": (b'{"__metadata__":[]}', 0),
    "a bomb of arrays": (b'{"x":[' + b"[]," * 100_000 + b"[]]}", 0),
    "a name without end": (b'{"' + b"a" * 10_000 + b'":1}', 0),
    "a name with a line break": (one() | {"a\nb": OTHER}, 12),
    "a key twice": (b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"dtype":"F32"}}', 8),
    "a tensor twice": (b'{"x":%b,"x":%b}' % (json.dumps(one()["x"]).encode(), json.dumps(OTHER).encode()), 8),
    "a key too many": (one(more=1), 8),
    "a key too few": ({"x": {"dtype": "F32", "shape": [2]}}, 8),
    "an unknown dtype": (one(dtype="F128"), 8),
    "a dtype that is no text": (one(dtype=["F32"]), 8),
    "a negative size": (one(shape=[-2]), 8),
    "a size that is no number": (one(shape=["2"]), 8),
    "a size that is a boolean": (one(shape=[True, 2]), 8),
    "a size that is a fraction": (one(shape=[2.0]), 8),
    "an endless size": (one(shape=[2**63, 2**63]), 8),
    "a shape that is no list": (one(shape=2), 8),
    "a shape of other bytes": (one(shape=[3]), 8),
    "a negative offset": (one(data_offsets=[-8, 0]), 8),
    "offsets backwards": (one(data_offsets=[8, 0]), 8),
    "one offset": (one(data_offsets=[8]), 8),
    "an offset outside the file": (one(data_offsets=[8, 16]), 8),
    "overlapping tensors": (one() | {"y": OTHER}, 8),
    "a hole between tensors": (one() | {"y": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}}, 16),
    "a hole at the start": (one(data_offsets=[4, 12]), 12),
    "a truncated file": (one(), 4),
    "a file that goes on": (one(), 9),
}


@pytest.mark.parametrize(("header", "body"), HOSTILE.values(), ids=HOSTILE)
def test_a_header_that_contradicts_itself_is_a_reason(header, body):
    """Whatever the header says, the answer is a sentence, and no number comes of it."""
    with pytest.raises(MalformedError, match=r"x\.safetensors"):
        read(header, body)


SMALL, SMALL_BODY = described({f"model.layers.{n}.x": ("BF16", (2, 4)) for n in range(3)})
SMALL_TEXT = json.dumps(SMALL).encode()
CHANGE = st.tuples(st.integers(0, len(SMALL_TEXT)), st.integers(0, 8), st.sampled_from(list(b'{}[]",:0-9e.\\\xff ')))


@settings(max_examples=300, deadline=None)
@given(st.lists(CHANGE, max_size=4), st.integers(0, 100))
def test_a_header_with_anything_changed_is_read_or_refused(changes, body):
    """Bytes put in place of others anywhere: facts that add up to the file, or a reason, and never anything else."""
    text = bytearray(SMALL_TEXT)
    for at, length, byte in changes:
        text[at : at + length] = bytes([byte])
    try:
        facts = read(bytes(text), body)
    except MalformedError:
        return
    assert facts.total_bytes == body


@pytest.mark.parametrize("length", [0, 1, 2**32, 2**63, 2**64 - 1, LONGEST_HEADER + 1])
def test_a_declared_length_is_never_believed(length, tmp_path):
    """A file of 100 GB may declare any header: one that is past the limit is refused before a byte of it is read."""
    with pytest.raises(MalformedError):
        header_length(length.to_bytes(8, "little"), "x", 100 * 10**9)
    file = with_header(b"{}", 0)
    folder = directory(tmp_path, LLAMA_CONFIG, model_safetensors=plain(length.to_bytes(8, "little") + file.data[8:]))
    tracemalloc.start()
    model = found(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model.checkpoint is None
    assert "model.safetensors" in model.notes[0]
    assert peak < 4 * 2**20


def test_a_tensor_in_two_files_is_refused():
    """Which of them would count nobody can tell."""
    header, body = described({"x": ("F32", (2,))})
    text = json.dumps(header).encode()
    with pytest.raises(MalformedError, match=r"b\.safetensors holds x"):
        checkpoint_facts([Header("a.safetensors", text, body), Header("b.safetensors", text, body)])


def test_an_index_cannot_lead_out_of_its_directory():
    """Only plain names of files that are there count; vLLM would refuse the others too."""
    index = json.dumps({"weight_map": {"a": "../../etc/x.safetensors", "b": "sub/y.safetensors", "c": "z.safetensors"}})
    assert weight_files(["z.safetensors", "other.safetensors"], index.encode()) == ("z.safetensors",)
    with pytest.raises(MalformedError, match="missing"):
        weight_files(["other.safetensors"], index.encode())
    assert weight_files(["a.bin", "sub/y.safetensors", "z.safetensors"], None) == ("z.safetensors",)


def test_shards_are_known_by_their_names():
    """A complete set of shards needs no index; a missing shard or a second set does."""
    shards = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    assert is_one_set(shards)
    assert is_one_set(["model.safetensors"])
    assert not is_one_set(shards[:2])
    assert not is_one_set([*shards, "consolidated.safetensors"])
    assert not is_one_set(["consolidated.safetensors", "model.safetensors"])
    assert not is_one_set([])


def test_pipes_and_devices_among_the_weights_are_passed_over(tmp_path):
    """What is no regular file cannot hang or fill anything."""
    folder = directory(tmp_path, LLAMA_CONFIG)
    os.mkfifo(folder / "hf_quant_config.json")
    os.mkfifo(folder / "model.safetensors")
    (folder / "model.safetensors.index.json").symlink_to("/dev/zero")
    model = found(folder)
    assert (model.checkpoint, model.notes) == (None, ())

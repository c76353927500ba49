"""GGUF headers: exact bytes from honest files, a reason from every other."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from vram_engine.model.reference import ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.sources.gguf import GgufFacts, read_gguf
from vram_engine.sources.local import LocalModels

U32, F32, STRING, ARRAY = 4, 6, 8, 9
Q4_K, Q6_K, TYPE_F32 = 12, 14, 0


def text(value):
    """A GGUF string."""
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value):
    """A key with its value."""
    return text(key) + struct.pack("<I", kind) + value


def tensor(name, shape, kind, start):
    """A tensor's info; dimensions are written fastest first."""
    dimensions = b"".join(struct.pack("<Q", size) for size in reversed(shape))
    return text(name) + struct.pack("<I", len(shape)) + dimensions + struct.pack("<IQ", kind, start)


PAIRS = (
    pair("general.architecture", STRING, text("llama")),
    pair("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, 3) + text("a") + text("bc") + text("")),
    pair("tokenizer.ggml.scores", ARRAY, struct.pack("<IQ", F32, 3) + bytes(12)),
    pair("llama.block_count", U32, struct.pack("<I", 2)),
)
# 144 bytes hold 256 weights in Q4_K, 210 in Q6_K; places are multiples of 32.
MATRIX = 1024 * 2048 // 256 * 144
HEAD = 32000 * 2048 // 256 * 210
TENSORS = (
    tensor("blk.0.ffn_up.weight", (1024, 2048), Q4_K, 0),
    tensor("blk.1.ffn_up.weight", (1024, 2048), Q4_K, MATRIX),
    tensor("output.weight", (32000, 2048), Q6_K, 2 * MATRIX),
    tensor("output_norm.weight", (2048,), TYPE_F32, 2 * MATRIX + HEAD),
)
BODY = 2 * MATRIX + HEAD + 2048 * 4


def write(path, pairs=PAIRS, tensors=TENSORS, body=BODY, magic=b"GGUF", version=3, counts=None):
    """A file with this header and a hole for its tensors."""
    many = counts or (len(tensors), len(pairs))
    header = magic + struct.pack("<IQQ", version, *many) + b"".join((*pairs, *tensors))
    with path.open("wb") as file:
        file.write(header)
        file.truncate(-(-len(header) // 32) * 32 + body)
    return path


def test_tensors_weigh_what_their_blocks_do(tmp_path):
    """Bytes by type, from the sizes of blocks; metadata as far as it is not an array."""
    facts = read_gguf(write(tmp_path / "x.gguf"))
    assert isinstance(facts, GgufFacts)
    assert facts.architecture == "llama"
    assert facts.metadata == {"general.architecture": "llama", "llama.block_count": 2}
    assert facts.checkpoint.total_bytes == BODY
    assert facts.checkpoint.bytes_by_dtype == {"Q4_K": 2 * MATRIX, "Q6_K": HEAD, "F32": 8192}
    assert facts.checkpoint.tensors[0].shape == (1024, 2048)


def test_a_gguf_model_says_what_it_is_and_that_it_is_not_sized(tmp_path):
    """A path to a file of that format gets its exact weight, and no verdict."""
    write(tmp_path / "model-Q4_K_M.gguf")
    found = LocalModels().find(ModelRef("./model-Q4_K_M.gguf"), (tmp_path,))
    assert found == Unavailable(
        "model-Q4_K_M.gguf is a GGUF checkpoint of 0.05 GiB of weights (llama, Q6_K, Q4_K, F32), and GGUF is not "
        "sized: vLLM reads it up to 0.22, later only with a plug-in"
    )


SHORT = tensor("x", (8,), TYPE_F32, 0)
HOSTILE = {
    "another format": {"magic": b"GGML"},
    "an old version": {"version": 1},
    "a version of the other byte order": {"version": 3 << 24},
    "endless tensors": {"counts": (2**63, 4)},
    "endless pairs": {"counts": (4, 2**63)},
    "more tensors than there are": {"counts": (400_000, 4)},
    "a key twice": {"pairs": (PAIRS[0], PAIRS[0])},
    "an endless key": {"pairs": (struct.pack("<Q", 2**62),)},
    "an endless text": {"pairs": (pair("k", STRING, struct.pack("<Q", 2**40)),)},
    "an unknown kind of value": {"pairs": (pair("k", 99, b""),)},
    "an endless array": {"pairs": (pair("k", ARRAY, struct.pack("<IQ", F32, 2**62)),)},
    "an endless array of texts": {"pairs": (pair("k", ARRAY, struct.pack("<IQ", STRING, 2**62)),)},
    "an array of arrays": {"pairs": (pair("k", ARRAY, struct.pack("<IQ", ARRAY, 1)),)},
    "an alignment of nothing": {"pairs": (pair("general.alignment", U32, bytes(4)),)},
    "an alignment that is text": {"pairs": (pair("general.alignment", STRING, text("32")),)},
    "a tensor twice": {"tensors": (SHORT, SHORT)},
    "an unknown type": {"tensors": (tensor("x", (8,), 4, 0),)},
    "too many dimensions": {"tensors": (tensor("x", (1,) * 9, TYPE_F32, 0),)},
    "rows that do not fill a block": {"tensors": (tensor("x", (100,), Q4_K, 0),)},
    "an endless shape": {"tensors": (tensor("x", (2**62, 2**62), TYPE_F32, 0),)},
    "a place outside the file": {"tensors": (tensor("x", (8,), TYPE_F32, 2**62),)},
    "a place off the grid": {"tensors": (tensor("x", (8,), TYPE_F32, 4),)},
    "overlapping tensors": {"tensors": (SHORT, tensor("y", (8,), TYPE_F32, 0))},
    "a truncated file": {"body": BODY - 1},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_a_header_that_cannot_be_is_a_reason(changes, tmp_path):
    """Whatever is declared, the answer is a sentence, quickly and without its memory."""
    path = write(tmp_path / "x.gguf", **changes)
    tracemalloc.start()
    found = read_gguf(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found, Unavailable)
    assert found.reason.startswith("x.gguf")
    assert peak < 2**20


@pytest.mark.parametrize("length", [0, 3, 4, 8, 23, 60, 200])
def test_a_file_may_end_anywhere(length, tmp_path):
    """A header that is cut off is a reason, wherever the cut is."""
    path = write(tmp_path / "x.gguf")
    path.write_bytes(path.read_bytes()[:length])
    assert isinstance(read_gguf(path), Unavailable)

"""Safetensors files whose headers are real and whose tensors of many gigabytes are only declared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

BITS = {"F32": 32, "BF16": 16, "F16": 16, "F8_E4M3": 8, "I32": 32, "I64": 64, "U8": 8, "F4": 4}

LLAMA_CONFIG = {
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
# What vLLM 0.32 allocates for the parameters of Llama 3.1 8B in bfloat16 at a tensor parallel size of 1.
LLAMA_BYTES = 16_060_522_496

# The same for Qwen2.5 7B Instruct as AutoAWQ stores it: packed int4 in groups of 128 with zero points.
AWQ_BYTES = 5_570_747_392
AWQ_CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "torch_dtype": "float16",
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
    "quantization_config": {
        "quant_method": "awq",
        "bits": 4,
        "group_size": 128,
        "zero_point": True,
        "version": "gemm",
    },
}

Tensors = dict[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class File:
    """The beginning of a file, and how large the whole says it is."""

    data: bytes
    size: int

    def write(self, path: Path) -> None:
        """The file on disk, with a hole where the tensors would be."""
        with path.open("wb") as file:
            file.write(self.data)
            file.truncate(self.size)


def plain(data: bytes) -> File:
    """A file that is all there."""
    return File(data, len(data))


def as_json(value: object) -> File:
    """A JSON file."""
    return plain(json.dumps(value).encode())


def with_header(header: bytes, body: int) -> File:
    """A safetensors file with any header at all."""
    data = len(header).to_bytes(8, "little") + header
    return File(data, len(data) + body)


def described(tensors: Tensors) -> tuple[dict[str, object], int]:
    """The header's object for tensors one behind the other, and the bytes they take."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = prod(shape) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return header, at


def safetensors(tensors: Tensors) -> File:
    """A file of these tensors, as the format's own writer lays it out: no blanks, padded to eight bytes."""
    header, body = described(tensors)
    text = json.dumps(header, separators=(",", ":")).encode()
    return with_header(text + b" " * (-len(text) % 8), body)


def llama(layers: range = range(32), ends: bool = True) -> Tensors:
    """Tensors of Llama 3.1 8B by the names of its checkpoint; ``ends`` are embedding, head and last norm."""
    tensors: Tensors = {}
    for layer in layers:
        prefix = f"model.layers.{layer}"
        tensors |= {
            f"{prefix}.input_layernorm.weight": ("BF16", (4096,)),
            f"{prefix}.post_attention_layernorm.weight": ("BF16", (4096,)),
            f"{prefix}.self_attn.q_proj.weight": ("BF16", (4096, 4096)),
            f"{prefix}.self_attn.k_proj.weight": ("BF16", (1024, 4096)),
            f"{prefix}.self_attn.v_proj.weight": ("BF16", (1024, 4096)),
            f"{prefix}.self_attn.o_proj.weight": ("BF16", (4096, 4096)),
            f"{prefix}.mlp.gate_proj.weight": ("BF16", (14336, 4096)),
            f"{prefix}.mlp.up_proj.weight": ("BF16", (14336, 4096)),
            f"{prefix}.mlp.down_proj.weight": ("BF16", (4096, 14336)),
        }
    if ends:
        tensors |= {
            "model.embed_tokens.weight": ("BF16", (128256, 4096)),
            "model.norm.weight": ("BF16", (4096,)),
            "lm_head.weight": ("BF16", (128256, 4096)),
        }
    return tensors


def awq() -> Tensors:
    """Tensors of Qwen2.5 7B Instruct AWQ: for a matrix [in, out] packed weights, zeros and scales by groups of 128."""

    def linear(name: str, rows: int, cols: int) -> Tensors:
        return {
            f"{name}.qweight": ("I32", (cols, rows // 8)),
            f"{name}.qzeros": ("I32", (cols // 128, rows // 8)),
            f"{name}.scales": ("F16", (cols // 128, rows)),
        }

    tensors: Tensors = {
        "model.embed_tokens.weight": ("F16", (152064, 3584)),
        "lm_head.weight": ("F16", (152064, 3584)),
        "model.norm.weight": ("F16", (3584,)),
    }
    for layer in range(28):
        prefix = f"model.layers.{layer}"
        for name, rows in (("q_proj", 3584), ("k_proj", 512), ("v_proj", 512)):
            tensors |= linear(f"{prefix}.self_attn.{name}", rows, 3584)
            tensors[f"{prefix}.self_attn.{name}.bias"] = ("F16", (rows,))
        tensors |= linear(f"{prefix}.self_attn.o_proj", 3584, 3584)
        tensors |= linear(f"{prefix}.mlp.gate_proj", 18944, 3584)
        tensors |= linear(f"{prefix}.mlp.up_proj", 18944, 3584)
        tensors |= linear(f"{prefix}.mlp.down_proj", 3584, 18944)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}.{name}.weight"] = ("F16", (3584,))
    return tensors

"""LocalAI: a model's configuration with the vLLM backend."""

from __future__ import annotations

from vram_engine.deployment import Deployment
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment
from vram_engine.dialects.keyed import Spelling, read_keyed, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.trees import at, key_span, text_of
from vram_engine.syntax.nodes import Document, Tree

# What LocalAI's backend hands on to vLLM (backend/python/vllm).
_KEYS = Spelling(
    "",
    {
        "gpu_memory_utilization": "gpu-memory-utilization",
        "max_model_len": "max-model-len",
        "tensor_parallel_size": "tensor-parallel-size",
        "swap_space": "swap-space",
        "quantization": "quantization",
        "enforce_eager": "enforce-eager",
        "trust_remote_code": "trust-remote-code",
        "dtype": "dtype",
        "load_format": "load-format",
    },
)
_ENGINE = Spelling("snake")


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number])


def _suits(document: Document) -> bool:
    return text_of(at(document.root, "backend")) == "vllm" and text_of(at(document.root, "parameters", "model")) != ""


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    text, root = tree.text, tree.documents[number].root
    engine = together(
        model_settings(text, at(root, "parameters", "model")),
        read_keyed(text, root, _KEYS),
        read_keyed(text, at(root, "engine_args"), _ENGINE),
    )
    name = text_of(at(root, "name")) or "model"
    return (deployment("localai", name, number, key_span(root, "backend"), engine, Given()),)


LOCALAI = Dialect("localai", _claims, _suits, _read)

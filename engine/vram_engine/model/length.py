"""The longest context a model's config allows, and the one vLLM takes when none is asked for."""

from __future__ import annotations

from vram_engine.facts.versions import Version
from vram_engine.model.config import Config
from vram_engine.model.spec import ModelSpec, RopeScaling

LENGTH_KEYS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
LENGTH_WITHOUT_KEYS = 2048

# Rope types whose max_position_embeddings is the scaled length already.
ALREADY_SCALED = frozenset({"su", "longrope", "llama3"})
YARN = frozenset({"yarn", "deepseek_yarn", "deepseek_llama_scaling"})
YARN_ALREADY_SCALED = Version(0, 30, 0)


def stated_length(config: Config) -> int | None:
    """The shortest of the lengths a config states; ``model_max_length`` alone wins where it is given."""
    lengths = [length for key in LENGTH_KEYS if (length := config.optional_integer(key)) is not None]
    return config.optional_integer("model_max_length") or min(lengths, default=None)


def derived_max_model_len(spec: ModelSpec, version: Version, *, disable_sliding_window: bool = False) -> int:
    """The length above which vLLM refuses ``max_model_len`` (vllm/config/model.py, ``_get_and_verify_max_len``)."""
    length = spec.length
    if disable_sliding_window and spec.sliding_window and (length is None or spec.sliding_window < length):
        length = spec.sliding_window
    if length is None:
        length = LENGTH_WITHOUT_KEYS
    if "gemma3" in spec.model_type:
        return length
    factor = 1.0
    for rope in spec.rope:
        if rope.kind in YARN and version < YARN_ALREADY_SCALED:
            length = rope.original_length or length
        if _is_scaled(rope, version) and rope.factor is not None:
            factor = rope.factor
    return int(length * factor)


def default_max_model_len(spec: ModelSpec, version: Version, *, disable_sliding_window: bool = False) -> int:
    """The ``max_model_len`` vLLM takes when none is given: the derived one, or LongRoPE's length before scaling."""
    derived = derived_max_model_len(spec, version, disable_sliding_window=disable_sliding_window)
    original = [rope.original_length for rope in spec.rope if rope.kind == "longrope"]
    return original[0] or derived if original else derived


def _is_scaled(rope: RopeScaling, version: Version) -> bool:
    if rope.kind in YARN:
        return version < YARN_ALREADY_SCALED
    return rope.kind not in ALREADY_SCALED

"""From a model's files, wherever they were read, to a model: the same reading for directories, caches and the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod

from vram_engine.model import from_config
from vram_engine.model.reference import CheckpointFacts, FoundModel, SourceName, StoredTensors
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import allocated_bytes, weights
from vram_engine.sources.quantize_files import READINGS, section_of

CONFIG, QUANT_CONFIG, MODULES = "config.json", "hf_quant_config.json", "modules.json"

# The largest real config.json is a few hundred KiB, with quantization settings for every expert a few MiB.
LONGEST_JSON = 8 * 2**20
_MOST_CONTAINERS = 250_000
# Real ones nest less than ten deep. Python's own limit depends on who calls, and would be met when it is written again.
_DEEPEST = 100

# Two figures for the same weights that are further apart than this are not the same weights.
_TOLERANCE = 0.01
# What models that speak have besides, which vLLM's classes for their understanding leave in the files.
SPEAKING = ("talker.", "token2wav.", "code2wav.", "tts.")
# Any capability that the formats of today load on; it decides nothing else about the bytes that are allocated.
_CAPABILITY = (9, 0)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What the files of a model say, read but not interpreted.

    ``checkpoint`` is None where its headers were not read, ``commit`` the hub's hash of this state of the files.
    ``quantize_files`` are GPTQ's and AWQ's own files by name (``sources/quantize_files.py``).
    """

    config: Mapping[str, object]
    quant_config: Mapping[str, object] | None = None
    pooling: bool = False
    checkpoint: CheckpointFacts | None = None
    commit: str | None = None
    notes: tuple[str, ...] = ()
    quantize_files: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def found_model(files: ModelFiles, source: SourceName) -> FoundModel | Unavailable:
    """The model that ``files`` describe, and what else it may be asked to be."""
    found = _described(files, source)
    if isinstance(found, Unavailable) or found.spec.quantization is not None or not files.quantize_files:
        return found
    return replace(found, quantized=tuple(_asked(files, source)))


def _asked(files: ModelFiles, source: SourceName) -> Iterator[tuple[str, FoundModel | Unavailable]]:
    for name, reading in READINGS.items():
        section = section_of(reading, files.quantize_files)
        if isinstance(section, Unavailable):
            yield name, section
        elif section is not None:
            config = {**files.config, "quantization_config": section}
            yield name, _described(replace(files, config=config), source)


def _described(files: ModelFiles, source: SourceName) -> FoundModel | Unavailable:
    spec = from_config(files.config, quant_config=files.quant_config, pooling=files.pooling)
    if isinstance(spec, Unavailable):
        return spec
    odd = None if files.checkpoint is None else disagreement(spec, files.checkpoint)
    if odd is None:
        return FoundModel(spec, source, files.checkpoint, files.commit, files.notes)
    doubted = replace(spec, held_ratio=odd.held / odd.implied if odd.implied else None)
    return FoundModel(doubted, source, files.checkpoint, files.commit, (*files.notes, odd.sentence))


def json_object(data: bytes, name: str) -> dict[str, object] | Unavailable:
    """The JSON object in a file's bytes, or why there is none; what it may cost to read is bounded."""
    if len(data) > LONGEST_JSON or data.count(b"[") + data.count(b"{") > _MOST_CONTAINERS:
        return Unavailable(f"{name} is too large to be a model's")
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return Unavailable(f"{name} is not valid JSON")
    if not isinstance(value, dict):
        return Unavailable(f"{name} is not a JSON object")
    return Unavailable(f"{name} is nested too deeply to be a model's") if _is_deep(value) else value


def _is_deep(value: object) -> bool:
    """Whether containers nest further than is taken, found without recursion."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [child for children in inner for child in children if isinstance(child, dict | list)]
    return bool(level)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Weights that config.json implies and weights that the files hold, in one ``unit``."""

    implied: float
    held: float
    unit: str

    @property
    def sentence(self) -> str:
        """What to say of it."""
        stated = f"config.json implies {self.implied:,.3f} {self.unit}"
        return f"{stated}, the files of the checkpoint hold {self.held:,.3f}"


def disagreement(spec: ModelSpec, checkpoint: CheckpointFacts) -> Disagreement | None:
    """The two amounts of weights where they are more than 1 % apart.

    vLLM allocates what the config and its model class say, whatever is in the files; the files tell whether that was
    read rightly. Plain checkpoints are compared by parameters, since vLLM may load them in another dtype; quantized
    ones by bytes.
    """
    stored = [each for each in checkpoint.tensors if _is_loaded(each, spec)]
    if spec.quantization is None:
        implied, held, unit = spec.parameters / 1e9, sum(map(_elements, stored)) / 1e9, "billion parameters"
    else:
        term = _derived(spec)
        if term is None:
            return None
        implied, held, unit = allocated_bytes(term) / GIB, sum(each.bytes for each in stored) / GIB, "GiB of weights"
    if abs(held - implied) <= _TOLERANCE * max(held, implied):
        return None
    return Disagreement(implied, held, unit)


def _derived(spec: ModelSpec) -> Term | None:
    stages = weights(spec, EngineArgs(), _CAPABILITY)
    return stages[0] if isinstance(stages, tuple) else None


def _elements(tensors: StoredTensors) -> int:
    return tensors.count * prod(tensors.shape)


def _is_loaded(tensors: StoredTensors, spec: ModelSpec) -> bool:
    """Whether vLLM loads a tensor into the model.

    Not prediction layers, stored tables, a tied head's copy, the head of a model that pools, nor what speaks.
    """
    is_unused_head = spec.tie_word_embeddings or spec.runner == "pooling"
    is_tied_copy = is_unused_head and tensors.name.endswith("lm_head.weight")
    is_table = "rotary_emb" in tensors.name or tensors.name.startswith(SPEAKING)
    is_prediction = tensors.name.startswith("mtp.") or _decoder_layer(tensors.name) >= spec.num_layers
    return not (is_tied_copy or is_table or is_prediction)


def _decoder_layer(name: str) -> int:
    """The decoder layer that a name says, 0 for tensors of none; a tower counts its layers for itself."""
    above, _, below = name.partition("layers.")
    number = below.partition(".")[0]
    is_tower = any(word in above for word in ("vision", "visual", "audio", "tower", "encoder"))
    return int(number) if number.isdecimal() and not is_tower else 0

"""What an architecture's builder hands back: the parts of a ModelSpec that depend on the model class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vram_engine.model.config import Config
from vram_engine.model.shapes import Shape
from vram_engine.model.spec import Block, Experts


@dataclass(frozen=True, slots=True)
class Built:
    """A model's shape, its weight blocks and what else its class decides.

    ``language`` is the config of the language model where it is a section of the whole. ``pipeline`` is whether the
    class can be cut into stages; ``renames`` are the prefixes of its hf_to_vllm_mapper.
    """

    shape: Shape
    blocks: tuple[Block, ...]
    experts: Experts | None = None
    language: Config | None = None
    pipeline: bool = True
    tower: bool = False
    renames: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What a builder is given: the whole config, and whether the model is served for pooling."""

    config: Config
    pooling: bool = False


Builder = Callable[[Request], Built]

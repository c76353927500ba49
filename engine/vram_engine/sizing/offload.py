"""Weights that stay in CPU memory (``--cpu-offload-gb``): whole tensors of decoder layers until the budget is reached.

Follows ``UVAOffloader`` (vllm/model_executor/offloader/uva.py), which ``make_layers`` asks layer by layer. The tensor
that reaches the budget goes too, so that up to one tensor more is taken off the GPU.
"""

from __future__ import annotations

from dataclasses import replace

from vram_engine.facts.versions import Version
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.engine_args import EngineArgs

CPU_OFFLOAD = "CPU offload"
SINCE = Version(0, 11, 0)
MOST_GIB = 1_000_000


def offload_gib(value: object) -> float | None:
    """The GiB of ``--cpu-offload-gb`` on each GPU; ``None`` for no amount of memory."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 < value < MOST_GIB else None


def unfollowed_offload(value: object, version: Version, spec: ModelSpec) -> str | None:
    """Why the memory under ``--cpu-offload-gb`` is not known; ``None`` where it is."""
    if offload_gib(value) is None:
        return None
    if version < SINCE:
        return f"cpu-offload-gb is followed since vLLM {SINCE} only"
    if spec.shapes_guessed or spec.quantization is not None:
        return "cpu-offload-gb is followed for checkpoints of 16 bits only: repacking brings weights back"
    if spec.runner != "generate" or not spec.pipeline or spec.tower:
        return f"which weights of {spec.architecture[:60]} cpu-offload-gb moves is not modelled yet"
    return None


def moved(term: Term, args: EngineArgs, movable: int, largest: int) -> Term | Unavailable:
    """A stage with a part of its weights in CPU memory.

    ``movable`` are the bytes of its decoder layers, ``largest`` those of their largest tensor.
    """
    if args.quantization is not None:
        return Unavailable("cpu-offload-gb together with quantization while loading is not modelled yet")
    asked = int(args.cpu_offload_gb * GIB)
    least, most = min(asked, movable), min(asked + largest, movable)
    because = f"{asked / GIB:g} GiB of the layers' weights stay in CPU memory, and up to one tensor more"
    part = Term(CPU_OFFLOAD, -least, because, "modelled", spread=(-most, -least))
    return replace(term, bytes=term.bytes - least, basis="modelled", parts=(*term.parts, part))

"""What a vision tower takes while memory is profiled: the largest images the step may hold, pushed through at once.

V1 profiles the tower with as many items of the largest size as its budget of tokens holds, and keeps their embeddings
while the language model is profiled (``profile_run`` and ``MultiModalBudget``). Symbols: P patches before merging,
D width of the tower.
"""

from __future__ import annotations

from vram_engine.facts.constants import constant
from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.spec import Block, Linear, ModelSpec, Parameter
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era
from vram_engine.sizing.largest_item import LargestItem, largest_item, profiled_items
from vram_engine.sizing.towers import has_tower, is_whole

VALUE = 2
# Attention keeps its input, the normalised input and its output whole on every rank. Divided over ranks are qkv, its
# reordered queries and keys, the rotated ones, and the context.
KEPT_WIDTHS = 3
ROTARY_WIDTHS = 8
PLAIN_WIDTHS = 4
# Until 0.11 queries and keys were rotated in float32, from contiguous copies, and qkv was gathered on every rank first.
EARLY = Version(0, 12, 0)
EARLY_ROTARY_WIDTHS = 18
EARLY_GATHERED_WIDTHS = 6
# The share of the default that a tower nobody derived may differ by, either way.
UNDERIVED = (0.3, 2.0)
DERIVED = (0.7, 1.4)
WORKSTATION_BLACKWELL = (12, 0)


def sees_images(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether the model is served with its vision or audio tower."""
    return has_tower(spec, args)


def encoder_peak(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term | None:
    """The tower's widest moment for the profiled items; ``None`` where the tower is not profiled."""
    ranks = tower_ranks(spec, args)
    width, wide = _tower_widths(spec, ranks)
    if not width or not sees_images(spec, args) or not era.encoder_profiled:
        return None
    item = largest_item(spec, args)
    items = profiled_items(item, spec, args, batch, era)
    patches = -(-items // (args.tensor_parallel_size // ranks)) * item.patches
    values = max(_attention_widths(item, ranks, era) * width, 2 * width + wide) + item.pixels
    more = constant("tower_attention_widths_sm120")
    extra = width // ranks if gpu.capability == WORKSTATION_BLACKWELL else 0
    expected = patches * VALUE * (values + more.value * extra)
    low, high = DERIVED if item.architectures and era.version >= EARLY else UNDERIVED
    least = int(patches * VALUE * (values + more.low * extra) * low)
    most = int(patches * VALUE * (values + more.high * extra) * high)
    because = f"{patches:,} patches × {VALUE} B × {values + more.value * extra:,} values"
    return Term("vision tower", expected, because, "modelled", spread=(least, most + 64 * MIB))


def tower_ranks(spec: ModelSpec, args: EngineArgs) -> int:
    """The ranks over which each layer of the tower is divided."""
    return 1 if is_whole(spec, args) else args.tensor_parallel_size


def _attention_widths(item: LargestItem, tp: int, era: Era) -> int:
    """Widths of the tower alive per patch while its attention runs on one of ``tp`` ranks."""
    if not item.rotary:
        return KEPT_WIDTHS + -(-PLAIN_WIDTHS // tp)
    if era.version >= EARLY:
        return KEPT_WIDTHS + -(-ROTARY_WIDTHS // tp)
    return KEPT_WIDTHS + -(-EARLY_ROTARY_WIDTHS // tp) + (EARLY_GATHERED_WIDTHS if tp > 1 else 0)


def kept_embeddings(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> int:
    """Bytes of embeddings alive while the language model and the sampler run on a model that takes images.

    V1 keeps those of the profiled items, and the step's own; V0 the step's and the images' within it.
    """
    if not sees_images(spec, args) or era.runner == "V2":
        return _profiled_embeddings(spec, args, batch, era) if era.runner == "V2" and era.encoder_profiled else 0
    step = batch.max_num_batched_tokens * spec.hidden_size * VALUE
    return 2 * step if era.runner == "V0" else step + _profiled_embeddings(spec, args, batch, era)


def _profiled_embeddings(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> int:
    item = largest_item(spec, args)
    values = profiled_items(item, spec, args, batch, era) * item.tokens * item.levels * spec.hidden_size
    return values * VALUE if sees_images(spec, args) else 0


def profiled_requests(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> int:
    """Requests of the dummy batch, for each of which a token is sampled.

    V0 takes so many that each brings an item of the largest size, at least one (``GPUModelRunnerBase.profile_run``).
    """
    if era.runner == "V0" and sees_images(spec, args):
        return profiled_items(largest_item(spec, args), spec, args, batch, era)
    return batch.num_reqs


def _tower_widths(spec: ModelSpec, tp: int) -> tuple[int, int]:
    """The tower's hidden width, and the values per patch inside the MLP of its layers on one rank."""
    stacks = [block for block in spec.modules if block.place != "layers" and block.layers]
    layers = max(stacks, key=lambda block: len(block.layers), default=None)
    hidden, wide = _block_widths(layers, tp) if layers is not None else (0, 0)
    return (hidden, wide) if hidden else _whole_tower_widths(spec)


def _block_widths(block: Block, tp: int) -> tuple[int, int]:
    hidden = wide = 0
    for module in block.modules:
        if isinstance(module, Linear) and module.kind == "tower" and module.split != "row":
            split = tp if module.split == "column" else 1
            rows = sum(part.rows for part in module.parts) // split
            hidden = module.cols
            wide = max(wide, rows + rows // len(module.parts))
    return hidden, wide


def _whole_tower_widths(spec: ModelSpec) -> tuple[int, int]:
    """The same of a tower that is on every rank whole, known by its tensors' sizes and its projector."""
    modules = [module for block in spec.modules for module in block.modules]
    hidden = max((m.cols for m in modules if isinstance(m, Linear) and m.kind == "tower"), default=0)
    layers = [block for block in spec.modules if block.place != "layers" and block.layers]
    sizes = [
        module.cols * sum(part.rows for part in module.parts)
        for block in layers
        for module in block.modules
        if isinstance(module, Parameter) and module.kind == "tower"
    ]
    return (hidden, max(sizes, default=0) // hidden) if hidden else (0, 0)

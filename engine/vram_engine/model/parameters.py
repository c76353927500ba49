"""The number of parameters of a checkpoint, from the weight modules a model is made of."""

from __future__ import annotations

from vram_engine.model.spec import Block, Embedding, Linear, Module, Parameter, RoutedExperts


def parameter_count(blocks: tuple[Block, ...]) -> int:
    """Parameters before any padding, division or repetition; a tied head counts once."""
    return sum(_copies(block) * _parameters(module) for block in blocks for module in block.modules)


def _copies(block: Block) -> int:
    if block.place == "layers":
        return len(block.layers)
    return 0 if block.place == "tied" else len(block.layers) or 1


def _parameters(module: Module) -> int:
    if isinstance(module, Linear):
        rows = sum(part.rows for part in module.parts)
        return module.replicas * rows * (module.cols + module.bias)
    if isinstance(module, Parameter):
        return module.replicas * sum(part.rows for part in module.parts) * module.cols
    if isinstance(module, Embedding):
        return module.vocab * (module.hidden + module.bias)
    if isinstance(module, RoutedExperts):
        shards = 2 if module.gated else 1
        biases = (shards * module.width + module.hidden) * module.bias
        return module.count * ((shards + 1) * module.width * module.hidden + biases)
    return 0

"""What a pipeline stage holds of one kind of weights, summed up while its modules are met."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.model.spec import Embedding, Linear, Module, Parameter, RoutedExperts
from vram_engine.sizing.budget import MIB
from vram_engine.sizing.quantization import NOTHING, Stored
from vram_engine.sizing.schemes import Placed


@dataclass(slots=True)
class KindOfWeights:
    """What a stage holds of one kind: bytes, those that every rank holds alike, and on how many layers."""

    stored: Stored = NOTHING
    whole: int = 0
    layers: int = 0
    _counted: int = 0

    def add(self, placed: Placed, stored: Stored, copies: int, ranks: int) -> None:
        """Count a module that stands on the stage ``copies`` times, each divided over ``ranks``."""
        self.stored += stored
        if ranks == 1 or not is_divided(placed.module):
            self.whole += stored.allocated
        if placed.block.layers and id(placed.block) != self._counted:
            # Modules of a block come one after the other.
            self._counted, self.layers = id(placed.block), self.layers + copies

    def because(self, ranks: int) -> str:
        """How many layers, and what the ranks of the stage share."""
        on_layers = f"on {self.layers} layer{'s' * (self.layers != 1)}, " if self.layers else ""
        size = self.stored.allocated
        if ranks == 1:
            return f"{on_layers}{size / MIB:,.1f} MiB"
        if self.whole >= size:
            return f"{on_layers}the same {size / MIB:,.1f} MiB on each of {ranks} ranks"
        alike = f", {self.whole / MIB:,.1f} MiB of them the same on each" if self.whole * 20 >= MIB else ""
        return f"{on_layers}divided over {ranks} ranks: {size / MIB:,.1f} MiB a rank{alike}"


def is_divided(module: Module) -> bool:
    """Whether ranks hold different parts of a module."""
    if isinstance(module, Linear):
        return module.split != "none"
    return module.split if isinstance(module, Parameter) else isinstance(module, Embedding | RoutedExperts)

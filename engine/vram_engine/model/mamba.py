"""State-space mixers: Mamba 1 and 2 and the short convolution, as vLLM's layers/mamba builds them."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.model.layers import row
from vram_engine.model.spec import Linear, Module, Parameter, Part


@dataclass(frozen=True, slots=True)
class Mamba2Shape:
    """Sizes of a Mamba-2 mixer. ``inner`` is heads times head width; ``normed`` is whether a gated norm follows."""

    hidden: int
    inner: int
    heads: int
    state: int
    groups: int
    kernel: int
    conv_bias: bool = True
    bias: bool = False
    normed: bool = True


def mamba2(name: str, shape: Mamba2Shape) -> tuple[Module, ...]:
    """A Mamba-2 mixer (mamba_mixer2.py): B and C are repeated on ranks where there are fewer groups."""
    groups = (
        Part("B", shape.groups, shape.state, shape.groups == 1),
        Part("C", shape.groups, shape.state, shape.groups == 1),
    )
    convolved = (Part("x", shape.inner), *groups)
    projected = (Part("gate", shape.inner), *convolved, Part("dt", shape.heads))
    per_head = (Part("", shape.heads),)
    modules: list[Module] = [
        Linear(f"{name}.in_proj", "mamba", tuple(_unnamed(projected)), shape.hidden, bias=shape.bias, merges=True),
        Parameter(f"{name}.conv1d", "mamba", convolved, shape.kernel + shape.conv_bias, True, inputs=shape.kernel),
        row(f"{name}.out_proj", "mamba", shape.hidden, shape.inner, bias=shape.bias),
        Parameter(f"{name}.A", "mamba", per_head, 1, True, "float32"),
        Parameter(f"{name}.D", "mamba", per_head, 2, True),
    ]
    if shape.normed:
        modules.append(Parameter(f"{name}.norm", "mamba", (Part("", shape.inner),), 1, True))
    return tuple(modules)


def _unnamed(parts: tuple[Part, ...]) -> list[Part]:
    """The parts without names: the checkpoint stores the fused matrix."""
    return [Part("", part.units, part.width, part.replicable) for part in parts]


@dataclass(frozen=True, slots=True)
class Mamba1Shape:
    """Sizes of a Mamba-1 mixer. ``rank`` is that of the time step; ``normed`` mixers norm time step, B and C."""

    hidden: int
    inner: int
    state: int
    rank: int
    kernel: int
    conv_bias: bool = True
    bias: bool = False
    normed: bool = False


def mamba1(name: str, shape: Mamba1Shape) -> tuple[Module, ...]:
    """A Mamba-1 mixer (mamba_mixer.py)."""
    inner = (Part("", shape.inner),)
    modules: list[Module] = [
        Linear(
            f"{name}.in_proj",
            "mamba",
            (Part("", shape.inner), Part("", shape.inner)),
            shape.hidden,
            bias=shape.bias,
            quantized=False,
        ),
        Parameter(f"{name}.conv1d", "mamba", inner, shape.kernel + shape.conv_bias, True, inputs=shape.kernel),
        row(f"{name}.x_proj", "mamba", shape.rank + 2 * shape.state, shape.inner, quantized=False),
        Linear(f"{name}.dt_proj", "mamba", inner, shape.rank, bias=True, quantized=False),
        Parameter(f"{name}.A", "mamba", inner, shape.state, True, "float32"),
        Parameter(f"{name}.D", "mamba", inner, 1, True),
        row(f"{name}.out_proj", "mamba", shape.hidden, shape.inner, bias=shape.bias, quantized=False),
    ]
    if shape.normed:
        modules.append(Parameter(f"{name}.norms", "mamba", (Part("", shape.rank + 2 * shape.state),)))
    return tuple(modules)


def short_convolution(name: str, hidden: int, kernel: int, *, bias: bool) -> tuple[Module, ...]:
    """LFM2's gated short convolution (short_conv.py)."""
    gates = (Part("", hidden), Part("", hidden), Part("", hidden))
    return (
        Parameter(f"{name}.conv", "mamba", (Part("", hidden),), kernel + bias, True, inputs=kernel),
        Linear(f"{name}.in_proj", "mamba", gates, hidden, bias=bias),
        row(f"{name}.out_proj", "mamba", hidden, hidden, bias=bias),
    )

"""The weight modules that decoder layers are made of, in the few shapes that vLLM's model classes use.

Everything here is a plain constructor of the values in ``spec``; which model has which layers is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

from vram_engine.model.spec import Block, Embedding, Kind, Linear, Module, Parameter, Part, Place

K = TypeVar("K", bound=Hashable)


def column(
    name: str, kind: Kind, rows: int, cols: int, *, bias: bool = False, quantized: bool = True, dtype: str | None = None
) -> Linear:
    """A matrix whose rows are divided over ranks (vLLM's ColumnParallelLinear)."""
    return Linear(name, kind, (Part("", rows),), cols, "column", bias, quantized, dtype)


def merged(name: str, kind: Kind, parts: tuple[tuple[str, int], ...], cols: int, *, bias: bool = False) -> Linear:
    """Several column matrices in one (vLLM's MergedColumnParallelLinear): ``parts`` are (checkpoint name, rows)."""
    return Linear(name, kind, tuple(Part(part, rows) for part, rows in parts), cols, "column", bias)


def row(
    name: str, kind: Kind, rows: int, cols: int, *, bias: bool = False, quantized: bool = True, dtype: str | None = None
) -> Linear:
    """A matrix whose columns are divided over ranks (vLLM's RowParallelLinear)."""
    return Linear(name, kind, (Part("", rows),), cols, "row", bias, quantized, dtype)


def replicated(
    name: str, kind: Kind, rows: int, cols: int, *, bias: bool = False, quantized: bool = True, dtype: str | None = None
) -> Linear:
    """A matrix that every rank holds whole (vLLM's ReplicatedLinear)."""
    return Linear(name, kind, (Part("", rows),), cols, "none", bias, quantized, dtype)


def plain(name: str, kind: Kind, size: int, *, dtype: str | None = None, replicas: int = 1) -> Parameter:
    """A tensor of ``size`` elements that every rank holds whole."""
    return Parameter(name, kind, (Part("", size),), dtype=dtype, replicas=replicas)


def sharded(name: str, kind: Kind, units: int, width: int = 1, *, cols: int = 1, dtype: str | None = None) -> Parameter:
    """A tensor ``[units * width, cols]`` whose units are divided over ranks."""
    return Parameter(name, kind, (Part("", units, width),), cols, True, dtype)


def norm(name: str, size: int, *, bias: bool = False, kind: Kind = "other") -> Parameter:
    """A norm's weight, and its bias where it has one."""
    return plain(name, kind, size * (2 if bias else 1))


def qkv(
    name: str,
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    *,
    v_head_dim: int | None = None,
    bias: bool = False,
    parts: tuple[str, str, str] = ("q_proj", "k_proj", "v_proj"),
    quantized: bool = True,
) -> Linear:
    """Queries, keys and values in one matrix (vLLM's QKVParallelLinear); KV heads are repeated under a large TP."""
    rows = (
        Part(parts[0], heads, head_dim),
        Part(parts[1], kv_heads, head_dim, replicable=True),
        Part(parts[2], kv_heads, v_head_dim or head_dim, replicable=True),
    )
    return Linear(name, "attention", rows, hidden, "column", bias, quantized)


def gated_mlp(
    prefix: str, hidden: int, width: int, *, bias: bool = False, down_bias: bool | None = None, kind: Kind = "dense_mlp"
) -> tuple[Module, ...]:
    """gate_up_proj and down_proj, as in Llama."""
    return (
        merged(f"{prefix}.gate_up_proj", kind, (("gate_proj", width), ("up_proj", width)), hidden, bias=bias),
        row(f"{prefix}.down_proj", kind, hidden, width, bias=bias if down_bias is None else down_bias),
    )


def plain_mlp(up: str, down: str, hidden: int, width: int, *, bias: bool = False) -> tuple[Module, ...]:
    """Two matrices with an activation between them."""
    return (
        column(up, "dense_mlp", width, hidden, bias=bias),
        row(down, "dense_mlp", hidden, width, bias=bias),
    )


def word_embedding(name: str, vocab: int, hidden: int) -> Embedding:
    """The input table of a vocabulary."""
    return Embedding(name, "embedding", vocab, hidden)


def language_head(vocab: int, hidden: int, *, name: str = "lm_head", bias: bool = False) -> Embedding:
    """The output head of a vocabulary."""
    return Embedding(name, "lm_head", vocab, hidden, bias, head=True)


def layers_by_kind(
    prefix: str, layers: int, kind_of: Callable[[int], K], modules_of: Callable[[K], tuple[Module, ...]]
) -> tuple[Block, ...]:
    """One block for each kind of decoder layer there is among ``layers``, with the indices of its layers."""
    members: dict[K, list[int]] = {}
    for index in range(layers):
        members.setdefault(kind_of(index), []).append(index)
    return tuple(Block(prefix, modules_of(kind), layers=tuple(indices)) for kind, indices in members.items())


class Places(NamedTuple):
    """The pipeline stages on which a model class builds its input table, its final norm and its output head."""

    table: Place
    final: Place
    head: Place


STAGED = Places("first", "last", "last")
EVERYWHERE = Places("every", "every", "every")
TABLE_EVERYWHERE = Places("every", "last", "last")


def ends(
    prefix: str,
    vocab: int,
    hidden: int,
    *,
    tied: bool,
    final: tuple[Module, ...],
    embedding: str = "embed_tokens",
    head: str = "lm_head",
    head_prefix: str = "",
    head_bias: bool = False,
    pooling: bool = False,
    places: Places = STAGED,
) -> tuple[Block, ...]:
    """Everything around the decoder layers: the input table, the final norm and the output head.

    A tied head is the input table again, which a last pipeline stage without it holds once more.
    A pooling model has no output head, yet keeps a tied table on its last stage.
    """
    table = (word_embedding(embedding, vocab, hidden),)
    blocks = [Block(prefix, table, places.table), Block(prefix, final, places.final)]
    if tied and places.table == "first":
        blocks.append(Block(prefix, table, "tied"))
    if not tied and not pooling:
        output = (language_head(vocab, hidden, name=head, bias=head_bias),)
        blocks.append(Block(head_prefix, output, places.head))
    return tuple(blocks)

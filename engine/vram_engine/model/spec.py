"""What a model is, for sizing: shapes, weight modules and cache layers. Frozen values, no I/O.

``model.from_config`` builds a ModelSpec from a ``config.json`` that has been read already. A model that is not
understood is ``Unavailable``: a reason to show, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vram_engine.model.caches import LayerCache

Kind = Literal[
    "embedding",
    "lm_head",
    "attention",
    "dense_mlp",
    "experts",
    "shared_experts",
    "router",
    "mamba",
    "tower",
    "other",
]
Split = Literal["column", "row", "none"]
Place = Literal["layers", "first", "last", "tied", "every"]
Runner = Literal["generate", "pooling"]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a model cannot be sized. ``reason`` is a sentence for the user."""

    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """Some output rows of one weight: ``units`` heads (or plain rows, of width 1) of ``width`` rows each.

    Units are dealt out to tensor-parallel ranks. ``replicable`` units (KV heads, Mamba groups) are repeated where
    there are fewer of them than ranks. ``whole`` units are on every rank. ``name`` is the checkpoint's name of a
    part of a fused weight.
    """

    name: str
    units: int
    width: int = 1
    replicable: bool = False
    whole: bool = False

    @property
    def rows(self) -> int:
        """Rows before any split."""
        return self.units * self.width


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix product ``[rows, cols]`` that a quantization may store in fewer bits.

    ``split`` column divides the rows over ranks, row divides the columns.
    ``quantized`` is whether vLLM hands the quantization to this module at all. ``replicas`` equal modules share the
    description. An ``absorbed`` matrix is kept in 16 bits as well when it is quantized (latent attention's W_UK, W_UV).
    A matrix of ``even`` heads is left whole where they cannot be divided over ranks. One that ``merges`` is a single
    part where a rank repeats some of them (Mamba's groups). The rows of a rank are padded to a multiple of ``align``.
    """

    name: str
    kind: Kind
    parts: tuple[Part, ...]
    cols: int
    split: Split = "column"
    bias: bool = False
    quantized: bool = True
    dtype: str | None = None
    replicas: int = 1
    absorbed: bool = False
    even: int = 0
    merges: bool = False
    align: int = 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """A plain tensor ``[rows, cols]`` that quantization never touches; ``split`` divides its rows over ranks.

    A convolution that is a linear layer to vLLM has ``inputs`` columns, its bias apart.
    """

    name: str
    kind: Kind
    parts: tuple[Part, ...]
    cols: int = 1
    split: bool = False
    dtype: str | None = None
    replicas: int = 1
    inputs: int = 0


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vocabulary table ``[vocab, hidden]``, padded to a multiple of ``padding`` and divided over ranks.

    ``head`` marks an output head, which some quantizations store in fewer bits.
    """

    name: str
    kind: Kind
    vocab: int
    hidden: int
    bias: bool = False
    head: bool = False
    padding: int = 64
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class RoutedExperts:
    """The routed experts of one layer, fused: w13 ``[count, 2*width, hidden]`` and w2 ``[count, hidden, width]``.

    Without a gate w13 has ``width`` rows. ``parts`` are the checkpoint's names of gate, up and down projection.
    Ranks that share experts hold slices of at least ``least_width``.
    """

    name: str
    count: int
    width: int
    hidden: int
    gated: bool = True
    bias: bool = False
    quantized: bool = True
    parts: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    least_width: int = 0


@dataclass(frozen=True, slots=True)
class Rotary:
    """A table of sines and cosines ``[positions, dims]`` kept on the GPU; equal ones are shared within a stage."""

    positions: int
    dims: int
    dtype: str | None = None
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Attention:
    """vLLM's attention operator: no weights, but while loading a quantized checkpoint it may hold cache scales."""

    kv_heads: int
    latent: bool = False


Module = Linear | Parameter | Embedding | RoutedExperts | Rotary | Attention


@dataclass(frozen=True, slots=True)
class Block:
    """Modules that stand together on a pipeline stage.

    ``place`` layers: the modules of each of the decoder layers ``layers``. ``first`` and ``last``: one stage only.
    ``tied``: the last stage, unless it is also the first, where the tensor already is. ``every``: each
    stage, once for each of ``layers`` where there are any (those of a tower).
    ``prefix`` is vLLM's name of the module above them, with ``{}`` for the layer index.
    """

    prefix: str
    modules: tuple[Module, ...]
    place: Place = "layers"
    layers: tuple[int, ...] = ()


Storage = Literal["packed-int", "int8", "fp8", "nvfp4", "mxfp4", "mxfp8", "bnb4", "bnb8"]
Strategy = Literal["tensor", "channel", "group", "block"]
Matching = Literal["exact", "substring", "suffix", "patterns", "globs", "regexes", "searched"]


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How the weights of some linears are stored. ``group_size`` -1 is one group per row.

    ``static`` is whether activations have scales of their own in the checkpoint; ``packing`` names the
    method where methods that store the same weights differ in what they carry besides, or in what they refuse.
    ``act_order`` weights are stored in the order of their activations.
    """

    storage: Storage
    bits: int
    strategy: Strategy = "tensor"
    group_size: int = -1
    symmetric: bool = True
    block: tuple[int, int] | None = None
    static: bool = False
    packing: str = ""
    act_order: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointQuantization:
    """How a checkpoint's weights are stored, as its own files say it.

    ``method`` is vLLM's name. ``default`` is the format of every linear that no entry of ``targets`` (pattern, format)
    names; that of routed experts may be another, ``experts_default``. ``ignored`` are modules left
    in full precision, read by the rules of ``matching``; beside what is named by ``targets``, so are modules below none
    of the names in ``within``, if there are any. ``lm_head`` is whether the output head is quantized as well;
    ``kv_cache`` the KV cache format that the checkpoint declares.
    """

    method: str
    default: WeightFormat | None
    targets: tuple[tuple[str, WeightFormat | None], ...] = ()
    ignored: tuple[str, ...] = ()
    matching: Matching = "exact"
    lm_head: bool = False
    experts_only: bool = False
    experts_default: WeightFormat | None = None
    kv_cache: str | None = None
    within: tuple[str, ...] = ()

    @property
    def bits(self) -> int | None:
        """Bits of a weight in the default format."""
        return self.default.bits if self.default else None

    @property
    def group_size(self) -> int | None:
        """Weights that share a scale in the default format; -1 is a whole row."""
        return self.default.group_size if self.default else None

    @property
    def symmetric(self) -> bool:
        """Whether the default format has no zero points."""
        return self.default.symmetric if self.default else True


@dataclass(frozen=True, slots=True)
class Experts:
    """Routed experts of a model: how many, how many answer a token, how wide, and on how many layers."""

    num: int
    per_token: int
    width: int
    shared_width: int
    layers: int


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """One rotary scaling of a config: its ``rope_type``, its factor, and the length before scaling."""

    kind: str
    factor: float | None
    original_length: int | None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model, by the names vLLM gives these things. Sizes are of the language model unless they say otherwise.

    ``length`` is what the config states before any rope scaling. ``parameters`` counts the checkpoint's. ``pipeline``
    is whether the model class can be cut into stages, ``tower`` whether there is a vision or audio encoder.
    ``renames`` turn prefixes of checkpoint names into vLLM's. With ``shapes_guessed`` only the parameter count is
    known, and the shapes are those of the nearest known size. ``mtp`` are the layers for multi-token prediction that
    the checkpoint carries, or why they are not known. ``draft`` is another model that drafts for this one, where the
    deployment names one, or why it is not known. ``eagle`` and ``eagle3`` are what the checkpoint is as a drafter of
    that kind. ``held_ratio`` is what the files of the checkpoint hold over what the config implies, where that is
    another model's worth.
    """

    architecture: str
    model_type: str
    dtype: str
    hidden_size: int
    num_layers: int
    vocab_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    length: int | None
    rope: tuple[RopeScaling, ...]
    sliding_window: int | None
    tie_word_embeddings: bool
    runner: Runner
    modules: tuple[Block, ...]
    caches: tuple[LayerCache, ...] = ()
    quantization: CheckpointQuantization | None = None
    experts: Experts | None = None
    parameters: int = 0
    pipeline: bool = True
    tower: bool = False
    renames: tuple[tuple[str, str], ...] = ()
    shapes_guessed: bool = False
    mtp: Draft | Unavailable | None = None
    draft: ModelSpec | Unavailable | None = None
    eagle: Draft | Unavailable | None = None
    eagle3: Draft | Unavailable | None = None
    held_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Layers that draft tokens for a model, which hands them ``streams`` hidden states per token.

    A model of its own that drafts is handed none.
    The modules of ``spec`` are what they hold beside what they share with the model (rotary tables, and where they are
    no model of their own the embedding table and the head); the layers of its caches count on from the model's.
    ``sees_media`` is whether they take embeddings of images. EAGLE-3 makes what it is handed of the hidden states of
    ``states`` layers. ``tables`` is whether a checkpoint of its own may bring tables that it shares otherwise.
    """

    spec: ModelSpec
    streams: int = 1
    sees_media: bool = False
    states: int = 0
    tables: bool = False

    @property
    def is_model(self) -> bool:
        """Whether it is a model of its own."""
        return self.streams == 0

    @property
    def is_apart(self) -> bool:
        """Whether it has a checkpoint of its own."""
        return self.is_model or self.tables

    @property
    def layers(self) -> int:
        """How many decoder layers there are."""
        return sum(len(block.layers) for block in self.spec.modules if block.place == "layers")

"""Bytes of one rank's share of a weight, by the scheme it is stored in.

Each scheme is a small frozen class, as vLLM has one method class per scheme; it answers for linears and for experts.
``allocated`` is what ``create_weights`` asks for, ``resident`` what is left after ``process_weights_after_loading``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from vram_engine.sizing.parallelism import Refusal

FLOAT32 = 4
INT32 = 4
INT64 = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of a weight as allocated for loading, and as they stay."""

    allocated: int
    resident: int

    def __add__(self, other: Stored) -> Stored:
        return Stored(self.allocated + other.allocated, self.resident + other.resident)

    def times(self, count: int) -> Stored:
        """This, ``count`` times over."""
        return Stored(self.allocated * count, self.resident * count)


NOTHING = Stored(0, 0)


@dataclass(frozen=True, slots=True)
class LocalLinear:
    """One rank's share of a linear: rows of each fused shard, its columns, and the columns of the whole matrix."""

    rows: tuple[int, ...]
    cols: int
    whole_cols: int
    whole_rows: int
    bias: bool
    element: int

    @property
    def all_rows(self) -> int:
        """Rows of all fused shards together."""
        return sum(self.rows)

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.all_rows * self.cols

    @property
    def bias_bytes(self) -> int:
        """Bytes of the bias, kept in the model's dtype."""
        return self.all_rows * self.element if self.bias else 0

    @property
    def splits_rows(self) -> bool:
        """Whether ranks divide the rows."""
        return self.all_rows < self.whole_rows

    @property
    def splits_cols(self) -> bool:
        """Whether ranks divide the columns."""
        return self.cols < self.whole_cols


@dataclass(frozen=True, slots=True)
class LocalExperts:
    """One rank's share of a layer's routed experts: w13 ``[experts, shards*width, hidden]``, w2 the other way.

    ``slices`` is how many ranks share the width of one expert, ``everywhere`` how many experts there are on all ranks.
    """

    experts: int
    width: int
    hidden: int
    shards: int
    bias: bool
    element: int
    slices: int = 1
    everywhere: int = 0

    @property
    def up_rows(self) -> int:
        """Rows of w13 of one expert."""
        return self.shards * self.width

    @property
    def weights(self) -> int:
        """Number of weights in w13 and w2."""
        return self.experts * (self.shards + 1) * self.width * self.hidden

    @property
    def rows(self) -> int:
        """Output rows of w13 and w2 over all experts."""
        return self.experts * (self.up_rows + self.hidden)

    @property
    def bias_bytes(self) -> int:
        """Bytes of the biases, kept in the model's dtype."""
        return self.rows * self.element if self.bias else 0

    def groups(self, size: int) -> int:
        """Scales of w13 and w2 when each ``size`` weights of a row share one."""
        per_expert = self.up_rows * (self.hidden // size) + self.hidden * (self.width // size)
        return self.experts * per_expert


class Scheme(Protocol):
    """How weights are stored."""

    def linear(self, local: LocalLinear) -> Stored | Refusal:
        """Bytes of a linear with its scales, zero points and bias."""

    def experts(self, local: LocalExperts) -> Stored | Refusal:
        """Bytes of fused experts with their scales and biases."""


def _same(size: int) -> Stored:
    return Stored(size, size)


@dataclass(frozen=True, slots=True)
class Unquantized:
    """Weights in the model's own dtype. ``width_multiple`` is what the MoE kernel rounds expert widths up to."""

    width_multiple: int = 1

    def linear(self, local: LocalLinear) -> Stored:
        """Bytes of a plain matrix and its bias."""
        return _same(local.weights * local.element + local.bias_bytes)

    def experts(self, local: LocalExperts) -> Stored:
        """Bytes of plain fused experts."""
        local = padded(local, self.width_multiple, 1)
        return _same(local.weights * local.element + local.bias_bytes)


def padded(local: LocalExperts, width_multiple: int, hidden_multiple: int) -> LocalExperts:
    """The experts with their sizes rounded up, as MoE kernels ask for."""
    return LocalExperts(
        local.experts,
        -(-local.width // width_multiple) * width_multiple,
        -(-local.hidden // hidden_multiple) * hidden_multiple,
        local.shards,
        local.bias,
        local.element,
        local.slices,
        local.everywhere,
    )


@dataclass(frozen=True, slots=True)
class PackedInt:
    """Integers of a few bits packed in int32, with a 16-bit scale per group (AWQ, GPTQ, compressed-tensors WNA16).

    ``group`` -1 is one group per row. ``zeros`` says how zero points are stored: kept after loading, only while
    loading (symmetric GPTQ checkpoints carry them for nothing), or not at all. ``shape`` counts the bytes of the shape
    record that compressed-tensors adds to each matrix, ``expert_shape`` the elements it adds per expert. Experts that
    ranks cut within a group get ``finer_experts`` groups where a kernel of its own takes them (moe_wna16.py).
    """

    bits: int
    group: int
    zeros: str = "none"
    shape: int = 0
    expert_shape: int = 0
    expert_bias: bool = False
    finer_experts: bool = False

    def linear(self, local: LocalLinear) -> Stored | Refusal:
        """Bytes of a packed matrix; refused where a rank's columns are no whole number of groups."""
        if self.group > 0 and local.cols % self.group:
            return Refusal(
                f"{local.cols} input columns a rank are not divisible by the quantization group size {self.group}; "
                "a smaller tensor parallel size may help"
            )
        groups = local.cols // self.group if self.group > 0 else 1
        packed = local.all_rows * math.ceil(local.cols * self.bits / 32) * INT32
        zeros = groups * math.ceil(local.all_rows * self.bits / 32) * INT32 if self.zeros != "none" else 0
        size = packed + groups * local.all_rows * local.element + self.shape + local.bias_bytes
        return Stored(size + zeros, size + (zeros if self.zeros == "kept" else 0))

    def experts(self, local: LocalExperts) -> Stored | Refusal:
        """Bytes of packed experts; refused where width or hidden size are no whole number of groups."""
        if self.group > 0 and (local.hidden % self.group or local.width % self.group):
            if self.finer_experts and (finer := self._finer(local)) is not None:
                return finer
            return Refusal(
                f"experts of width {local.width} a rank are not divisible by the quantization group size {self.group}"
            )
        scales = local.groups(self.group) if self.group > 0 else local.rows
        zeros = scales * self.bits // 32 * INT32 if self.zeros != "none" else 0
        shape = local.experts * self.expert_shape * local.element
        size = local.weights * self.bits // 8 + scales * local.element + shape + local.bias_bytes
        spare = local.rows * local.element if self.expert_bias and not local.bias else 0
        return Stored(size + zeros + spare, size + (zeros if self.zeros == "kept" else 0))

    def _finer(self, local: LocalExperts) -> Stored | None:
        group = math.gcd(self.group, local.hidden, local.width)
        if group < 32:
            return None
        scales = local.groups(group)
        zeros = scales * self.bits // 8 if self.zeros == "kept" else 0
        return _same(local.weights * self.bits // 8 + scales * local.element + zeros + local.bias_bytes)


@dataclass(frozen=True, slots=True)
class BitsAndBytes4:
    """Four bits a weight and one byte of scale per block of 64, whose own scales are float32 per 256 of them."""

    block: int = 64
    nested: int = 256

    def linear(self, local: LocalLinear) -> Stored:
        """Bytes of a matrix quantized while loading, or before."""
        return _same(self._size(local.weights) + local.bias_bytes)

    def experts(self, local: LocalExperts) -> Stored:
        """Bytes of experts."""
        return _same(self._size(local.weights) + local.bias_bytes)

    def _size(self, weights: int) -> int:
        scales = math.ceil(weights / self.block)
        return math.ceil(weights / 2) + scales + math.ceil(scales / self.nested) * FLOAT32


@dataclass(frozen=True, slots=True)
class PerTensor8:
    """One byte a weight with one float32 scale per fused shard; ``static`` activations have scales too."""

    static: bool
    input_scales: int | None = None

    def linear(self, local: LocalLinear) -> Stored:
        """Bytes of an 8-bit matrix; the scales of its shards become one after loading."""
        shards = len(local.rows)
        inputs = (shards if self.input_scales is None else self.input_scales) if self.static else 0
        body = local.weights + local.bias_bytes
        return Stored(body + (shards + inputs) * FLOAT32, body + (1 + min(1, inputs)) * FLOAT32)

    def experts(self, local: LocalExperts) -> Stored:
        """Bytes of 8-bit experts."""
        inputs = 2 * local.experts if self.static else 0
        scales = local.experts * (local.shards + 1) + inputs
        body = local.weights + local.bias_bytes
        return Stored(body + scales * FLOAT32, body + (2 * local.experts + inputs) * FLOAT32)


@dataclass(frozen=True, slots=True)
class PerChannel8:
    """One byte a weight with one float32 scale per output row; ``static_bytes`` of activation scales a linear."""

    static_bytes: int = 0
    static_experts: bool = False

    def linear(self, local: LocalLinear) -> Stored:
        """Bytes of an 8-bit matrix with a scale per row."""
        return _same(local.weights + local.all_rows * FLOAT32 + self.static_bytes + local.bias_bytes)

    def experts(self, local: LocalExperts) -> Stored:
        """Bytes of 8-bit experts with a scale per row."""
        inputs = 2 * local.experts * FLOAT32 if self.static_experts else 0
        return _same(local.weights + local.rows * FLOAT32 + inputs + local.bias_bytes)


@dataclass(frozen=True, slots=True)
class Block8:
    """One byte a weight with a scale of ``scale_bytes`` per block of ``rows`` x ``cols`` weights.

    With ``fused_may_cut`` the shards of a fused column matrix need not be whole blocks
    (vllm linear.py, ``_maybe_allow_fp8_block_shape_mismatch``). Marlin has a scale of ``row_scale_bytes`` for every
    row of a block instead once loaded (``prepare_fp8_layer_for_marlin``); 0 where another kernel reads the blocks.
    """

    rows: int
    cols: int
    scale_bytes: int = FLOAT32
    checked: bool = True
    fused_may_cut: bool = False
    row_scale_bytes: int = 0

    def linear(self, local: LocalLinear) -> Stored | Refusal:
        """Bytes of an 8-bit matrix with a scale per block; refused where ranks would cut a block.

        vllm fp8_utils.py, ``validate_fp8_block_shape``.
        """
        if self.checked and (refusal := self._cut(local)) is not None:
            return refusal
        groups = math.ceil(local.cols / self.cols)
        scales = math.ceil(local.all_rows / self.rows) * groups
        return self._stored(local.weights + local.bias_bytes, scales, local.all_rows * groups)

    def _stored(self, body: int, scales: int, row_scales: int) -> Stored:
        loaded = body + scales * self.scale_bytes
        return Stored(loaded, body + row_scales * self.row_scale_bytes if self.row_scale_bytes else loaded)

    def _cut(self, local: LocalLinear) -> Refusal | None:
        if self.fused_may_cut and len(local.rows) > 1 and any(rows % self.rows for rows in local.rows):
            return None
        if local.splits_cols and local.cols % self.cols:
            return Refusal(
                f"Weight input_size_per_partition = {local.cols} is not divisible by weight quantization "
                f"block_k = {self.cols}."
            )
        split = local.splits_rows
        cut = local.rows if split else local.rows[:-1]
        for rows in cut:
            if rows % self.rows:
                return Refusal(
                    f"Weight output_partition_size = {rows} is not divisible by weight quantization "
                    f"block_n = {self.rows}."
                )
        return None

    def experts(self, local: LocalExperts) -> Stored | Refusal:
        """Bytes of 8-bit experts; blocks that ranks would cut are made finer (``refine_fp8_moe_block_shape``)."""
        rows, cols = self.rows, self.cols
        cut_cols = local.slices > 1 and local.width % cols != 0
        if local.width % rows or cut_cols:
            finer = math.gcd(rows, cols, local.width, local.hidden)
            if finer < 32:
                return Refusal(
                    f"The output_size of gate's and up's weight = {local.width} is not divisible by "
                    f"weight quantization block_n = {rows}."
                )
            rows = cols = finer
        up = local.shards * math.ceil(local.width / rows) * math.ceil(local.hidden / cols)
        down = math.ceil(local.hidden / rows) * math.ceil(local.width / cols)
        each_row = local.shards * local.width * math.ceil(local.hidden / cols)
        each_row += local.hidden * math.ceil(local.width / cols)
        body = local.weights + local.bias_bytes
        return self._stored(body, local.experts * (up + down), local.experts * each_row)


@dataclass(frozen=True, slots=True)
class Nvfp4:
    """Four bits a weight, a float8 scale per ``group`` weights and float32 scales per shard.

    ``inputs`` is whether activations have scales, ``idle_inputs`` whether a linear has such scales all the same, in the
    model's dtype; ``swizzled`` kernels pad the scales to tiles of 128 x 4.
    """

    group: int = 16
    inputs: bool = True
    swizzled: bool = False
    idle_inputs: bool = False
    checked: bool = True

    def linear(self, local: LocalLinear) -> Stored | Refusal:
        """Bytes of a 4-bit float matrix; refused where a rank's columns are no multiple of 16, if ``checked``."""
        if self.checked and local.cols % 16:
            return Refusal(f"{local.cols} input columns a rank are not a multiple of 16, which NVFP4 needs")
        body = local.weights // 2 + local.bias_bytes
        scales = local.all_rows * (local.cols // self.group)
        inputs = FLOAT32 * self.inputs + local.element * self.idle_inputs
        shards = len(local.rows) * (FLOAT32 + inputs)
        kept = _tiled(local.all_rows, local.cols // self.group) if self.swizzled else scales
        return Stored(body + scales + shards, body + kept + 3 * FLOAT32)

    def experts(self, local: LocalExperts) -> Stored:
        """Bytes of 4-bit float experts."""
        body = local.weights // 2 + local.bias_bytes
        scales = local.groups(self.group)
        globals_ = local.experts * (local.shards + 1) * FLOAT32 * (2 if self.inputs else 1)
        kept = scales
        if self.swizzled:
            up = _tiled(local.up_rows, local.hidden // self.group)
            kept = local.experts * (up + _tiled(local.hidden, local.width // self.group))
        return Stored(body + scales + globals_, body + kept + local.experts * 4 * FLOAT32)


def _tiled(rows: int, cols: int) -> int:
    return -(-rows // 128) * 128 * -(-cols // 4) * 4


@dataclass(frozen=True, slots=True)
class Mxfp4:
    """Four bits a weight and one byte of scale per 32; kernels round experts up to whole tiles."""

    width_multiple: int = 1
    hidden_multiple: int = 1

    def linear(self, local: LocalLinear) -> Stored | Refusal:
        """Bytes of a 4-bit float matrix; refused where a rank's columns are no multiple of 32."""
        if local.cols % 32:
            return Refusal(f"MXFP4 requires input_size_per_partition ({local.cols}) to be divisible by 32.")
        return _same(local.weights // 2 + local.weights // 32 + local.bias_bytes)

    def experts(self, local: LocalExperts) -> Stored:
        """Bytes of 4-bit float experts after rounding up."""
        local = padded(local, self.width_multiple, self.hidden_multiple)
        return _same(local.weights // 2 + local.groups(32) + local.bias_bytes)


@dataclass(frozen=True, slots=True)
class Mxfp8:
    """One byte a weight and one byte of scale per 32."""

    def linear(self, local: LocalLinear) -> Stored | Refusal:
        """Bytes of an 8-bit float matrix; refused where a rank's columns are no multiple of 32."""
        if local.cols % 32:
            return Refusal(f"MXFP8 requires input size divisible by 32, got {local.cols}.")
        return _same(local.weights + local.weights // 32 + local.bias_bytes)

    def experts(self, local: LocalExperts) -> Stored | Refusal:
        """Bytes of 8-bit float experts."""
        if local.hidden % 32 or local.width % 32:
            return Refusal(f"MXFP8 MoE requires intermediate_size_per_partition divisible by 32, got {local.width}.")
        return _same(local.weights + local.groups(32) + local.bias_bytes)


@dataclass(frozen=True, slots=True)
class Online:
    """16-bit weights of the checkpoint, stored as ``kept`` once a layer has been loaded."""

    kept_linear: Scheme
    kept_experts: Scheme

    def linear(self, local: LocalLinear) -> Stored | Refusal:
        """Bytes of what is kept of a linear."""
        return _after(self.kept_linear.linear(local))

    def experts(self, local: LocalExperts) -> Stored | Refusal:
        """Bytes of what is kept of experts."""
        return _after(self.kept_experts.experts(local))


def _after(stored: Stored | Refusal) -> Stored | Refusal:
    return stored if isinstance(stored, Refusal) else _same(stored.resident)

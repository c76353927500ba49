"""How vLLM releases differ in planning the KV cache, on layers small enough to work the figures out by hand."""

from __future__ import annotations

import pytest

from vram_engine.facts.versions import parse_version
from vram_engine.model.caches import (
    MLA,
    ChunkedLocal,
    CompressedIndexer,
    CompressedMLA,
    CompressorState,
    CrossAttention,
    FullAttention,
    GatedDeltaNet,
    LayerCache,
    Mamba2,
    SlidingWindow,
    WindowedMLA,
)
from vram_engine.model.spec import CheckpointQuantization, ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import KvLayout, kv_layout

# 16 tokens x 1 head x (64 + 64) values x 2 bytes.
PAGE = 4096
LENGTH = 8192
BATCH = 1024
H100, B200, A100 = (9, 0), (10, 0), (8, 0)

# DeepSeek V4 Flash: windows in all layers, compressed caches in all but the first two.
FLASH = (
    WindowedMLA(tuple(range(43)), 512, 128),
    CompressedMLA(tuple(range(2, 43, 2)), 512, 4),
    CompressedMLA(tuple(range(3, 43, 2)), 512, 128),
    CompressedIndexer(tuple(range(2, 43, 2)), 132, 4),
    CompressorState(tuple(range(2, 43, 2)), 2048, 4),
    CompressorState(tuple(range(3, 43, 2)), 1024, 128),
    CompressorState(tuple(range(2, 43, 2)), 512, 4),
)


def full(*layers: int) -> FullAttention:
    """Full attention with one small head."""
    return FullAttention(layers, 1, 64, 64)


def sliding(*layers: int) -> SlidingWindow:
    """A window of 128 tokens with one small head."""
    return SlidingWindow(layers, 1, 64, 64, 128)


def spec_of(*caches: LayerCache, quantization: CheckpointQuantization | None = None) -> ModelSpec:
    """A generating bfloat16 model with these caches."""
    return ModelSpec(
        architecture="Any",
        model_type="",
        dtype="bfloat16",
        hidden_size=0,
        num_layers=1 + max(cache.layers[-1] for cache in caches),
        vocab_size=0,
        num_attention_heads=128,
        num_key_value_heads=0,
        head_dim=0,
        intermediate_size=0,
        length=None,
        rope=(),
        sliding_window=None,
        tie_word_embeddings=False,
        runner="generate",
        modules=(),
        caches=caches,
        quantization=quantization,
    )


def args_of(version: str) -> EngineArgs:
    """Default arguments of a release."""
    parsed = parse_version(version)
    assert parsed is not None
    return EngineArgs(vllm_version=parsed)


def plan(
    version: str, *caches: LayerCache, gpu: tuple[int, int] = H100, args: EngineArgs | None = None
) -> KvLayout | Unavailable:
    """What a release makes of these caches."""
    spec = spec_of(*caches)
    return kv_layout(spec, args or args_of(version), gpu, max_num_batched_tokens=BATCH, max_model_len=LENGTH)


def layout(version: str, *caches: LayerCache, gpu: tuple[int, int] = H100) -> KvLayout:
    """The same where it can be laid out."""
    planned = plan(version, *caches, gpu=gpu)
    assert not isinstance(planned, Unavailable), planned.reason
    return planned


@pytest.mark.parametrize(("version", "blocks"), [("0.28.0", 512), ("0.29.0", 513)])
def test_the_null_block_is_held_back_since_0_29(version: str, blocks: int) -> None:
    """8,192 tokens are 512 blocks of 16; one more must be there from 0.29 on."""
    assert layout(version, full(0, 1)).needed_bytes(LENGTH) == (blocks * 2 * PAGE,)


@pytest.mark.parametrize(("version", "blocks"), [("0.25.1", 73), ("0.26.0", 137), ("0.32.0", 137)])
def test_a_window_holds_every_batch_in_flight_since_0_26(version: str, blocks: int) -> None:
    """(127 + 1,024) / 16 rounded up, plus one; with asynchronous scheduling two batches are in flight."""
    assert layout(version, sliding(0)).blocks_per_group(LENGTH) == (blocks,)


def test_a_window_never_holds_more_than_the_sequence() -> None:
    """200 tokens are 13 blocks, plus one as the window may start inside a block."""
    assert layout("0.32.0", sliding(0)).blocks_per_group(200) == (14,)


@pytest.mark.parametrize(("version", "tokens"), [("0.20.0", 8000), ("0.21.0", 14003)])
def test_the_printed_tokens_follow_concurrency_since_0_21(version: str, tokens: int) -> None:
    """1,000 blocks in two groups: 500 x 16 tokens, or 1,000 / (512 + 73) requests x 8,192 tokens."""
    assert layout(version, full(0), sliding(1)).capacity_tokens([1000 * PAGE]) == tokens


@pytest.mark.parametrize(
    ("version", "windows", "groups"),
    [
        ("0.11.0", 9, (5, 4, 8)),
        ("0.12.0", 9, (9, 8)),
        ("0.17.1", 10, (5, 5, 8)),
        ("0.18.0", 10, (10, 8)),
        ("0.32.0", 11, (11, 8)),
        ("0.32.0", 12, (6, 6, 8)),
    ],
)
def test_how_much_a_group_may_grow_to_save_one(version: str, windows: int, groups: tuple[int, ...]) -> None:
    """Kinds of 8 and more layers share a size below 1.25 times from 0.12, below 1.5 times from 0.18."""
    planned = layout(version, sliding(*range(windows)), full(*range(windows, windows + 8)))
    assert tuple(group.layers for group in planned.groups) == groups
    assert planned.bytes_per_block == (max(groups) * PAGE,)


def test_the_check_added_layers_before_0_14_and_adds_groups_since() -> None:
    """Ten windows of 73 blocks and eight full layers of 512; groups of 5, 5 and 8 pay eight pages for each block."""
    caches = (sliding(*range(10)), full(*range(10, 18)))
    assert layout("0.13.0", *caches).needed_bytes(LENGTH) == ((10 * 73 + 8 * 512) * PAGE,)
    assert layout("0.14.0", *caches).needed_bytes(LENGTH) == ((73 + 73 + 512) * 8 * PAGE,)


def test_the_older_check_is_made_on_each_stage() -> None:
    """Two stages of nine layers each; a stage on its own gives the same answer as among the others."""
    caches = (sliding(*range(10)), full(*range(10, 18)))
    args = EngineArgs(vllm_version=args_of("0.13.0").vllm_version, pipeline_parallel_size=2)
    planned = plan("0.13.0", *caches, args=args)
    assert isinstance(planned, KvLayout)
    assert planned.needed_bytes(LENGTH) == (9 * 73 * PAGE, (73 + 8 * 512) * PAGE)
    assert planned.on_stage(1).needed_bytes(LENGTH) == ((73 + 8 * 512) * PAGE,)
    assert planned.on_stage(1).fits([(73 + 8 * 512) * PAGE])
    assert not planned.on_stage(1).fits([(73 + 8 * 512) * PAGE - 1])


@pytest.mark.parametrize(("version", "blocks"), [("0.13.0", (512,)), ("0.14.0", (512, 192))])
def test_chunks_are_told_apart_since_0_14(version: str, blocks: tuple[int, ...]) -> None:
    """A chunk of 2,048 and a batch of 1,024 are 192 blocks; before, chunked layers were kept like full ones."""
    caches = (full(0), ChunkedLocal((1,), 1, 64, 2048))
    assert layout(version, *caches).blocks_per_group(LENGTH) == blocks


@pytest.mark.parametrize(("version", "blocks"), [("0.8.5", (512,)), ("0.9.0", (512, 73))])
def test_windows_are_told_apart_since_0_9(version: str, blocks: tuple[int, ...]) -> None:
    """Before the hybrid manager, a window beside full attention was kept like it."""
    assert layout(version, full(0), sliding(1)).blocks_per_group(LENGTH) == blocks


@pytest.mark.parametrize(
    ("version", "mode", "states"), [("0.25.1", "none", 1), ("0.26.0", "align", 2), ("0.32.0", "align", 2)]
)
def test_states_are_cached_by_default_since_0_26(version: str, mode: str, states: int) -> None:
    """One state per request without prefix caching, the one before it as well with it."""
    planned = layout(version, full(1), GatedDeltaNet((0,), 2, 2, 16, 16, 4))
    assert (planned.mamba_cache_mode, min(planned.blocks_per_group(LENGTH))) == (mode, states)


@pytest.mark.parametrize(("version", "mode", "states"), [("0.28.0", "align", 2), ("0.29.0", "align", 3)])
def test_mamba_2_takes_a_block_for_its_checkpoint_since_0_29(version: str, mode: str, states: int) -> None:
    """A prefill that stops inside a block keeps one more state."""
    planned = layout(version, full(1), Mamba2((0,), 128, 8, 16, 1, 16, 4))
    assert (planned.mamba_cache_mode, min(planned.blocks_per_group(LENGTH))) == (mode, states)


def test_keeping_all_states_is_no_longer_possible_in_0_32() -> None:
    """``mamba_cache_mode: all`` was taken out; a value vLLM does not know has no layout."""
    version = args_of("0.32.0").vllm_version
    asked = EngineArgs(vllm_version=version, enable_prefix_caching=True, mamba_cache_mode="all")
    planned = plan("0.32.0", full(1), Mamba2((0,), 128, 8, 16, 1, 16, 4), args=asked)
    assert isinstance(planned, Unavailable)


@pytest.mark.parametrize(
    ("version", "gpu", "block_size"),
    [
        ("0.9.2", H100, 64),
        ("0.17.1", H100, 64),
        ("0.18.0", H100, 16),
        ("0.32.0", H100, 16),
        ("0.9.2", B200, 16),
        ("0.14.1", B200, 128),
        ("0.17.1", B200, 64),
        ("0.18.0", B200, 32),
        ("0.32.0", B200, 32),
        ("0.32.0", A100, 16),
    ],
)
def test_the_block_size_of_latent_attention(version: str, gpu: tuple[int, int], block_size: int) -> None:
    """The kernel of the GPU decides; it was forced before 0.18 and is chosen among the fitting ones since."""
    planned = layout(version, MLA((0,), 576, 128, 64, False), gpu=gpu)
    assert planned.block_size == block_size
    assert planned.bytes_per_block == (block_size * 576 * 2,)


@pytest.mark.parametrize(("gpu", "asked", "block_size"), [(H100, 128, 128), (B200, 16, 16), (B200, 64, 64)])
def test_a_kernel_is_chosen_for_the_block_size_asked_for(gpu: tuple[int, int], asked: int, block_size: int) -> None:
    """On a B200, blocks of 16 pass over FlashInfer and CUTLASS to Triton."""
    args = EngineArgs(vllm_version=args_of("0.32.0").vllm_version, block_size=asked)
    planned = plan("0.32.0", MLA((0,), 576, 128, 64, False), gpu=gpu, args=args)
    assert isinstance(planned, KvLayout)
    assert planned.block_size == block_size


@pytest.mark.parametrize(
    ("method", "declared", "version", "stored"),
    [
        ("modelopt", "FP8", "0.13.0", "bfloat16"),
        ("modelopt", "FP8", "0.14.0", "fp8_e4m3"),
        ("compressed-tensors", "FP8", "0.14.0", "bfloat16"),
        ("compressed-tensors", "FP8", "0.16.0", "fp8"),
        ("fp8", "FP8", "0.32.0", "bfloat16"),
    ],
)
def test_when_auto_follows_the_checkpoint(method: str, declared: str, version: str, stored: str) -> None:
    """A declared KV cache format is followed from some release on, and from some formats of checkpoint only."""
    spec = spec_of(full(0), quantization=CheckpointQuantization(method=method, default=None, kv_cache=declared))
    planned = kv_layout(spec, args_of(version), H100, max_num_batched_tokens=BATCH, max_model_len=LENGTH)
    assert isinstance(planned, KvLayout)
    assert planned.cache_dtype == stored
    assert planned.bytes_per_block == (PAGE if stored == "bfloat16" else PAGE // 2,)


@pytest.mark.parametrize(("version", "blocks"), [("0.10.2", 94), ("0.11.0", 64)])
def test_cross_attention_reserves_for_the_encoder_budget_since_0_11(version: str, blocks: int) -> None:
    """Whisper's 1,500 positions are 94 blocks of 16; a step's 1,024 tokens are 64."""
    planned = layout(version, full(0), CrossAttention((0,), 1, 64, 1500))
    assert planned.blocks_per_group(LENGTH) == (512, blocks)


@pytest.mark.parametrize(
    ("version", "bytes_per_block", "needed", "concurrency"),
    [
        ("0.20.0", 1051776, 7835731200, 1.4448690728945506),
        ("0.22.0", 1051776, 7835731200, 1.4448690728945506),
        ("0.24.0", 1039680, 7835731200, 1.4617126680820949),
        ("0.26.0", 1039680, 11336041728, 1.0313592329971037),
        ("0.28.0", 1002240, 11336041728, 0.9939691965114121),
        ("0.32.0", 1002240, 10803144960, 0.9939691965114121),
    ],
)
def test_pages_of_several_sizes(version: str, bytes_per_block: int, needed: int, concurrency: float) -> None:
    """DeepSeek V4 Flash at a million tokens, 8,192 a step: what each release's own planner answers for 10 GiB."""
    args = EngineArgs(vllm_version=args_of(version).vllm_version, kv_cache_dtype="fp8")
    planned = kv_layout(spec_of(*FLASH), args, H100, max_num_batched_tokens=8192, max_model_len=2**20)
    assert isinstance(planned, KvLayout)
    assert planned.bytes_per_block == (bytes_per_block,)
    assert planned.needed_bytes(2**20) == (needed,)
    assert planned.max_concurrency([10 * 2**30]) == concurrency


def test_no_layout_is_guessed_for_a_release_that_lacks_it() -> None:
    """DeepSeek V4 came with 0.20, had to be given an fp8 cache until 0.29, and was first laid out for one stage."""
    fp8 = EngineArgs(vllm_version=args_of("0.19.1").vllm_version, kv_cache_dtype="fp8")
    assert isinstance(plan("0.19.1", *FLASH, args=fp8), Unavailable)
    assert isinstance(plan("0.29.0", *FLASH), Unavailable)
    assert isinstance(plan("0.30.0", *FLASH), KvLayout)
    stages = EngineArgs(vllm_version=args_of("0.28.0").vllm_version, kv_cache_dtype="fp8", pipeline_parallel_size=2)
    assert isinstance(plan("0.28.0", *FLASH, args=stages), Unavailable)


def test_decode_context_parallelism_shares_out_the_tokens() -> None:
    """Two ranks hold 4,096 of 8,192 tokens each, and the printed size counts both."""
    args = EngineArgs(vllm_version=args_of("0.32.0").vllm_version, decode_context_parallel_size=2)
    planned = plan("0.32.0", MLA((0,), 576, 128, 64, False), args=args)
    assert isinstance(planned, KvLayout)
    assert planned.blocks_per_group(LENGTH) == (256,)
    assert planned.capacity_tokens([512 * 16 * 576 * 2]) == 2 * LENGTH

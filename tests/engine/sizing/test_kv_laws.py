"""What holds for the KV cache of any model: laws over made-up layers, releases and amounts of memory."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vram_engine.facts.versions import Version
from vram_engine.model.caches import (
    MLA,
    ChunkedLocal,
    FullAttention,
    GatedDeltaNet,
    LayerCache,
    Mamba2,
    SlidingWindow,
)
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import KvLayout, kv_layout

GIB = 2**30
LONGEST = 2**18
RELEASES = ((0, 8, 5), (0, 10, 2), (0, 11, 0), (0, 13, 0), (0, 17, 1), (0, 20, 0), (0, 25, 1), (0, 28, 0), (0, 32, 0))

lengths = st.integers(1, LONGEST)
memory = st.integers(0, 4 * GIB)
heads = st.sampled_from((2, 4, 8))
sizes = st.sampled_from((64, 128, 256))


def layers(first: int, count: int) -> tuple[int, ...]:
    """``count`` layers from ``first`` on."""
    return tuple(range(first, first + count))


@st.composite
def attention(draw: st.DrawFn) -> tuple[LayerCache, ...]:
    """Full attention, with windows or chunks beside it or without."""
    few, size = draw(heads), draw(sizes)
    kept: list[LayerCache] = [FullAttention(layers(0, draw(st.integers(1, 9))), few, size, size)]
    if draw(st.booleans()):
        window = draw(st.integers(1, 5000))
        kept.append(SlidingWindow(layers(9, draw(st.integers(1, 9))), draw(heads), size, size, window))
    if draw(st.booleans()):
        chunk = draw(st.integers(1, 9000))
        kept.append(ChunkedLocal(layers(18, draw(st.integers(1, 9))), few, size, chunk))
    return tuple(kept)


@st.composite
def hybrids(draw: st.DrawFn) -> tuple[LayerCache, ...]:
    """States alone or beside attention."""
    states = layers(0, draw(st.integers(1, 9)))
    state = draw(
        st.sampled_from(
            (Mamba2(states, 2048, 32, 64, 8, 128, 4, "float32"), GatedDeltaNet(states, 16, 32, 128, 128, 4))
        )
    )
    beside = draw(
        st.sampled_from(((), (FullAttention(layers(9, 3), 2, 128, 128),), (MLA(layers(9, 3), 576, 128, 64, False),)))
    )
    return (state, *beside)


caches = st.one_of(attention(), hybrids(), st.just((MLA(layers(0, 27), 576, 128, 64, False),)))
arguments = st.builds(
    EngineArgs,
    vllm_version=st.sampled_from([Version(*release) for release in RELEASES]),
    tensor_parallel_size=st.sampled_from((1, 2)),
    kv_cache_dtype=st.sampled_from(("auto", "fp8")),
    enable_prefix_caching=st.sampled_from((None, True, False)),
    disable_hybrid_kv_cache_manager=st.booleans(),
)
STEADY = settings(max_examples=60, deadline=None)


def plan(kept: tuple[LayerCache, ...], args: EngineArgs) -> KvLayout | Unavailable:
    """The layout of a bfloat16 model with these caches on an H100."""
    spec = ModelSpec(
        architecture="Any",
        model_type="",
        dtype="bfloat16",
        hidden_size=0,
        num_layers=27,
        vocab_size=0,
        num_attention_heads=0,
        num_key_value_heads=0,
        head_dim=0,
        intermediate_size=0,
        length=None,
        rope=(),
        sliding_window=None,
        tie_word_embeddings=False,
        runner="generate",
        modules=(),
        caches=kept,
    )
    return kv_layout(spec, args, (9, 0), max_num_batched_tokens=2048, max_model_len=LONGEST)


def layout(kept: tuple[LayerCache, ...], args: EngineArgs) -> KvLayout:
    """The same, where vLLM would serve it."""
    planned = plan(kept, args)
    assume(isinstance(planned, KvLayout))
    assert isinstance(planned, KvLayout)
    return planned


@STEADY
@given(caches, arguments, lengths, lengths)
def test_more_tokens_never_need_less(kept: tuple[LayerCache, ...], args: EngineArgs, one: int, other: int) -> None:
    """Neither the start-up check nor a request asks for fewer bytes at a longer length."""
    planned, (shorter, longer) = layout(kept, args), sorted((one, other))
    assert planned.needed_bytes(shorter) <= planned.needed_bytes(longer)
    assert planned.one_request_bytes(shorter) <= planned.one_request_bytes(longer)


@STEADY
@given(attention(), arguments, lengths)
def test_eight_bits_never_need_more_than_sixteen(kept: tuple[LayerCache, ...], args: EngineArgs, length: int) -> None:
    """Keys and values in fp8 take at most the bytes of bfloat16."""
    narrow, wide = layout(kept, replace(args, kv_cache_dtype="fp8")), layout(kept, replace(args, kv_cache_dtype="auto"))
    assert narrow.needed_bytes(length) <= wide.needed_bytes(length)


@STEADY
@given(caches, arguments, memory)
def test_the_longest_length_is_the_edge_of_what_fits(
    kept: tuple[LayerCache, ...], args: EngineArgs, available: int
) -> None:
    """It fits, and one token more does not."""
    planned = layout(kept, args)
    longest = planned.max_model_len_that_fits([available])
    assert longest == 0 or planned.fits([available], longest)
    assert longest == LONGEST or not planned.fits([available], longest + 1)


@STEADY
@given(caches, arguments, memory, memory)
def test_more_memory_never_holds_less(kept: tuple[LayerCache, ...], args: EngineArgs, one: int, other: int) -> None:
    """Blocks, tokens, requests and the longest length grow with the memory, or stay."""
    planned, (less, more) = layout(kept, args), sorted((one, other))
    for question in (
        planned.num_blocks,
        planned.capacity_tokens,
        planned.max_concurrency,
        planned.max_model_len_that_fits,
        planned.fits,
    ):
        assert question([less]) <= question([more])


@STEADY
@given(attention(), arguments, lengths)
def test_a_second_rank_never_needs_more(kept: tuple[LayerCache, ...], args: EngineArgs, length: int) -> None:
    """Tensor parallelism shares the heads out."""
    one, two = (layout(kept, replace(args, tensor_parallel_size=ranks)) for ranks in (1, 2))
    assert two.needed_bytes(length) <= one.needed_bytes(length)


@STEADY
@given(caches, arguments)
def test_a_layout_is_the_same_each_time(kept: tuple[LayerCache, ...], args: EngineArgs) -> None:
    """Layouts are values: equal questions have equal answers."""
    assert plan(kept, args) == plan(kept, args)

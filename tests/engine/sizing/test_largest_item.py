"""The largest item of media that is profiled, against the lines that vLLM prints about its encoder cache."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.sizing.test_weights_table import MODELS, spec_of
from vram_engine.facts.gpus import gpu_by_id
from vram_engine.facts.versions import NEWEST, Version
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.batch import batch
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era
from vram_engine.sizing.largest_item import largest_item, profiled_items
from vram_engine.sizing.media_size import media_sizes, unfollowed_sizes

NO_VIDEOS = (("image", 1), ("video", 0))


def qwen25_vl() -> ModelSpec:
    """A model whose videos have frames as large as its images."""
    return replace(spec_of(MODELS["Qwen3-VL-4B-Instruct"]), architecture="Qwen2_5_VLForConditionalGeneration")


@pytest.mark.parametrize(
    ("version", "length", "tokens"),
    [
        (Version(0, 9, 2), 32768, 16384),
        (Version(0, 9, 2), 128000, 98304),
        (Version(0, 10, 2), 131072, 131072),
        (Version(0, 11, 0), 128000, 114688),
        (NEWEST, 128000, 114688),
        (NEWEST, 32768, 32768),
        (NEWEST, 8192, 16384),
    ],
)
def test_a_video_as_long_as_the_model_takes(version: Version, length: int, tokens: int) -> None:
    """As many pairs of frames as fit the length: the encoder budget of 98,304 and 114,688 tokens that logs print."""
    args = EngineArgs(vllm_version=version, max_model_len=length)
    assert largest_item(qwen25_vl(), args).tokens == tokens


def test_without_videos_an_image_is_the_largest() -> None:
    """A limit of no videos leaves one image of 16,384 tokens, 65,536 patches."""
    item = largest_item(qwen25_vl(), EngineArgs(max_model_len=128000, limit_mm_per_prompt=NO_VIDEOS))
    assert (item.tokens, item.patches) == (16384, 65536)


def test_images_as_large_as_they_are_let_be() -> None:
    """1,003,520 pixels are 1,280 squares of 28 x 28, and a video has seven pairs of such frames."""
    args = EngineArgs(max_model_len=32768, mm_processor_kwargs=(("max_pixels", 1003520),))
    assert largest_item(qwen25_vl(), args).tokens == 7 * 1280
    assert largest_item(qwen25_vl(), replace(args, limit_mm_per_prompt=NO_VIDEOS)).patches == 4 * 1280
    assert largest_item(qwen25_vl(), replace(args, vllm_version=Version(0, 8, 3))).patches == 65536


@pytest.mark.parametrize(
    ("tokens", "seqs", "length", "items"), [(32768, 256, 98304, 2), (4096, 1, 65536, 1), (65536, 1, 40000, 2)]
)
def test_how_many_items(tokens: int, seqs: int, length: int, items: int) -> None:
    """A budget of 32,768 tokens is two images, as a log says; one prompt holds as many as fit its length."""
    spec = spec_of(MODELS["Qwen3-VL-4B-Instruct"])
    args = EngineArgs(max_model_len=length, max_num_batched_tokens=tokens, max_num_seqs=seqs)
    gpu = gpu_by_id("rtx-5090")
    assert gpu is not None
    limits = batch(args, gpu, length, spec)
    assert profiled_items(largest_item(spec, args), spec, args, limits, era(spec, args, gpu.capability)) == items


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ('{"max_pixels": 1003520, "min_pixels": 3136}', (("max_pixels", 1003520), ("min_pixels", 3136))),
        ('{"max_pixels": -1}', None),
        ('{"max_pixels": true}', None),
        ('{"size": {"longest_edge": 64}}', None),
        ("[" * 100000, None),
        (7, None),
    ],
)
def test_sizes_of_media(text: object, sizes: object) -> None:
    """Whole numbers above 0 and nothing else are understood; whatever else is said is not passed over."""
    assert media_sizes(text) == sizes
    assert (unfollowed_sizes(text, NEWEST, qwen25_vl()) is None) is (sizes is not None)


def test_whose_images_are_resized() -> None:
    """Of a model whose processor was not read the memory is not known."""
    told = '{"max_pixels": 1003520}'
    assert unfollowed_sizes(told, NEWEST, replace(qwen25_vl(), architecture="InternVLChatModel")) is not None
    assert unfollowed_sizes(told, Version(0, 8, 3), qwen25_vl()) is not None

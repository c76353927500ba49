"""Towers that a deployment leaves out, or holds whole on every rank."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.sizing.test_batch import batch, card
from tests.engine.sizing.test_weights_refusals import H100
from tests.engine.sizing.test_weights_table import MODELS, spec_of
from vram_engine.facts.versions import Version
from vram_engine.model.spec import Block, Linear, ModelSpec, Part
from vram_engine.sizing.activations import benchmarks_embedding
from vram_engine.sizing.encoder import encoder_peak, sees_images
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era
from vram_engine.sizing.towers import media_limits, unfollowed_limits
from vram_engine.sizing.weights import allocated_bytes, weights

NEWEST = Version(0, 32, 0)
NO_IMAGES = (("image", 0),)
NO_SIGHT = (("image", 0), ("video", 0))
NOTHING = (("image", 0), ("video", 0), ("audio", 0))


def size(name: str, **given: object) -> int:
    """Parameter bytes of one of two ranks."""
    args = replace(EngineArgs(vllm_version=NEWEST, tensor_parallel_size=2), **given)  # type: ignore[arg-type]
    stages = weights(spec_of(MODELS[name]), args, H100)
    assert isinstance(stages, tuple), stages
    return allocated_bytes(stages[0])


# What vLLM 0.32 allocates on one of two ranks: as it is, without images, without images and videos, without all media.
LIMITED = {
    "Qwen3-VL-4B-Instruct": (4442129408, 4442129408, 4022664192, 4022664192),
    "InternVL3-8B-hf": (8074748928, 8074748928, 7613068288, 7613068288),
}


@pytest.mark.parametrize("name", LIMITED)
def test_limits_leave_the_tower_out(name: str) -> None:
    """A tower is left out when every kind of media that it reads is limited to none."""
    whole, no_images, no_sight, nothing = LIMITED[name]
    assert size(name) == whole
    assert size(name, limit_mm_per_prompt=NO_IMAGES) == no_images
    assert size(name, limit_mm_per_prompt=NO_SIGHT) == no_sight
    assert size(name, limit_mm_per_prompt=NOTHING) == nothing == size(name, language_model_only=True)


def test_a_tower_for_images_alone_goes_with_them() -> None:
    """Gemma 3 sees images only, so that no images means no tower."""
    alone = size("gemma-3-4b-it", language_model_only=True)
    assert size("gemma-3-4b-it", limit_mm_per_prompt=NO_IMAGES) == alone < size("gemma-3-4b-it")


def hearing() -> ModelSpec:
    """A model that sees, and hears with a part of its own."""
    spec = spec_of(MODELS["Qwen3-VL-4B-Instruct"])
    ears = Block("audio_tower.", (Linear("proj", "tower", (Part("", 1024),), 512, "none"),), "every")
    return replace(spec, modules=(*spec.modules, ears))


def test_sound_stays_without_sight() -> None:
    """A model that may not see keeps what it hears with, which is then more than is followed."""
    args = EngineArgs(vllm_version=NEWEST, limit_mm_per_prompt=NO_SIGHT)
    blind, silent = weights(hearing(), args, H100), weights(spec_of(MODELS["Qwen3-VL-4B-Instruct"]), args, H100)
    assert isinstance(blind, tuple)
    assert isinstance(silent, tuple)
    assert allocated_bytes(blind[0]) == allocated_bytes(silent[0]) + 1024 * 512 * 2
    assert unfollowed_limits('{"image": 0, "video": 0}', NEWEST, hearing()) is not None
    assert unfollowed_limits('{"audio": 0}', NEWEST, hearing()) is None


def test_earlier_releases_decide_class_by_class() -> None:
    """Before the common rule nothing is left out for a limit, and the limit is said not to be followed."""
    early = Version(0, 14, 1)
    name = "Qwen3-VL-4B-Instruct"
    assert size(name, vllm_version=early, limit_mm_per_prompt=NO_SIGHT) == size(name, vllm_version=early)
    assert unfollowed_limits('{"image": 0, "video": 0}', early, spec_of(MODELS[name])) is not None


def test_whole_towers_on_every_rank() -> None:
    """The tower is on every rank whole with mm_encoder_tp_mode data, where the class can do that."""
    assert size("Qwen3-VL-4B-Instruct", mm_encoder_tp_mode="data") == 4853359616
    assert size("InternVL3-8B-hf", mm_encoder_tp_mode="data") == size("InternVL3-8B-hf")


def test_a_whole_tower_takes_its_share_of_the_images() -> None:
    """Memory is profiled with one image on a rank that holds the whole tower, and no rank takes less than one."""
    spec, gpu = spec_of(MODELS["Qwen3-VL-4B-Instruct"]), card("h100-sxm-80")
    args = EngineArgs(vllm_version=NEWEST, tensor_parallel_size=2)
    shared = encoder_peak(spec, args, batch(args, gpu, 32768, spec), era(spec, args, H100), gpu)
    args = replace(args, mm_encoder_tp_mode="data")
    whole = encoder_peak(spec, args, batch(args, gpu, 32768, spec), era(spec, args, H100), gpu)
    assert shared is not None
    assert whole is not None
    assert whole.bytes > shared.bytes


def test_without_a_tower_nothing_is_profiled() -> None:
    """A model whose tower is left out is profiled like the language model that it then is."""
    spec, gpu = spec_of(MODELS["Qwen3-VL-4B-Instruct"]), card("h100-sxm-80")
    args = EngineArgs(vllm_version=NEWEST, limit_mm_per_prompt=NO_SIGHT)
    regime = era(spec, args, H100)
    assert not sees_images(spec, args)
    assert encoder_peak(spec, args, batch(args, gpu, 32768, spec), regime, gpu) is None
    assert benchmarks_embedding(spec, args, regime)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ('{"image": 0, "video": 2}', (("image", 0), ("video", 2))),
        ('{"image": {"count": 3}}', (("image", 3),)),
        ("{}", ()),
        ('{"image": {"count": 3, "width": 512}}', None),
        ('{"image": -1}', None),
        ('{"image": true}', None),
        ("image=0", None),
        ("[" * 100000, None),
        (5, None),
    ],
)
def test_limits_are_read_as_plain_counts(text: object, limits: object) -> None:
    """Counts are read; options that change the profiled media, and anything else, are not."""
    assert media_limits(text) == limits


@pytest.mark.parametrize(
    ("name", "text", "followed"),
    [
        ("Qwen3-VL-4B-Instruct", '{"image": 4}', True),
        ("Qwen3-VL-4B-Instruct", '{"video": 0}', True),
        ("Qwen3-VL-4B-Instruct", '{"image": 0, "video": 0}', True),
        ("Qwen3-VL-4B-Instruct", '{"image": 0}', False),
        ("Qwen3-VL-4B-Instruct", '{"image": {"count": 1, "width": 512}}', False),
        ("gemma-3-4b-it", '{"image": 0}', True),
    ],
)
def test_limits_that_are_followed(name: str, text: str, followed: bool) -> None:
    """A limit is followed while the media that memory is profiled with stay the same, or none are left."""
    spec = spec_of(MODELS[name])
    assert isinstance(spec, ModelSpec)
    assert (unfollowed_limits(text, NEWEST, spec) is None) is followed

"""Which hardware a deployment runs on, when several words about it are heard."""

from __future__ import annotations

from vram_engine.analysis import Context, analyse
from vram_engine.deployment import Known, Setting
from vram_engine.hardware import Node

MODEL = "model: org/name\nmax-model-len: 8192\n"
ONE_4090 = (Setting("gpu", Known("rtx-4090"), "detected"), Setting("gpus", Known(1), "detected"))


def node(text, *settings):
    """The node of a text's only deployment."""
    (plan,) = analyse(text, Context(settings=settings)).plans
    return plan.node


def test_this_machines_count_is_not_another_cards():
    """A GPU named in the file is not limited to the number of GPUs of the machine it is written on."""
    assert node("# vram: gpu=h100\n" + MODEL, *ONE_4090).count is None
    assert node("# vram: gpu=2xl4\n" + MODEL, *ONE_4090).count == 2
    assert node(MODEL, *ONE_4090).count == 1


def test_a_memory_is_not_combined_with_a_stronger_gpu():
    """An argument that names another GPU replaces the memory the file declares."""
    profile = "profile_version: 1\nhardware: {gpu_name: l4, vram_gb: 24}\n"
    declared = node(profile)
    assert declared.gpu.memory_bytes == 24 * 2**30
    other = node(profile, Setting("gpu", Known("h100"), "argument"))
    assert (other.gpu.id, other.gpu.memory_bytes > 70 * 2**30) == ("h100-sxm-80", True)


def test_a_declared_memory_is_not_this_machines_card():
    """80 GB in the file are not a 4090 because the file is written on one."""
    found = node("profile_version: 1\nhardware: {vram_gb: 80}\n", *ONE_4090)
    assert isinstance(found, Node)
    assert (found.gpu.id, found.gpu.memory_bytes) == ("unnamed", 80 * 2**30)


def test_a_memory_tells_cards_of_one_name_apart():
    """An A100 of 80 GB is one card, and an unknown name with a memory is an assumed one."""
    assert node("profile_version: 1\nhardware: {gpu_name: RTX 3080, vram_gb: 10}\n").gpu.id == "rtx-3080-10"
    assert node("profile_version: 1\nhardware: {gpu_name: MyGPU, vram_gb: 80}\n").gpu.memory_status == "assumed"

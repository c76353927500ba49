"""CUDA_VISIBLE_DEVICES: which GPUs are left, and when that cannot be told."""

from __future__ import annotations

import pytest

from vram_engine.ports import DetectedGpu
from vram_engine.sources.visible_devices import visible


def gpu(index, name="NVIDIA H100 80GB HBM3", total=81559, mig=None, uuid=None):
    """A GPU of a machine."""
    return DetectedGpu(index, name, total * 2**20, 0, (9, 0), uuid or f"GPU-{index}aa-{index}", mig)


ALIKE = tuple(map(gpu, range(4)))
UNLIKE = (gpu(0, "NVIDIA GeForce RTX 3090", 24576), gpu(1, "NVIDIA GeForce RTX 4090", 24564))
SLICED = (gpu(0, mig="1g.10gb", uuid="MIG-a"), gpu(0, mig="1g.10gb", uuid="MIG-b"), gpu(1))


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 3 ", [1, 3]),
        ("", []),
        ("-1", []),
        ("1,-1,2", [1]),
        ("9", []),
        ("1,9,2", [1]),
        ("1,1", []),
        ("NoDevFiles", []),
        ("GPU-2aa-2", [2]),
        ("GPU-2", [2]),
        ("GPU-", []),
        ("9" * 5000, []),
    ],
)
def test_alike_gpus_are_left_as_cuda_leaves_them(listed, left):
    """Numbers, UUIDs and their beginnings; the list ends at the first word that names no GPU, and none comes twice."""
    assert [each.index for each in visible(ALIKE, {"CUDA_VISIBLE_DEVICES": listed})] == left


def test_without_the_variable_all_are_left():
    """Nothing set is nothing hidden."""
    assert visible(ALIKE, {}) == ALIKE


def test_numbers_of_unlike_gpus_need_an_order():
    """CUDA puts the fastest first and NVML goes by the bus: unless told to agree, a number has no certain meaning."""
    assert visible(UNLIKE, {"CUDA_VISIBLE_DEVICES": "0"}) == UNLIKE
    ordered = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert visible(UNLIKE, ordered) == (UNLIKE[1],)
    assert visible(UNLIKE, {"CUDA_VISIBLE_DEVICES": "GPU-0"}) == (UNLIKE[0],)


def test_slices_are_named_by_uuid():
    """A slice has a UUID of its own, and no number that is certain."""
    assert visible(SLICED, {"CUDA_VISIBLE_DEVICES": "MIG-b"}) == (SLICED[1],)
    assert visible(SLICED, {"CUDA_VISIBLE_DEVICES": "0"}) == SLICED

"""This machine's GPUs, with the real pynvml over a library of our own in place of the driver's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vram_engine.ports import DetectedGpu
from vram_lsp.detected import catalogue_id, detected_settings

SOURCE = Path(__file__).with_name("fake_nvml.c")
MACHINES = ("h100 x8", "4090 and 3090", "mig", "gb10", "one is lost", "mismatch", "not loaded", "empty")
MEMINFO = "MemTotal:       127535348 kB\nMemFree:         1000000 kB\nMemAvailable:   118000000 kB\n"

SCRIPT = """
import dataclasses, json, os, pathlib, sys
from vram_engine.sources import nvml
nvml._MEMORY_OF_THE_SYSTEM = pathlib.Path(sys.argv[1])
found = {}
for machine in sys.argv[2:]:
    os.environ["FAKE_NVML"] = machine
    found[machine] = dataclasses.asdict(nvml.NvmlGpus({}).detect())
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The folder of a libnvidia-ml.so.1 that tells what FAKE_NVML names."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler on Linux to build the driver's library with")
    folder = tmp_path_factory.mktemp("nvml")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def detected(library):
    """What each machine's driver tells."""
    (library / "meminfo").write_text(MEMINFO)
    command = [sys.executable, "-c", SCRIPT, str(library / "meminfo"), *MACHINES]
    done = subprocess.run(
        command, env={**os.environ, "LD_LIBRARY_PATH": str(library)}, capture_output=True, text=True, check=True
    )
    return {name: Machine(**facts) for name, facts in json.loads(done.stdout).items()}


class Machine:
    """GPUs, driver and problem as they came through JSON."""

    def __init__(self, gpus, driver, problem):
        self.gpus = tuple(DetectedGpu(**gpu | {"nvlink_peers": tuple(gpu["nvlink_peers"])}) for gpu in gpus)
        self.driver = driver
        self.problem = problem


def test_a_node_of_eight(detected):
    """Every GPU with its memory, capability and NVLink; alike ones are the hardware of files that name none."""
    machine = detected["h100 x8"]
    assert len(machine.gpus) == 8
    assert machine.driver == "580.95.05"
    first = machine.gpus[0]
    assert (first.name, first.total_bytes, first.free_bytes) == (
        "NVIDIA H100 80GB HBM3",
        81559 * 2**20,
        (81559 - 512) * 2**20,
    )
    assert list(first.capability) == [9, 0]
    assert first.nvlink_peers == (1, 2, 3, 4, 5, 6, 7)
    assert [(each.name, each.value.value) for each in detected_settings(machine.gpus)] == [
        ("gpu", "h100-sxm-80"),
        ("gpus", 8),
    ]


def test_unlike_gpus_are_told_and_not_chosen_between(detected):
    """A 4090 beside a 3090 is two GPUs, and none is assumed for a file."""
    machine = detected["4090 and 3090"]
    assert [catalogue_id(gpu) for gpu in machine.gpus] == ["rtx-4090", "rtx-3090"]
    assert [gpu.nvlink_peers for gpu in machine.gpus] == [(), ()]
    assert detected_settings(machine.gpus) == ()


def test_slices_stand_in_for_the_gpu_they_are_cut_from(detected):
    """MIG instances by profile and with their own memory, whether or not the driver puts the profile in the name."""
    new, old, whole = detected["mig"].gpus
    assert [(gpu.index, gpu.mig, gpu.name, gpu.total_bytes) for gpu in (new, old)] == [
        (0, "1g.10gb", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", 9856 * 2**20)
    ] * 2
    assert list(old.capability) == [9, 0]
    assert (whole.index, whole.mig) == (1, None)
    assert catalogue_id(old) is None


def test_shared_memory_is_the_systems(detected):
    """NVML has no figure for GB10: what CUDA reports there is the system's memory as Linux counts it."""
    (gpu,) = detected["gb10"].gpus
    assert (gpu.total_bytes, gpu.free_bytes) == (127535348 * 1024, 118000000 * 1024)
    assert catalogue_id(gpu) == "gb10"


def test_a_lost_gpu_does_not_hide_the_others(detected):
    """One GPU that has fallen off the bus costs itself alone."""
    assert [gpu.index for gpu in detected["one is lost"].gpus] == [1]


def test_a_driver_that_does_not_answer_says_what_to_do(detected):
    """A half-updated driver and one that is not loaded are problems; a driver without GPUs is none."""
    assert "reboot" in detected["mismatch"].problem
    assert "not loaded" in detected["not loaded"].problem
    assert (detected["empty"].gpus, detected["empty"].problem) == ((), None)


def test_detect_prints_them(library):
    """The command line lists what the driver tells, as JSON too, and puts problems on stderr."""
    command = [sys.executable, "-m", "vram_lsp", "detect", "--json"]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library), "FAKE_NVML": "4090 and 3090"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert [gpu["id"] for gpu in json.loads(done.stdout)["gpus"]] == ["rtx-4090", "rtx-3090"]
    environment["FAKE_NVML"] = "mig"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert {gpu["mig"] for gpu in printed["gpus"]} >= {"1g.10gb"}
    assert printed["driver"] is not None
    environment["FAKE_NVML"] = "h100 x8"
    done = subprocess.run(command[:-1], env=environment, capture_output=True, text=True, check=True)
    assert "NVLink to 1, 2, 3, 4, 5, 6, 7" in done.stdout.splitlines()[1]
    environment["FAKE_NVML"] = "mismatch"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["gpus"] == []
    assert "reboot" in done.stderr

"""AMD's GPUs, by programs of our own in place of the driver's that print what the real ones do."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

from vram_engine.sources.amd_smi import AmdGpus
from vram_engine.sources.this_machine import ThisMachine
from vram_lsp.detected import catalogue_id, detected_settings

# 192 GiB less what the firmware keeps, as an MI300X counts it.
TOTAL_MB = 196_592


def static(number, name="AMD Instinct MI300X", size=TOTAL_MB):
    """A GPU in ``amd-smi static``."""
    vram = {"type": "HBM", "vendor": "HYNIX", "size": {"value": size, "unit": "MB"}}
    asic = {"market_name": name, "vendor_id": "0x1002", "device_id": "0x74a1", "target_graphics_version": "gfx942"}
    return {"gpu": number, "asic": asic, "vram": vram, "driver": {"name": "amdgpu", "version": "6.10.5"}}


def metric(number, used=285):
    """A GPU in ``amd-smi metric --mem-usage``."""
    sizes = {"total_vram": TOTAL_MB, "used_vram": used, "free_vram": TOTAL_MB - used}
    return {"gpu": number, "mem_usage": {key: {"value": value, "unit": "MB"} for key, value in sizes.items()}}


LISTED = [{"gpu": number, "bdf": f"0000:{number:02x}:00.0", "uuid": f"{number}eff74a1-0000"} for number in range(8)]
NODE = {"static": [*map(static, range(8))], "metric": [*map(metric, range(8))], "list": LISTED}

ROCM = {
    "card0": {
        "Unique ID": "0xabc123",
        "VRAM Total Memory (B)": "25753026560",
        "VRAM Total Used Memory (B)": "27537408",
        "Card Series": "Radeon RX 7900 XTX",
        "Card Model": "0x744c",
    },
    "system": {"Driver version": "6.8.0"},
}
OLD_ROCM = {
    "card0": {"Card series": "0x740f", "Card model": "AMD Instinct MI250", "VRAM Total Memory (B)": "68702699520"}
}


@pytest.fixture
def machine(tmp_path):
    """A function that puts a program on a search path of its own and gives the environment with it."""

    def machine(program, answers=None, script=None, **environment):
        path = tmp_path / program
        table = json.dumps(json.dumps(answers))
        said = f"import json, sys\nprint(json.dumps(json.loads({table}).get(sys.argv[1])))"
        path.write_text(f"#!{sys.executable}\n{script or said}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return {"PATH": str(tmp_path), **environment}

    return machine


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_node_of_eight_by_amd_smi(machine, wrapped):
    """Names, bytes, what is free and the driver, whether or not the list is wrapped as newer releases do."""
    answers = {key: {"gpu_data": rows} if wrapped else rows for key, rows in NODE.items()}
    found = AmdGpus(machine("amd-smi", answers)).detect()
    assert [gpu.index for gpu in found.gpus] == list(range(8))
    assert found.gpus[3].name == "AMD Instinct MI300X"
    assert (found.gpus[3].total_bytes, found.gpus[3].free_bytes) == (206_141_652_992, 206_141_652_992 - 285 * 2**20)
    assert (found.gpus[3].uuid, found.driver, found.problem) == ("3eff74a1-0000", "6.10.5", None)
    assert catalogue_id(found.gpus[0]) == "mi300x"
    assert [setting.value.value for setting in detected_settings(found.gpus)] == ["mi300x", 8]


def test_rocm_smi_stands_in(machine):
    """The older program speaks in bytes, and its releases disagree about capitals and where a name is."""
    answers = {"--showproductname": ROCM}
    found = AmdGpus(machine("rocm-smi", answers)).detect()
    (gpu,) = found.gpus
    assert (gpu.name, gpu.total_bytes, gpu.free_bytes) == ("Radeon RX 7900 XTX", 25_753_026_560, 25_725_489_152)
    assert (gpu.uuid, found.driver, catalogue_id(gpu)) == ("GPU-0000000000abc123", "6.8.0", "rx-7900-xtx")
    (old,) = AmdGpus(machine("rocm-smi", {"--showproductname": OLD_ROCM})).detect().gpus
    assert (old.name, old.total_bytes) == ("AMD Instinct MI250", 68_702_699_520)


@pytest.mark.parametrize(
    ("environment", "left"),
    [
        ({"HIP_VISIBLE_DEVICES": "2,3"}, [2, 3]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [1]),
        ({"ROCR_VISIBLE_DEVICES": "4,5,6,7", "HIP_VISIBLE_DEVICES": "0,2"}, [4, 6]),
        ({"ROCR_VISIBLE_DEVICES": "4,5", "HIP_VISIBLE_DEVICES": "5"}, []),
        ({"HIP_VISIBLE_DEVICES": ""}, list(range(8))),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
    ],
)
def test_what_hip_shows(machine, environment, left):
    """ROCm's variable first, then HIP's or CUDA's counts what is left; an empty one says nothing."""
    found = AmdGpus(machine("amd-smi", NODE, **environment)).detect()
    assert [gpu.index for gpu in found.gpus] == left


@pytest.mark.parametrize(
    "static_rows",
    [
        None,
        "ERROR",
        [],
        [{"gpu": "0"}, {"gpu": True}, {"gpu": -1}, {"gpu": 10**9}, 7],
        [{"gpu": 0, "asic": [], "vram": 3}],
        [static(0, name={"a": 1})],
        [static(0, size=-4), static(1, size=2**80), static(2, size="196592"), static(3, size=True)],
    ],
)
def test_what_is_no_answer_is_no_gpu(machine, static_rows):
    """Whatever the program prints, nothing is made up, and the problem says what to look at."""
    found = AmdGpus(machine("amd-smi", {"static": static_rows})).detect()
    assert found.gpus == ()
    assert "amdgpu driver" in found.problem


@pytest.mark.parametrize(
    "script",
    [
        "import time; time.sleep(60)",
        "import os, time; os.fork(); time.sleep(60)",
        "print('[' * 10_000_000)",
        "raise SystemExit(255)",
        "import os\nos.write(1, b'\\xff' * 100)",
    ],
)
def test_a_program_that_hangs_or_floods_is_stopped(machine, script):
    """Silence, children that keep the pipe, floods, failures and bytes that are no text all end as no answer."""
    found = AmdGpus(machine("amd-smi", script=script), budget_s=1.0).detect()
    assert (found.gpus, "amdgpu driver" in found.problem) == ((), True)


def test_no_program_is_no_problem(tmp_path):
    """A machine without AMD's programs has nothing to complain of."""
    found = AmdGpus({"PATH": str(tmp_path)}).detect()
    assert (found.gpus, found.problem) == ((), None)


def test_detect_prints_them(machine):
    """Where NVIDIA's driver is not, detect lists AMD's, as JSON with driver, uuid and links."""
    environment = {**os.environ, **machine("amd-smi", NODE)}
    if ThisMachine().detect().gpus:
        pytest.skip("this machine has GPUs of its own")
    command = [sys.executable, "-m", "vram_lsp", "detect", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert (printed["driver"], len(printed["gpus"])) == ("6.10.5", 8)
    assert printed["gpus"][7]["id"] == "mi300x"
    assert (printed["gpus"][7]["uuid"], printed["gpus"][7]["nvlink_peers"]) == ("7eff74a1-0000", [])
    done = subprocess.run([*command[:-1]], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "driver 6.10.5"
    assert "7: AMD Instinct MI300X, 191.98 GiB, 191.71 GiB free (mi300x), 7eff74a1-0000" in done.stdout

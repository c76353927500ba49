"""The catalogue of GPUs: figures, sources, and which card a text means."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vram_engine.facts import gpus
from vram_engine.facts.gpus import Ambiguous, GpuMatch, all_gpus, find_gpu, gpu_by_id, gpu_names, suggest_gpus
from vram_engine.facts.tables import table

GIB = 2**30


def _found(text: str) -> tuple[str, int | None]:
    found = find_gpu(text)
    assert isinstance(found, GpuMatch), f"{text}: {found}"
    return found.gpu.id, found.count


# What the sources call one card: names and labels as published by the driver, clouds and schedulers.
ONE_CARD = {
    "4090": "rtx-4090",
    "RTX 4090": "rtx-4090",
    "rtx4090": "rtx-4090",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "RTX 4090 D": "rtx-4090d",
    "A100 80GB": "a100-sxm-80",
    "A100-80GB": "a100-sxm-80",
    "a100-40gb": "a100-sxm-40",
    "NVIDIA A100 80GB PCIe": "a100-pcie-80",
    "NVIDIA-A100-PCIE-40GB": "a100-pcie-40",
    "nvidia-tesla-a100": "a100-sxm-40",
    "nvidia-a100-80gb": "a100-sxm-80",
    "NVIDIA-H100-80GB-HBM3": "h100-sxm-80",
    "H100": "h100-sxm-80",
    "h100-sxm-80": "h100-sxm-80",
    "NVIDIA H100 PCIe": "h100-pcie-80",
    "NVIDIA-H100-NVL": "h100-nvl-94",
    "H100 94GB": "h100-nvl-94",
    "nvidia-h100-mega-80gb": "h100-sxm-80",
    "nvidia-h200-141gb": "h200-sxm-141",
    "H20": "h20-96",
    "NVIDIA H20-3e": "h20-141",
    "NVIDIA GH200 480GB": "gh200-96",
    "nvidia-l4": "l4",
    "NVIDIA-L4-SHARED": "l4",
    "gpu: L40S": "l40s",
    "L40": "l40",
    "Tesla-T4": "t4",
    "nvidia-tesla-t4": "t4",
    "A10": "a10",
    "NVIDIA A10G": "a10g",
    "NVIDIA B200": "b200",
    "B200 192GB": "b200",
    "NVIDIA B300 SXM6 AC": "b300",
    "GB300": "gb300",
    "3080 12GB": "rtx-3080-12",
    "RTX 4060 Ti 16GB": "rtx-4060-ti-16",
    "RTX 4090 48GB": "rtx-4090-48-mod",
    "RTX 6000 Ada": "rtx-6000-ada",
    "A6000": "rtx-a6000",
    "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": "rtx-pro-6000-server",
    "nvidia-rtx-pro-6000": "rtx-pro-6000-server",
    "DGX Spark": "gb10",
    "AMD_Instinct_MI300X_OAM": "mi300x",
    "MI325X": "mi325x",
    "Radeon RX 7900 XTX": "rx-7900-xtx",
    "Intel(R) Arc(TM) Pro B60 Graphics": "arc-pro-b60",
    "gaudi3": "gaudi3",
}


@pytest.mark.parametrize(("text", "gpu_id"), ONE_CARD.items())
def test_a_name_of_one_card_is_that_card(text: str, gpu_id: str) -> None:
    """Case, spaces, punctuation and makers' words do not matter, and no count is made up."""
    assert _found(text) == (gpu_id, None)


COUNTED = {
    "8xH200": ("h200-sxm-141", 8),
    "8 x H200": ("h200-sxm-141", 8),
    "8×H100": ("h100-sxm-80", 8),
    "4x4090": ("rtx-4090", 4),
    "2x RTX 4090": ("rtx-4090", 2),
    "3090x2": ("rtx-3090", 2),
    "T4 x2": ("t4", 2),
    "H100:8": ("h100-sxm-80", 8),
    "H100:80GB:8": ("h100-sxm-80", 8),
    "A100:80GB:2": ("a100-sxm-80", 2),
    "L4:1": ("l4", 1),
    "MI300X:8": ("mi300x", 8),
    "nvidia-gpu-h100:8": ("h100-sxm-80", 8),
    "accelerator: A100-80GB:4": ("a100-sxm-80", 4),
    "8 H100": ("h100-sxm-80", 8),
    "gpu_8x_h100_sxm5": ("h100-sxm-80", 8),
    "g6.xlarge": ("l4", 1),
    "g5.48xlarge": ("a10g", 8),
    "ml.g5.12xlarge": ("a10g", 4),
    "p4d.24xlarge": ("a100-sxm-40", 8),
    "p5.48xlarge": ("h100-sxm-80", 8),
    "a2-ultragpu-4g": ("a100-sxm-80", 4),
    "Standard_NC48ads_A100_v4": ("a100-pcie-80", 2),
    "BM.GPU.H100.8": ("h100-sxm-80", 8),
    "DGX H100": ("h100-sxm-80", 8),
    "ecs.gn7i-c8g1.2xlarge": ("a10", None),
}


@pytest.mark.parametrize(("text", "expected"), COUNTED.items())
def test_a_count_in_the_text_comes_along(text: str, expected: tuple[str, int | None]) -> None:
    """``8x``, ``:8``, ``x8`` and machine types say how many GPUs there are."""
    assert _found(text) == expected


SEVERAL_CARDS = {
    "A100": {"a100-pcie-40", "a100-sxm-40", "a100-pcie-80", "a100-sxm-80"},
    "8xA100": {"a100-pcie-40", "a100-sxm-40", "a100-pcie-80", "a100-sxm-80"},
    "V100": {"v100-sxm2-16", "v100-pcie-16", "v100-sxm2-32", "v100-pcie-32"},
    "GH200": {"gh200-96", "gh200-144"},
    "RTX 3080": {"rtx-3080-10", "rtx-3080-12"},
    "NVIDIA GeForce RTX 3080": {"rtx-3080-10", "rtx-3080-12"},
    "RTX PRO 5000": {"rtx-pro-5000", "rtx-pro-5000-72"},
    "RTX 6000": {"quadro-rtx-6000", "rtx-6000-ada", "rtx-pro-6000"},
    "Orin (nvgpu)": {"jetson-agx-orin-64", "jetson-agx-orin-32", "jetson-orin-nx-16"},
    "RTX 4060 Ti": {"rtx-4060-ti-16"},
    "NVIDIA GeForce RTX 5060 Ti": {"rtx-5060-ti-16"},
    "L4 48GB": {"l4"},
    "H100_40GB": {"h100-pcie-80", "h100-sxm-80", "h100-nvl-94"},
}


@pytest.mark.parametrize(("text", "candidates"), SEVERAL_CARDS.items())
def test_a_name_of_several_cards_is_ambiguous(text: str, candidates: set[str]) -> None:
    """Cards of different memory under one name, and sizes that no card of the name has, are not decided between."""
    found = find_gpu(text)
    assert isinstance(found, Ambiguous)
    assert {gpu.id for gpu in found.candidates} == candidates
    assert found.reason


@pytest.mark.parametrize(
    "text",
    [
        "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",
        "nvidia.com/mig-4g.71gb",
        "Standard_NV18ads_A10_v5",
        "g4-standard-24",
        "Strix Halo",
    ],
)
def test_memory_that_no_table_knows_has_a_reason_and_no_candidate(text: str) -> None:
    """Slices and fractions of a card, and memory that the system sets, are named as such."""
    found = find_gpu(text)
    assert isinstance(found, Ambiguous)
    assert found.candidates == ()
    assert found.reason


@pytest.mark.parametrize("text", ["", " ", "x", ":8", "8x", "24GB", "GTX 1080", "H100:0", "cpu", "h" * 500, "TITAN"])
def test_unknown_text_is_nothing(text: str) -> None:
    """What names no GPU of the catalogue is not guessed at."""
    assert find_gpu(text) is None


def test_every_driver_name_and_its_kubernetes_label_lead_back_to_the_card() -> None:
    """nvidia-smi names find their row, or an ambiguity that holds it; the product label has dashes for spaces."""
    for gpu in all_gpus():
        for name in gpu_names(gpu.id).nvidia_smi:
            bearers = {other.id for other in all_gpus() if name in gpu_names(other.id).nvidia_smi}
            for spelling in (name, name.replace(" ", "-"), name.lower()):
                found = find_gpu(spelling)
                assert found is not None, spelling
                meant = {found.gpu.id} if isinstance(found, GpuMatch) else {other.id for other in found.candidates}
                assert meant <= bearers, spelling
                assert meant, spelling


def test_every_id_and_machine_type_is_found() -> None:
    """An id stands for itself, whatever its name shares with others; a machine type for its row and count."""
    for gpu in all_gpus():
        assert _found(gpu.id) == (gpu.id, None)
        for instance, count in gpu_names(gpu.id).instances.items():
            if count >= 1:
                assert _found(instance) == (gpu.id, count)


def test_near_misses_are_suggested() -> None:
    """A misspelt or half-remembered name leads to the cards it resembles."""
    assert suggest_gpus("RTX 4900")[0] in {"rtx-4090", "rtx-4090d"}
    assert "h100-sxm-80" in suggest_gpus("H1000")
    assert "l4" in suggest_gpus("L4O")
    assert suggest_gpus("banana") == ()


def test_memory_is_what_cuda_reports() -> None:
    """Typical GiB, and the extremes seen, become bytes."""
    h100 = gpu_by_id("h100-sxm-80")
    assert h100 is not None
    assert (h100.memory_bytes, h100.memory_high) == (85018877624, round(79.22 * GIB))
    assert (h100.capability, h100.nvml_total_mib, h100.memory_gb) == ((9, 0), 81559, 80)
    ada = gpu_by_id("rtx-4090")
    assert ada is not None
    assert (ada.memory_bytes, ada.memory_low, ada.memory_high) == (25286619955, round(23.52 * GIB), round(23.65 * GIB))


def test_an_unseen_card_has_a_band_and_says_so() -> None:
    """Where nobody reported a total, the band is 0.15 GiB either way and the status tells."""
    card = gpu_by_id("a2")
    assert card is not None
    assert card.memory_status == "estimated"
    assert (card.memory_low, card.memory_high) == (round(14.42 * GIB), round(14.72 * GIB))


def test_every_row_has_its_source_and_a_sane_band() -> None:
    """Source and date are there, the band holds the typical value and stays below what the driver prints."""
    rows = table("gpus")
    assert len(rows) == 103
    assert {gpu.id for gpu in all_gpus()} == set(rows) - {"strix-halo"}
    for row in rows.values():
        assert row["source"]
        assert isinstance(row["checked"], datetime.date)
        assert row["status"] in {"seen", "seen-class", "estimated", "unknown"}
    for gpu in all_gpus():
        assert gpu.memory_low <= gpu.memory_bytes <= gpu.memory_high
        assert gpu.bandwidth_gbs is not None
        assert gpu.nvml_total_mib is None or gpu.memory_bytes <= (gpu.nvml_total_mib + 16) * 2**20


def test_an_unknown_key_in_the_data_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt key of a row does not pass unnoticed."""
    row = table("gpus")["l4"] | {"tflops_bf17": 1}
    monkeypatch.setattr(gpus, "table", lambda _: {"l4": row})
    with pytest.raises(TypeError, match="tflops_bf17"):
        gpus._rows.__wrapped__()
    monkeypatch.setattr(gpus, "table", lambda _: {"l4": {"nicknames": ["L4"]}})
    with pytest.raises(TypeError, match="nicknames"):
        gpus._names.__wrapped__()


def test_the_two_tables_hold_the_same_cards() -> None:
    """Every card has a row of names and no name is left without a card."""
    assert set(table("gpus")) == set(table("gpu_names"))


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=140) | st.from_regex(r"\d{0,12}[xX:* ]?(rtx|h100|a100|mi300x)[ :x\d]{0,9}(gb|g)?", fullmatch=True)
)
def test_no_text_breaks_the_lookup(text: str) -> None:
    """Whatever a file holds, the lookup answers."""
    found = find_gpu(text)
    assert found is None or isinstance(found, GpuMatch | Ambiguous)

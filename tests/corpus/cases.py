"""The boots of the corpus as typed values, read from the data directory beside the checkout when it is there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vram_engine.facts.gpus import find_gpu, gpu_by_id
from vram_engine.facts.versions import Version, parse_version
from vram_engine.hardware import Gpu
from vram_engine.sizing.budget import GIB
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.media_size import media_sizes
from vram_engine.sizing.speculative import Speculation, speculation
from vram_engine.sizing.towers import media_limits

# Cards as the corpus names them, where the catalogue's own search does not decide: (id, what stands for the rest).
CARDS: Mapping[str, str] = {
    "H100-80": "h100-sxm-80",
    "H100-NVL": "h100-nvl-94",
    "H200": "h200-sxm-141",
    "A100-80": "a100-sxm-80",
    "80GB-class": "a100-sxm-80",
    "80GB-class (A100/H100)": "a100-sxm-80",
    "A100-40": "a100-sxm-40",
    "A800-80": "a800-sxm-80",
    "V100-16": "v100-sxm2-16",
    "V100-32": "v100-sxm2-32",
    "RTX 2080 Ti 22": "rtx-2080-ti-22-mod",
    "RTX 4060": "rtx-4060-ti-16",
    "RTX 3050 6": "rtx-3060-12",
    "16GB-class": "rtx-4080",
    "24GB-class": "rtx-4090",
    "L40S/L40": "l40s",
}
ARGUMENTS = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "gpu_memory_utilization",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "dtype",
    "kv_cache_dtype",
    "block_size",
    "enforce_eager",
    "enable_expert_parallel",
    "enable_lora",
    "cpu_offload_gb",
)
TOWER_MODULES = ("attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2", "mlp.gate_proj", "mlp.up_proj")
# The release that stands for an era where a log does not say which it was.
ERA_VERSIONS: Mapping[str, Version] = {
    "v0": Version(0, 7, 3),
    "v1a": Version(0, 9, 2),
    "v1?": Version(0, 20, 0),
    "v1b": Version(0, 18, 0),
    "v1c": Version(0, 22, 0),
    "v1d": Version(0, 28, 0),
    "v2": Version(0, 30, 0),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One boot: what was launched, on what, and what the log measured (GiB per rank).

    ``stated`` are settings as text that the engine follows only in part. ``weights_predictable``: the configuration
    alone says which layers are quantized, and there is no draft; else a checkpoint's headers would be needed.
    """

    id: str
    model: str
    kind: str
    era: str
    core: bool
    gpu_name: str | None
    config: Mapping[str, object]
    args: EngineArgs
    memory_bytes: int | None
    free_bytes: int | None
    measured: Mapping[str, float]
    outcome: str
    targets: tuple[str, ...]
    weights_predictable: bool
    stated: Mapping[str, str]

    @property
    def gpu(self) -> Gpu | None:
        """The catalogue's card with the total this log reports."""
        if self.gpu_name is None:
            return None
        card = gpu_by_id(CARDS[self.gpu_name]) if self.gpu_name in CARDS else _found(self.gpu_name)
        if card is None or self.memory_bytes is None:
            return card
        return replace(
            card, memory_bytes=self.memory_bytes, memory_low=self.memory_bytes, memory_high=self.memory_bytes
        )


def _found(name: str) -> Gpu | None:
    match = find_gpu(name)
    return getattr(match, "gpu", None)


def data_directory() -> Path | None:
    """Where the logs are: ``$VRAM_LSP_SHARED`` or ``shared`` beside the checkout; ``None`` when neither is there."""
    named = os.environ.get("VRAM_LSP_SHARED")
    root = Path(named) if named else Path(__file__).resolve().parents[3] / "shared"
    directory = root / "data" / "bootlogs"
    return directory if (directory / "cases.jsonl").is_file() else None


def load(directory: Path) -> tuple[Case, ...]:
    """Every boot of ``cases.jsonl``, in file order."""
    lines = (directory / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(case(json.loads(line)) for line in lines if line.strip())


def case(row: Mapping[str, Any]) -> Case:
    """One line of the corpus as a Case."""
    total = row["cuda_total_gib"]
    free = row.get("free_at_start_gib")
    return Case(
        id=row["id"],
        model=row["arch_key"] or row["model"],
        kind=row["class"],
        era=row["era"],
        core=not row["unified"] and not row.get("legacy", False),
        gpu_name=row["gpu"],
        config=_config(row["config"]),
        args=_args(row),
        memory_bytes=None if total is None else round(total * GIB),
        free_bytes=None if free is None else round(free * GIB),
        measured={**row["measured"], **(row.get("derived") or {})},
        outcome=row["outcome"],
        targets=tuple(row["targets"]),
        weights_predictable=row["weights_predictable"],
        stated=_stated(row["args"]),
    )


def _stated(args: Mapping[str, Any]) -> dict[str, str]:
    """Settings that reach the engine as text, by their flags."""
    other = str(args.get("other_args", ""))
    found = {
        "speculative-config": args.get("speculative"),
        "limit-mm-per-prompt": _limits_text(args),
        "mm-processor-kwargs": _sizes_text(other),
        "kv-transfer-config": other if "--kv-transfer-config" in other else None,
    }
    return {flag: text for flag, text in found.items() if text is not None}


def _limits_text(args: Mapping[str, Any]) -> str | None:
    limits = args.get("limit_mm_per_prompt")
    return limits.replace("'", '"') if isinstance(limits, str) else None if limits is None else json.dumps(limits)


def _sizes_text(other: str) -> str | None:
    """The sizes of media in the words of a case, "mm_processor_kwargs max_pixels 1280"."""
    sizes = {name: int(size) for name, size in re.findall(r"(max_pixels|min_pixels) (\d+)", other)}
    return json.dumps(sizes) if "mm_processor_kwargs" in other else None


def _config(config: Mapping[str, Any]) -> dict[str, object]:
    """The configuration with its collapsed ignore list written out as a checkpoint has it: one module each."""
    quantization = config.get("quantization_config")
    if not isinstance(quantization, dict) or "ignore_collapsed" not in quantization:
        return dict(config)
    names = [name for pattern in quantization["ignore_collapsed"] for name in _written_out(pattern, config)]
    rest = {key: value for key, value in quantization.items() if key != "ignore_collapsed"}
    return {**config, "quantization_config": {**rest, "ignore": names, "modules_to_not_convert": names}}


def _written_out(pattern: str, config: Mapping[str, Any]) -> list[str]:
    """Every name a collapsed pattern stands for; a number too many names a layer that is not there."""
    tower = config.get("vision_config") or {}
    if pattern == "model.visual.*":
        depth = int(tower.get("depth", 0))
        layers = [f"model.visual.blocks.{layer}.{name}" for layer in range(depth) for name in TOWER_MODULES]
        return [*layers, "model.visual.merger.linear_fc1", "model.visual.merger.linear_fc2", "model.visual.merger.mlp"]
    if re.search(r"\bN\b", pattern) is None:
        return [pattern]
    depth = int((config.get("text_config") or config).get("num_hidden_layers", 0))
    return [re.sub(r"\bN\b", str(layer), pattern) for layer in range(depth)]


def _args(row: Mapping[str, Any]) -> EngineArgs:
    given = {key: row["args"][key] for key in ARGUMENTS if row["args"].get(key) is not None}
    other = str(row["args"].get("other_args", ""))
    if "language-model-only" in other or "language_model_only" in other:
        given["language_model_only"] = True
    if limits := media_limits(_limits_text(row["args"])):
        given["limit_mm_per_prompt"] = limits
    if sizes := media_sizes(_sizes_text(other)):
        given["mm_processor_kwargs"] = sizes
    if (caching := _prefix_caching(other)) is not None:
        given["enable_prefix_caching"] = caching
    if match := re.search(r"kv-cache-memory-bytes (\d+)G", other):
        given["kv_cache_memory_bytes"] = int(match[1]) * GIB
    if (drafting := _drafting(row["args"])) is not None:
        given["speculative_method"] = drafting.method
        given["num_speculative_tokens"] = drafting.num_speculative_tokens
    return EngineArgs(vllm_version=_version(row), **given)


def _prefix_caching(other: str) -> bool | None:
    """Whether prefix caching was asked for, or turned off; ``None`` where nothing is said."""
    if "prefix caching off" in other or "no prefix caching" in other or "no-enable-prefix-caching" in other:
        return False
    return True if "prefix caching" in other or "enable_prefix_caching" in other else None


def _drafting(args: Mapping[str, Any]) -> Speculation | None:
    """The speculative-config as given, or in the collectors' words: "mtp", and how many tokens."""
    told = str(args.get("speculative") or "")
    if match := re.match(r"mtp\D*(\d+)", told):
        return Speculation("mtp", int(match[1]))
    return speculation(told)


def _version(row: Mapping[str, Any]) -> Version:
    stated = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", row["vllm_version"] or "")
    version = Version(int(stated[1]), int(stated[2]), int(stated[3] or 0)) if stated else _from_interval(row)
    if row["engine"] == "v0" and version >= Version(0, 8, 0):
        return ERA_VERSIONS["v0"]
    return version


def _from_interval(row: Mapping[str, Any]) -> Version:
    """The era's usual release, moved into the interval that the log allows."""
    version = ERA_VERSIONS[row["era"]]
    if row["vllm_version_interval"] is None:
        return version
    low, high = (parse_version(text) or version for text in row["vllm_version_interval"])
    return min(max(version, low), high)

"""Published throughput against the engine's ranges: ``python -m tests.corpus.throughput`` prints the comparison."""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.corpus.throughput_models import published_model
from vram_engine.deployment import Deployment, Known, Scalar, Setting
from vram_engine.estimate import Estimate, estimate
from vram_engine.facts.gpus import GpuMatch, find_gpu, gpu_by_id
from vram_engine.hardware import Gpu, Node
from vram_engine.model.spec import Unavailable
from vram_engine.performance import Performance, Range, performance

# Cards as the measurements name them, where the catalogue's own search does not decide.
CARDS: Mapping[str, str] = {
    "A100": "a100-sxm-80",
    "A100 80GB": "a100-sxm-80",
    "A100-80GB-SXM": "a100-sxm-80",
    "H100": "h100-sxm-80",
    "H100-80GB-SXM": "h100-sxm-80",
    "H100 NVL 94GB": "h100-nvl-94",
    "H200": "h200-sxm-141",
    "RTX PRO 6000 Blackwell": "rtx-pro-6000",
    "GB10 (DGX Spark)": "gb10",
    "Jetson AGX Thor": "jetson-thor",
}
KV_DTYPES = frozenset({"fp8", "auto", "bfloat16", "float16"})
KINDS = ("decode_per_request", "aggregate", "prefill", "ttft_unloaded", "ttft_loaded")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One published case: its id and flags, what was launched and asked, and what may be checked by kind."""

    id: str
    flags: tuple[str, ...]
    model: str
    gpu: str
    count: int
    settings: Mapping[str, Scalar]
    measured: Mapping[str, float]

    @property
    def group(self) -> str:
        """What is reported together: engine V0, forks and plug-ins, else by GPU count."""
        if "pre_0.8" in self.flags:
            return "engine V0"
        if "fork" in self.flags or "plugin" in self.flags:
            return "fork or plug-in"
        return "one GPU" if self.count == 1 else "several GPUs"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a case: measured, and the range for it; ``said`` is None with a reason in ``why_not``."""

    case: Measurement
    kind: str
    measured: float
    said: Range | None
    why_not: str = ""

    @property
    def error(self) -> float | None:
        """Expected over measured, minus one."""
        return None if self.said is None else self.said.expected / self.measured - 1

    @property
    def midpoint_error(self) -> float | None:
        """The middle of the range over measured, minus one."""
        return None if self.said is None else (self.said.low + self.said.high) / 2 / self.measured - 1

    @property
    def covered(self) -> bool:
        """Whether the range holds."""
        return self.said is not None and self.said.low <= self.measured <= self.said.high

    @property
    def width(self) -> float | None:
        """Width of the range over what is expected."""
        return None if self.said is None else (self.said.high - self.said.low) / self.said.expected


def data_file() -> Path | None:
    """Where the measurements are: below ``$VRAM_LSP_SHARED`` or beside the checkout; None when not there."""
    named = os.environ.get("VRAM_LSP_SHARED")
    root = Path(named) if named else Path(__file__).resolve().parents[3] / "shared"
    path = root / "data" / "throughput" / "cases.jsonl"
    return path if path.is_file() else None


def load(path: Path) -> tuple[Measurement, ...]:
    """Every case, in file order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(measurement(json.loads(line)) for line in lines if line.strip())


def measurement(row: Mapping[str, Any]) -> Measurement:
    """One line as a Measurement."""
    return Measurement(
        id=row["id"],
        flags=tuple(row["flags"]),
        model=row["model"],
        gpu=row["gpu"],
        count=row["num_gpus"],
        settings=_settings(row),
        measured={kind: value for kind in row["use_for"] if (value := _measured(row, kind)) is not None},
    )


def _settings(row: Mapping[str, Any]) -> dict[str, Scalar]:
    said: dict[str, Scalar | None] = {
        "tensor-parallel-size": row["tp"],
        "pipeline-parallel-size": row["pp"],
        "kv-cache-dtype": row["kv_cache_dtype"] if row["kv_cache_dtype"] in KV_DTYPES else None,
        "concurrency": row["concurrency"] or (row["num_prompts"] if row["request_rate"] == "inf" else None),
        "prompt-tokens": row["input_len"],
        "gen-tokens": row["output_len"],
        "enforce-eager": True if "enforce_eager" in row["flags"] else None,
        "enable-expert-parallel": True if re.search(r"TP\d\+EP", row["notes"]) else None,
    }
    if match := re.match(r"(\d+\.\d+(?:\.\d+)?)", row["vllm_version"] or ""):
        said["vllm-version"] = match[1]
    if match := re.search(r"--max-num-seqs (\d+)", row["notes"]):
        said["max-num-seqs"] = int(match[1])
    return {name: value for name, value in said.items() if value is not None}


def _measured(row: Mapping[str, Any], kind: str) -> float | None:
    measured = row["measured"]
    if kind == "decode_per_request":
        if measured["per_request_decode_tok_s"]:
            return float(measured["per_request_decode_tok_s"])
        between = measured["median_tpot_ms"] or measured["mean_tpot_ms"]
        return 1e3 / between if between else measured["output_tok_s"] / row["concurrency"]
    if kind == "aggregate":
        return measured["output_tok_s"] if row["concurrency"] or row["request_rate"] == "inf" else None
    if kind == "prefill":
        return measured["prefill_tok_s"]
    if kind == "ttft_loaded" and not row["concurrency"]:
        return None
    return measured["mean_ttft_ms"] or measured["median_ttft_ms"] if kind.startswith("ttft") else None


def rows(cases: Iterable[Measurement]) -> Iterator[Row]:
    """Every figure that may be checked, with the engine's range for it."""
    for case in cases:
        said = predict(case)
        for kind, value in case.measured.items():
            if isinstance(said, Performance):
                yield Row(case, kind, value, _range(said, kind))
            else:
                yield Row(case, kind, value, None, said.reason)


def _range(said: Performance, kind: str) -> Range:
    ranges = {
        "decode_per_request": said.decode_per_request,
        "aggregate": said.decode_total,
        "prefill": said.prefill,
    }
    return ranges.get(kind, said.first_token_ms)


def predict(case: Measurement) -> Performance | Unavailable:
    """The engine's ranges for what a case launched and asked."""
    gpu = _gpu(case.gpu)
    if gpu is None:
        return Unavailable(f"{case.gpu} is not in the catalogue")
    spec = published_model(case.model)
    if isinstance(spec, Unavailable):
        return spec
    settings = [Setting(name, Known(value), "argument") for name, value in case.settings.items()]
    deployment = Deployment("arguments", case.id, 0, {}, {}).with_settings(settings)
    node = Node(gpu, case.count)
    sized = estimate(deployment, spec, node)
    if not isinstance(sized, Estimate):
        return Unavailable(getattr(sized, "reason", "") or getattr(sized, "message", ""))
    return performance(deployment, spec, node, sized)


def _gpu(name: str) -> Gpu | None:
    if name in CARDS:
        return gpu_by_id(CARDS[name])
    match = find_gpu(name)
    return match.gpu if isinstance(match, GpuMatch) else None


def report(found: list[Row]) -> str:
    """The comparison as text: every figure, then quantiles by kind and group."""
    lines = [_line(row) for row in sorted(found, key=lambda row: (KINDS.index(row.kind), row.case.group, row.case.id))]
    lines.append("")
    for kind in KINDS:
        scored = [row for row in found if row.kind == kind and row.said is not None]
        lines.append(_summary(kind, scored))
        groups = sorted({row.case.group for row in scored})
        lines.extend(_summary(f"  {name}", [row for row in scored if row.case.group == name]) for name in groups)
    return "\n".join(lines)


def _line(row: Row) -> str:
    head = f"{row.kind:18} {row.case.id[:38]:38} {row.case.group:15}"
    if row.said is None:
        return f"{head} - {row.why_not}"
    error = 100 * (row.error or 0.0)
    band = f"[{row.said.low:9.1f} {row.said.high:9.1f}]{' ' if row.covered else '!'}"
    return f"{head} {row.measured:9.1f} {band} {row.said.expected:9.1f} {error:+5.0f} %"


def _summary(name: str, scored: list[Row]) -> str:
    if not scored:
        return f"{name:22} none"
    errors = sorted(abs(row.error or 0.0) for row in scored)
    middle = statistics.median(abs(row.midpoint_error or 0.0) for row in scored)
    bias = statistics.median(row.error or 0.0 for row in scored)
    held = sum(row.covered for row in scored) / len(scored)
    width = statistics.median(row.width or 0.0 for row in scored)
    return (
        f"{name:22} {len(scored):3} figures  median error {100 * statistics.median(errors):4.0f} %  "
        f"of the middle {100 * middle:4.0f} %  p90 {100 * errors[int(0.9 * (len(errors) - 1))]:4.0f} %  "
        f"bias {100 * bias:+4.0f} %  range holds {100 * held:4.0f} %, {100 * width:3.0f} % wide"
    )


def main() -> int:
    """Print the comparison; 1 when the data is not there."""
    path = data_file()
    if path is None:
        print("no throughput measurements beside the checkout (set VRAM_LSP_SHARED)", file=sys.stderr)
        return 1
    print(report(list(rows(load(path)))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

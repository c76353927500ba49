"""The verb ``receipt``: a vLLM log's own measurements beside what the engine predicts for the same launch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vram_engine.analysis import Context, analyse_settings
from vram_engine.deployment import Known, Scalar, Setting
from vram_engine.dialects.values import Invalid, read_value
from vram_engine.estimate import Estimate
from vram_engine.facts.flags import flag, sizing_flags
from vram_engine.facts.gpus import GpuMatch, all_gpus, find_gpu
from vram_engine.hardware import Node
from vram_engine.measured import Measured
from vram_engine.model.reference import FoundModel
from vram_engine.modelled import MODELLED
from vram_engine.plan import Plan
from vram_engine.ports import ModelSource
from vram_engine.receipt import Boot, read_log
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.calibration import launch
from vram_lsp.answers import find
from vram_lsp.calibrations import write_measured
from vram_lsp.cli import UsageError
from vram_lsp.config import find_project

STDIN = "-"
# A log that is longer is no start-up any more.
_LONGEST_LOG = 256 * 2**20
_NAMES = ("model", "revision")
# What settings are spelled that the log says outside its arguments.
_LOG = "log"
# Totals of one card differ by this much between drivers.
_DRIVERS_DIFFER = round(0.06 * GIB)


@dataclass(frozen=True, slots=True)
class Row:
    """One amount per rank: what the engine predicts with its bounds, and what the log says. ``None``: not known."""

    name: str
    expected: int | None
    low: int | None
    high: int | None
    measured: int | None

    @property
    def difference(self) -> int | None:
        """Predicted minus measured."""
        return None if self.expected is None or self.measured is None else self.expected - self.measured


@dataclass(frozen=True, slots=True)
class Receipt:
    """A start-up and the plan of the same launch. ``notes`` are sentences about what was left out or assumed."""

    boot: Boot
    plan: Plan
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """``started``, or the kind of refusal."""
        return "started" if self.boot.refusal is None else self.boot.refusal.kind


def read_text(log: str) -> str:
    """The text of a log file, or of standard input for ``-``; raises UsageError for what cannot be read."""
    try:
        data = sys.stdin.buffer.read(_LONGEST_LOG) if log == STDIN else _head(Path(log))
    except OSError as error:
        raise UsageError(f"{log} cannot be read: {error.strerror}") from error
    return data.decode("utf-8", errors="replace")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LONGEST_LOG)


def receipt(text: str, settings: tuple[Setting, ...], sources: tuple[ModelSource, ...]) -> Receipt:
    """The last start-up of a log against its plan; raises UsageError when the log holds none.

    ``settings`` come from the command line and win over the log, which wins over the project file.
    """
    boots = read_log(text)
    if not boots:
        raise UsageError("the log holds no line in which vLLM says what it measured or why it did not start")
    boot = boots[-1]
    launched, notes = launch_settings(boot)
    if len(boots) > 1:
        notes = (*notes, f"the log holds {len(boots)} start-ups; this is the last")
    plan = _plan((*_project_settings(), *launched, *settings), sources)
    return Receipt(boot, plan, tuple(rows(boot, plan)), (*notes, *_gpu_notes(boot, plan)))


def _project_settings() -> tuple[Setting, ...]:
    """Hardware and version of the project file here, for what a log does not say."""
    here = Path.cwd() / "log"
    project = find_project(here)
    return () if project is None else project.config_for(here).settings


def _plan(settings: tuple[Setting, ...], sources: tuple[ModelSource, ...]) -> Plan:
    context = Context(settings=settings)
    analysis = analyse_settings(context)
    while analysis.wants:
        context = context.knowing({wanted: find(sources, wanted, (Path.cwd(),)) for wanted in analysis.wants})
        analysis = analyse_settings(context)
    return analysis.plans[0]


def launch_settings(boot: Boot) -> tuple[tuple[Setting, ...], tuple[str, ...]]:
    """The settings a log stands for, and sentences about those that could not be read."""
    settings, notes = [], []
    for name, word in boot.arguments:
        if name not in _NAMES and name not in MODELLED and name not in sizing_flags():
            continue
        read = _value(name, word)
        if isinstance(read, str):
            notes.append(read)
        elif read is not None:
            settings.append(Setting(name, read, "argument", f"--{name}"))
    settings += [
        Setting(name, Known(value), "argument", _LOG)
        for name, value in _measured_settings(boot)
        if value is not None and not any(setting.name == name for setting in settings)
    ]
    return tuple(settings), tuple(notes)


def _value(name: str, word: str | bool) -> Known | str | None:
    """A flag's value as vLLM would read it; a sentence where it would not, None where nothing is said."""
    if isinstance(word, bool):
        return Known(word)
    row = flag(name)
    read = None if row is None else read_value(row, word)
    if isinstance(read, Invalid):
        return f"the log's {name} was not understood: {read.message}"
    return read if isinstance(read, Known) else None


def _measured_settings(boot: Boot) -> Iterator[tuple[str, Scalar | None]]:
    """What the log says outside the arguments. What vLLM resolved itself is as good as given."""
    yield "model", boot.model
    yield "vllm-version", None if boot.version is None else str(boot.version)
    yield "gpu-memory-utilization", boot.utilization
    yield "gpu-memory-bytes", boot.total_bytes
    yield "free-memory-bytes", boot.free_bytes
    yield "max-num-batched-tokens", boot.batched_tokens
    yield "max-model-len", boot.length
    yield "gpu", _gpu(boot)


def _gpu(boot: Boot) -> str | None:
    """The card a log names, else the only one of the catalogue with the total memory it reports."""
    if boot.device is not None:
        match = find_gpu(boot.device.replace("_", " "))
        if isinstance(match, GpuMatch):
            return match.gpu.id
    if boot.total_bytes is None:
        return None
    low, high = boot.total_bytes - _DRIVERS_DIFFER, boot.total_bytes + _DRIVERS_DIFFER
    fitting = [gpu.id for gpu in all_gpus() if gpu.memory_low <= high and low <= gpu.memory_high]
    return fitting[0] if len(fitting) == 1 else None


def _gpu_notes(boot: Boot, plan: Plan) -> Iterator[str]:
    said = plan.deployment.effective("gpu")
    if said is not None and said.spelling == _LOG and boot.device is None:
        yield f"the log does not name the GPU; only {said_name(plan)} has this memory"
    elif isinstance(plan.node, Node) and plan.node.gpu.memory_status == "assumed":
        yield "the log does not name the GPU: its memory is known, the rest is assumed; --gpu NAME says which it is"


def said_name(plan: Plan) -> str:
    """The GPU of a plan by its name."""
    return plan.node.gpu.name if isinstance(plan.node, Node) else "no GPU"


def rows(boot: Boot, plan: Plan) -> Iterator[Row]:
    """Term by term what the plan says and what the log says; terms of which neither says anything are left out."""
    sized = plan.estimate if isinstance(plan.estimate, Estimate) else None
    budget = None if sized is None else sized.budget
    taken = {} if budget is None else {term.name: term for term in budget.terms}
    found = [
        _exact("GPU memory", None if budget is None else budget.memory_bytes, boot.total_bytes),
        _exact("requested", None if budget is None else budget.requested_bytes, boot.requested_bytes),
        _term("weights", taken.get("weights"), boot.weights_bytes),
        _term("activation", taken.get("activations"), boot.activation_bytes),
        _term("other memory", taken.get("other memory"), boot.non_torch_bytes),
        _term("CUDA graph estimate", taken.get("CUDA graphs"), boot.graph_estimate_bytes),
        Row("CUDA graphs", None, None, None, boot.graph_bytes),
        _available(boot, sized),
    ]
    for row in found:
        if row.measured is not None or row.expected:
            yield row


def _exact(name: str, expected: int | None, measured: int | None) -> Row:
    return Row(name, expected, expected, expected, measured)


def _term(name: str, term: Term | None, measured: int | None) -> Row:
    if term is None:
        return Row(name, None, None, None, measured)
    return Row(name, term.bytes, term.low, term.high, measured)


def _available(boot: Boot, sized: Estimate | None) -> Row:
    measured = available_bytes(boot, sized)
    if sized is None:
        return Row("KV cache", None, None, None, measured)
    left = sized.budget.available
    return Row("KV cache", left.expected, left.low, left.high, measured)


def available_bytes(boot: Boot, sized: Estimate | None) -> int | None:
    """What vLLM had for the KV cache: as printed, as its refusal says, or blocks times the plan's bytes of one."""
    if boot.kv_cache_bytes is not None:
        return boot.kv_cache_bytes
    if boot.refusal is not None and boot.refusal.available_bytes is not None:
        return boot.refusal.available_bytes
    per_block = sized.bytes_per_block if sized is not None else None
    return None if boot.blocks is None or per_block is None else boot.blocks * per_block


def calibration(given: Receipt) -> Measured:
    """The measured terms of a start-up, for the project file; raises UsageError where something it needs is missing."""
    boot, plan = given.boot, given.plan
    if plan.ref is None or not isinstance(plan.model, FoundModel):
        raise UsageError("nothing to write: the model is not known")
    if not isinstance(plan.node, Node) or plan.node.gpu.memory_status == "assumed":
        raise UsageError("nothing to write: the log does not say which GPU this was; --gpu NAME does")
    if plan.deployment.value("vllm-version") is None:
        raise UsageError("nothing to write: the log does not say which vLLM this was; --vllm-version V does")
    if plan.args.pipeline_parallel_size != 1:
        raise UsageError("nothing to write: the stages of a pipeline differ, and a log does not tell them apart")
    if not isinstance(plan.estimate, Estimate) or boot.weights_bytes is None:
        raise UsageError("nothing to write: the log does not say what the weights take, or the plan has no budget")
    limits = batch(plan.args, plan.node.gpu, plan.estimate.budget.max_model_len, plan.model.spec)
    return replace(
        _beside_weights(boot, plan.estimate, launch(plan.ref.name, plan.model.spec, plan.node.gpu, plan.args, limits)),
        weights_bytes=boot.weights_bytes,
    )


def written(given: Receipt) -> Path:
    """Record a start-up in the project file in force here, or in a new one; returns the file."""
    here = Path.cwd()
    project = find_project(here / "log")
    return write_measured(calibration(given), here, None if project is None else project.folder)


def _beside_weights(boot: Boot, sized: Estimate, row: Measured) -> Measured:
    """Activation, graphs and the rest, each where the log tells them apart, else their sum; nothing without either."""
    available = available_bytes(boot, sized)
    requested = boot.requested_bytes or sized.budget.requested_bytes
    weights, activation = boot.weights_bytes or 0, boot.activation_bytes
    graphs = boot.graph_estimate_bytes if _graphs_are_charged(sized) else 0
    if available is not None and (activation is None or graphs is None):
        return replace(row, beside_weights_bytes=requested - available - weights)
    rest = boot.non_torch_bytes
    if available is not None:
        rest = requested - available - weights - (activation or 0) - (graphs or 0)
    return replace(row, activation_bytes=activation, cuda_graph_bytes=graphs or None, non_torch_bytes=rest)


def _graphs_are_charged(sized: Estimate) -> bool:
    graphs = sized.budget.cuda_graphs
    return graphs is not None and graphs.bytes > 0

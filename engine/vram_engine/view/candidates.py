"""What a setting could be: its values as words, the likely ones first, with what they would cost where that is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from vram_engine.deployment import Scalar
from vram_engine.dialects.directives import ESTIMATORS
from vram_engine.dialects.profile_keys import READ_AS
from vram_engine.estimate import Estimate
from vram_engine.facts.catalogue import CatalogueModel, catalogue
from vram_engine.facts.flags import SCANNED, Flag, flag
from vram_engine.facts.gpus import all_gpus
from vram_engine.feasibility import gib
from vram_engine.hardware import Gpu, Node
from vram_engine.model.reference import FoundModel
from vram_engine.plan import Plan
from vram_engine.sizing.parallelism import Refusal
from vram_engine.view.verdict_line import verdict_line, with_values

# Of the sizes that nothing bounds.
_MOST_GPUS = 8
_SHORTEST, _LONGEST = 2048, 2**20

_COUNTED = frozenset({"tensor-parallel-size", "pipeline-parallel-size", "gpus"})

# Settings whose every value is sized for the list; others are sized when one is looked at.
_SIZED_IN_LIST = frozenset({"tensor-parallel-size", "pipeline-parallel-size", "max-model-len", "kv-cache-dtype"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One value of a setting: as written, as the engine knows it, and what there is to say about it in a list."""

    text: str
    value: Scalar
    detail: str = ""


def candidates(name: str, plan: Plan | None) -> tuple[Candidate, ...]:
    """The values of a setting or flag; empty where it could be anything. ``plan`` is the deployment it is given to."""
    if name in _NAMED:
        return _NAMED[name]
    if name == "model":
        return tuple(_model(id_, row) for row in catalogue().values() for id_ in (row.id, *row.also))
    if name == "gpu":
        return tuple(Candidate(gpu.id, gpu.id, gpu_words(gpu)) for gpu in all_gpus())
    if name in _COUNTED:
        return with_costs(name, _counts(plan), plan)
    if name == "max-model-len":
        return with_costs(name, _lengths(plan), plan)
    known = flag(name)
    return with_costs(name, choices(known), plan) if known is not None else ()


def values(name: str, plan: Plan) -> tuple[Scalar, ...]:
    """The values of a setting alone, nothing sized: for a list whose entries are tried when they are chosen."""
    if name == "gpu":
        return tuple(gpu.id for gpu in all_gpus())
    if name in _COUNTED:
        return tuple(each.value for each in _counts(plan))
    known = flag(name)
    return tuple(each.value for each in choices(known)) if known is not None else ()


def choices(known: Flag) -> tuple[Candidate, ...]:
    """What a flag takes, by its parser: the words it insists on, those it knows, and on or off for a switch."""
    if known.type == "bool":
        return (Candidate("true", True), Candidate("false", False))
    words = dict.fromkeys((*known.choices, *known.suggestions))
    return tuple(Candidate(word, word, "default" if word == known.default else "") for word in words)


def with_costs(name: str, found: Iterable[Candidate], plan: Plan | None) -> tuple[Candidate, ...]:
    """The values with the verdict each would have; those that vLLM refuses for this model are left out."""
    if name not in _SIZED_IN_LIST or plan is None or not _is_placed(plan):
        return tuple(found)
    tried = ((each, with_values(plan, {name: each.value})) for each in found)
    return tuple(
        Candidate(each.text, each.value, verdict_line(changed)) for each, changed in tried if not _is_refused(changed)
    )


def cost_of(plan: Plan, name: str, value: Scalar) -> str:
    """The verdict with that value, as a line; empty where the model or GPU it would need is not known."""
    changed = with_values(plan, {name: value})
    return verdict_line(changed) if name != "model" and _is_placed(changed) else ""


def canonical(text: str) -> Scalar:
    """A word of a list as the engine knows it."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else READ_AS.get(text, text)


def gpu_words(gpu: Gpu) -> str:
    """A GPU's name and memory."""
    return f"{gpu.name}, {gib(gpu.memory_bytes)}"


def _is_placed(plan: Plan) -> bool:
    return isinstance(plan.model, FoundModel) and isinstance(plan.node, Node)


def _is_refused(plan: Plan) -> bool:
    return bool(plan.refusals) or isinstance(plan.estimate, Refusal)


def _words(*texts: str) -> tuple[Candidate, ...]:
    return tuple(Candidate(text, text) for text in texts)


_NAMED: Mapping[str, tuple[Candidate, ...]] = {
    "vllm-version": _words(*(str(version) for version in reversed(SCANNED))),
    "estimator": _words(*ESTIMATORS),
    "mode": _words("balanced", "throughput", "latency"),
    "interconnect": _words("unknown", "pcie", "nvlink"),
}


def _model(name: str, row: CatalogueModel) -> Candidate:
    return Candidate(name, name, f"{row.parameters / 1e9:.1f} B parameters")


def _counts(plan: Plan | None) -> tuple[Candidate, ...]:
    """Powers of two up to the GPUs there are, and all of them."""
    there = plan.node.count if plan is not None and isinstance(plan.node, Node) else None
    most = min(there or _MOST_GPUS, 1024)
    doubled = takewhile(lambda count: count <= most, (2**power for power in range(11)))
    return tuple(Candidate(str(count), count) for count in dict.fromkeys((*doubled, most)))


def _lengths(plan: Plan | None) -> tuple[Candidate, ...]:
    """The longest that fits, the model's own, and powers of two below, longest first."""
    sized = plan.estimate if plan is not None else None
    if plan is None or plan.feasibility is None or not isinstance(sized, Estimate):
        return tuple(Candidate(str(2**power), 2**power) for power in range(15, 10, -1))
    native = min(sized.native_length, _LONGEST)
    halved = (2**power for power in range(20, 10, -1) if _SHORTEST <= 2**power < native)
    block = sized.budget.block_size or 16
    fitting = plan.feasibility.max_context_at_concurrency // block * block
    lengths = (*((fitting,) if 0 < fitting < native else ()), native, *halved)
    return tuple(Candidate(str(length), length) for length in dict.fromkeys(lengths))

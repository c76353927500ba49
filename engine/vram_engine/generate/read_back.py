"""Whether an artifact says what it should: it is read as any other file is, and the two orders are compared."""

from __future__ import annotations

import json
from collections.abc import Iterator

from vram_engine.analysis import Context, deployments_of
from vram_engine.deployment import Scalar
from vram_engine.dialects.profile_keys import READ_AS
from vram_engine.facts.flags import Flag
from vram_engine.generate.arguments import values_of
from vram_engine.generate.order import Order, order_of
from vram_engine.syntax.parse import parse


def differences(order: Order, text: str, dialect: str) -> tuple[str, ...]:
    """What of ``order`` a reader of ``text`` gets otherwise; empty where all is the same."""
    found = deployments_of(parse(text), Context())
    if len(found) != 1 or found[0].dialect != dialect:
        return ("the deployment itself",)
    read = order_of(found[0])
    return tuple(_differences(order, read)) if isinstance(read, Order) else (read.reason,)


def _differences(one: Order, other: Order) -> Iterator[str]:
    before, after = flag_values(one), flag_values(other)
    if other.source == "profile" and "gpu-memory-utilization" not in before:
        after.pop("gpu-memory-utilization", None)
    yield from (name for name in sorted({*before, *after}) if before.get(name) != after.get(name))
    if one.model != other.model:
        yield "model"
    if one.version != other.version:
        yield "the release"
    if other.source not in _WITHOUT_ENVIRONMENT:
        told = dict(other.variables.values)
        yield from (name for name, value in one.variables.values if told.get(name) != value)
    if _says_hardware(other) and one.hardware.unknown is None:
        if one.hardware.gpu != other.hardware.gpu:
            yield "the GPU"
        if one.hardware.count != other.hardware.count:
            yield "the number of GPUs"
    if _says_hardware(other):
        yield from (name for name, value in one.hints.items() if other.hints.get(name) != value)


# vLLM's own file and the profile have no place for it.
_WITHOUT_ENVIRONMENT = frozenset({"serve-config", "profile"})


def _says_hardware(order: Order) -> bool:
    """A shell script has no place for the GPU and the workload that is more than a comment."""
    return order.source != "skypilot"


def flag_values(order: Order) -> dict[str, object]:
    """Every flag by what it means, however it was spelled."""
    meant = {each.name: _meant(each, value) for each, value in order.flags}
    return {name: value for name, value in meant.items() if value != ()}


def _meant(known: Flag, value: Scalar) -> object:
    if known.type.startswith("list"):
        return values_of(known, value)
    if "json" in known.type:
        try:
            return json.dumps(json.loads(str(value)), sort_keys=True)
        except (ValueError, RecursionError):
            return value
    return READ_AS.get(value, value) if known.name == "dtype" and isinstance(value, str) else value


def script_as_task(script: str) -> str:
    """A shell script as the task of a scheduler that runs it, which is a form that is read."""
    return f"resources: {{}}\nrun: {json.dumps(script, ensure_ascii=False)}\n"

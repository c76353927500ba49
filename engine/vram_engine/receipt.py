"""A vLLM log, read for what vLLM measured: the counterpart of a plan. Text in, values out.

All formats from 0.6 on, whatever stands before a line: Ray, Docker and Kubernetes prefixes, timestamps, colours, and
lines wrapped in JSON. Figures that logs print in GiB are bytes here, rounded as the log rounds them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from vram_engine.facts.versions import Version
from vram_engine.receipt_arguments import config_arguments, launch_arguments
from vram_engine.receipt_lines import OF_INTEREST, PATTERNS, SERVES, STARTS, Refusal, refusal_in
from vram_engine.sizing.budget import GIB

# Beyond this no line of vLLM says anything about memory; what follows is the rest of a dumped configuration.
_LONGEST_LINE = 20_000
_LONGEST_JSON = 100_000
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
# What a sum of four or five figures of two digits may be off by.
_ROUNDING = round(0.03 * GIB)


@dataclass(frozen=True, slots=True)
class Boot:
    """One start-up as its log tells it; ``None`` for what it does not say. Bytes per rank.

    ``arguments`` are what vLLM was started with, by its own long flags, as words of a command line; ``device`` is the
    GPU by the name its driver gives, underscores for blanks. Where ranks differ the one with the least KV cache
    decides, and the largest of the other amounts counts. ``activation_bytes`` is without CUDA graphs wherever the log
    allows to tell, ``consumed_bytes`` is weights and non-torch together.
    """

    version: Version | None = None
    engine: Literal["V0", "V1", "V2"] | None = None
    model: str | None = None
    device: str | None = None
    arguments: tuple[tuple[str, str | bool], ...] = ()
    total_bytes: int | None = None
    free_bytes: int | None = None
    utilization: float | None = None
    requested_bytes: int | None = None
    weights_bytes: int | None = None
    consumed_bytes: int | None = None
    activation_bytes: int | None = None
    non_torch_bytes: int | None = None
    graph_estimate_bytes: int | None = None
    graph_bytes: int | None = None
    kv_cache_bytes: int | None = None
    blocks: int | None = None
    tokens: int | None = None
    concurrency: float | None = None
    length: int | None = None
    batched_tokens: int | None = None
    refusal: Refusal | None = None

    @property
    def measures(self) -> bool:
        """Whether the log holds anything a plan can be compared with."""
        told = (self.weights_bytes, self.consumed_bytes, self.kv_cache_bytes, self.blocks, self.tokens, self.refusal)
        return any(each is not None for each in told)


def read_log(text: str) -> tuple[Boot, ...]:
    """The start-ups in a log, in order; empty where no line of vLLM speaks of memory. Total: any text will do."""
    readers = [_Reader()]
    for line in _lines(text):
        if STARTS.search(line) is not None and readers[-1].has_measured:
            readers.append(_Reader())
        readers[-1].read(line)
    boots = (reader.boot() for reader in readers)
    return tuple(boot for boot in boots if boot.measures)


def _lines(text: str) -> Iterator[str]:
    """The lines as vLLM wrote them: without colours, and out of the JSON that a container's runtime keeps them in."""
    for line in text.splitlines():
        written = _unwrapped(line) if line.lstrip().startswith("{") else line
        for part in written.splitlines():
            yield _COLOURS.sub("", part[:_LONGEST_LINE])


def _unwrapped(line: str) -> str:
    if len(line) > _LONGEST_JSON:
        return line
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return line
    for key in ("log", "message", "msg", "line"):
        if isinstance(record, dict) and isinstance(record.get(key), str):
            return str(record[key])
    return line


_Found: TypeAlias = dict[str, Any]

# Each rank prints its own: the least of what limits all, the largest of what each must hold.
_LEAST = frozenset({"kv_cache_bytes", "kv_cache_in_use_bytes", "blocks", "tokens", "concurrency", "free_bytes"})
_MOST = frozenset({"weights_bytes", "consumed_bytes", "activation_bytes", "non_torch_bytes", "graph_bytes"})
_FIELDS = frozenset(field.name for field in fields(Boot))


class _Reader:
    """What has been read of one start-up so far."""

    def __init__(self) -> None:
        self.found: _Found = {}
        self.launch: dict[str, str | bool] = {}
        self.config: dict[str, str | bool] = {}
        self.serves = False

    @property
    def has_measured(self) -> bool:
        """Whether anything was measured yet, so that the next process is another start-up."""
        return any(name in self.found for name in ("weights_bytes", "kv_cache_bytes", "blocks", "refusal"))

    def read(self, line: str) -> None:
        """Take from a line what it says."""
        self.serves = self.serves or SERVES.search(line) is not None
        if OF_INTEREST.search(line) is None:
            return
        self.launch.update(launch_arguments(line))
        self.config.update(config_arguments(line))
        for pattern in PATTERNS:
            match = pattern.form.search(line)
            if match is not None:
                for (name, convert), text in zip(pattern.gives, match.groups(), strict=True):
                    self._keep(name, convert(text))
        if not self.serves and "refusal" not in self.found and (refusal := refusal_in(line)) is not None:
            self.found["refusal"] = refusal

    def _keep(self, name: str, value: Any) -> None:
        if value is None:
            return
        known = self.found.get(name)
        if known is not None and name in _LEAST:
            value = min(known, value)
        if known is not None and name in _MOST:
            value = max(known, value)
        self.found[name] = value

    def boot(self) -> Boot:
        """The start-up, with what follows from what was printed."""
        found = dict(self.found)
        arguments = {**self.config, **self.launch}
        model = arguments.get("model") or found.get("model")
        found["model"] = model if isinstance(model, str) else None
        found["arguments"] = tuple(sorted(arguments.items()))
        _derive(found)
        return Boot(**{name: value for name, value in found.items() if name in _FIELDS})


def _derive(found: _Found) -> None:
    """The KV cache to the byte where a log has it, activation and non-torch memory without what is counted apart."""
    found["kv_cache_bytes"] = found.get("kv_cache_in_use_bytes", found.get("kv_cache_bytes"))
    weights, peak, consumed = (found.get(name) for name in ("weights_bytes", "peak_torch_bytes", "consumed_bytes"))
    if weights is not None and peak is not None:
        found["activation_bytes"] = peak - weights
    if weights is not None and consumed is not None:
        found["non_torch_bytes"] = consumed - weights
    if _activation_counts_graphs(found):
        found["activation_bytes"] -= found["graph_estimate_bytes"]


def _activation_counts_graphs(found: _Found) -> bool:
    """Whether the activation printed contains the graph estimate, as later releases print it.

    It does where the budget closes without the estimate: requested = KV cache + weights + non-torch + activation.
    """
    names = ("requested_bytes", "kv_cache_bytes", "weights_bytes", "non_torch_bytes", "activation_bytes")
    if any(found.get(name) is None for name in (*names, "graph_estimate_bytes")):
        return False
    requested, *spent = (found[name] for name in names)
    gap: int = requested - sum(spent)
    estimate: int = found["graph_estimate_bytes"]
    return abs(estimate) > _ROUNDING and abs(gap) <= _ROUNDING

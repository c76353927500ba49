"""The lines of a vLLM log that say something about memory: what they look like, and which figures they give.

Every repetition in a form is bounded, so that no text takes long to be found not to match.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vram_engine.facts.versions import parse_version
from vram_engine.sizing.budget import GIB

RefusalKind = Literal[
    "no-kv-cache-memory",
    "max-model-len-too-large",
    "free-memory-below-target",
    "mamba-blocks",
    "out-of-memory",
    "profiling",
]

# Words without which no line is read further.
OF_INTEREST = re.compile(
    r"GiB|GB|blocks|args: |LLM engine|server version|serving model|█|tokens|Runner|device_name|max_model_len|emory"
)
# After this a failure is one of serving, not of starting.
SERVES = re.compile(r"Application startup complete|Uvicorn running on")
# A new process says which version it is before anything else.
STARTS = re.compile(r"vLLM (?:API )?server version|Initializing an? (?:V\d )?LLM engine")

_NUMBER = r"(-?\d{1,12}(?:\.\d{1,12})?)"
_LONGEST_MESSAGE = 400


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line of vLLM: what it looks like, and which figures its groups give, each with how it is read."""

    form: re.Pattern[str]
    gives: tuple[tuple[str, Callable[[str], Any]], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why vLLM did not start: the kind, the line of the log, and the figures in it. Bytes per rank."""

    kind: RefusalKind
    message: str
    needed_bytes: int | None = None
    available_bytes: int | None = None
    estimated_max_model_len: int | None = None


def _gib(text: str) -> int:
    return round(float(text) * GIB)


def _whole(text: str) -> int:
    return int(text.replace(",", "") or "0")


def _pattern(form: str, *gives: tuple[str, Callable[[str], Any]]) -> Pattern:
    return Pattern(re.compile(form.replace("NUMBER", _NUMBER)), gives)


def _gibs(form: str, *names: str) -> Pattern:
    return _pattern(form, *((name, _gib) for name in names))


# In the order of vLLM's own steps; the comment says which releases print a line.
PATTERNS: tuple[Pattern, ...] = (
    _pattern(r"vLLM (?:API )?server version (\S+?),? *(?:serving|args|$)", ("version", parse_version)),
    _pattern(r"Initializing an? (?:V\d )?LLM engine \(v([^)\s]+)\)", ("version", parse_version)),
    # The banner of later releases.
    _pattern(r"█ {1,8}version {1,8}(\S+)", ("version", parse_version)),
    _pattern(r"█ {1,8}model {1,8}(\S+)", ("model", str)),
    _pattern(r"serving model (\S+)", ("model", str)),
    _pattern(r"Initializing an? (V\d) LLM engine", ("engine", str)),
    _pattern(r"Using (V2) Model Runner", ("engine", str)),
    # Kernel tables are named after the device they were tuned on.
    _pattern(r"\bdevice_name=([A-Za-z0-9_-]{2,80})", ("device", str)),
    _pattern(r"Chunked prefill is enabled with max_num_batched_tokens=(\d{1,18})", ("batched_tokens", _whole)),
    _pattern(r"Auto-fit max_model_len: reduced from \d{1,18} to (\d{1,18})", ("length", _whole)),
    # Up to 0.8.2 it says GB and means GiB.
    _gibs(r"(?:Loading model weights|Model loading) took NUMBER ?Gi?B", "weights_bytes"),
    # 0.6.5 to 0.9, V0.
    _pattern(
        r"total_gpu_memory \(NUMBER ?GiB\) x gpu_memory_utilization \(NUMBER\) = NUMBER ?GiB",
        ("total_bytes", _gib),
        ("utilization", float),
        ("requested_bytes", _gib),
    ),
    _gibs(
        r"model weights take NUMBER ?GiB; non_torch_memory takes NUMBER ?GiB; PyTorch activation peak memory takes "
        r"NUMBER ?GiB; the rest of the memory reserved for KV Cache is NUMBER ?GiB",
        "weights_bytes",
        "non_torch_bytes",
        "activation_bytes",
        "kv_cache_bytes",
    ),
    # 0.6.4: the peak counts the weights too.
    _gibs(r"Memory profiling results: total_gpu_memory=NUMBER ?GiB", "total_bytes"),
    _gibs(r"peak_torch_memory=NUMBER ?GiB memory_usage_post_profile", "peak_torch_bytes"),
    _pattern(
        r"non_torch_memory=NUMBER ?GiB kv_cache_size=NUMBER ?GiB gpu_memory_utilization=NUMBER",
        ("non_torch_bytes", _gib),
        ("kv_cache_bytes", _gib),
        ("utilization", float),
    ),
    _pattern(r"# (?:GPU|cuda|CUDA|rocm) blocks: (\d{1,18})", ("blocks", _whole)),
    # V1 at level DEBUG.
    _gibs(r"torch peak memory increase: NUMBER ?GiB", "activation_bytes"),
    _gibs(r"non-torch forward increase memory: NUMBER ?GiB", "non_torch_bytes"),
    _gibs(r"total consumed \(from mem_get_info\): NUMBER ?GiB", "consumed_bytes"),
    # V1 since 0.9.
    _gibs(r"Available KV cache memory: NUMBER ?GiB", "kv_cache_bytes"),
    _pattern(r"GPU KV cache size: ([\d,]{1,24}) tokens", ("tokens", _whole)),
    _pattern(
        r"Maximum concurrency for ([\d,]{1,24}) tokens per request: NUMBER ?x",
        ("length", _whole),
        ("concurrency", float),
    ),
    _gibs(r"Graph capturing finished in \d{1,9} secs?\.?,? took NUMBER ?GiB", "graph_bytes"),
    # Since 0.18; taken off the KV cache since 0.20.
    _gibs(r"Estimated CUDA graph memory: NUMBER ?GiB", "graph_estimate_bytes"),
    _gibs(r"CUDA graph pool memory: NUMBER ?GiB \(actual\), NUMBER ?GiB", "graph_bytes", "graph_estimate_bytes"),
    # Since 0.10.1, in one line.
    _gibs(r"Free memory on device(?: \S+)? \(NUMBER/NUMBER ?GiB\)", "free_bytes", "total_bytes"),
    _pattern(
        r"[Dd]esired GPU memory utilization (?:is )?\(NUMBER, NUMBER ?GiB\)",
        ("utilization", float),
        ("requested_bytes", _gib),
    ),
    _gibs(r"Actual usage is NUMBER ?GiB for weight", "weights_bytes"),
    _gibs(r"Actual usage is NUMBER ?GiB for consumed memory", "consumed_bytes"),
    _gibs(r"NUMBER ?GiB for peak activation", "activation_bytes"),
    _gibs(r"NUMBER ?GiB for non-torch memory", "non_torch_bytes"),
    _gibs(r"NUMBER ?GiB for CUDAGraph memory", "graph_bytes"),
    _pattern(r"Current kv cache memory in use is (\d{7,18}) bytes", ("kv_cache_in_use_bytes", _whole)),
    _gibs(r"reserved NUMBER ?GiB memory for KV Cache as specified by kv_cache_memory_bytes", "kv_cache_bytes"),
)

# The first that a line matches; later lines of a log only repeat or follow from the first refusal.
REFUSALS: tuple[tuple[RefusalKind, re.Pattern[str]], ...] = (
    ("max-model-len-too-large", re.compile(r"To serve at least one request with the models?'s max seq len")),
    ("max-model-len-too-large", re.compile(r"The model's max seq len \(\d{1,18}\) is larger than the maximum number")),
    ("max-model-len-too-large", re.compile(r"Cannot auto-fit max_model_len")),
    ("no-kv-cache-memory", re.compile(r"No available memory for the cache blocks")),
    ("free-memory-below-target", re.compile(r"Free memory on device .{1,80} on startup is less than desired")),
    ("mamba-blocks", re.compile(r"max_num_seqs \(\d{1,18}\) exceeds available Mamba cache blocks")),
    ("profiling", re.compile(r"Error in memory profiling\.")),
    ("out-of-memory", re.compile(r"CUDA out of memory|OutOfMemoryError")),
)
_NEEDED = re.compile(rf"\(?{_NUMBER} ?GiB KV cache is needed.{{1,120}}available KV cache memory \({_NUMBER} ?GiB\)")
_ESTIMATED = re.compile(r"estimated maximum model length is (\d{1,18})")
_STORED = re.compile(r"maximum number of tokens that can be stored in KV cache \((\d{1,18})\)")


def refusal_in(line: str) -> Refusal | None:
    """The refusal that a line states."""
    for kind, form in REFUSALS:
        match = form.search(line)
        if match is None:
            continue
        needed, length = _NEEDED.search(line), _ESTIMATED.search(line) or _STORED.search(line)
        return Refusal(
            kind=kind,
            message=line[match.start() :][:_LONGEST_MESSAGE].strip(),
            needed_bytes=None if needed is None else _gib(needed[1]),
            available_bytes=None if needed is None else _gib(needed[2]),
            estimated_max_model_len=None if length is None else int(length[1]),
        )
    return None

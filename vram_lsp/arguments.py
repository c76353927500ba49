"""The arguments of the verbs that size: their own, and vLLM's flags as the strongest settings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from vram_engine.deployment import Known, Setting
from vram_engine.dialects.argv import ArgumentProblem, read_argv, takes_a_value
from vram_engine.facts.gpus import Ambiguous, find_gpu, suggest_gpus
from vram_engine.facts.versions import parse_version
from vram_lsp.cli import UsageError

# Option of plan -> setting.
OWN = {
    "gpu": "gpu",
    "gpus": "gpus",
    "gpu_memory_bytes": "gpu-memory-bytes",
    "free_memory_bytes": "free-memory-bytes",
    "concurrency": "concurrency",
    "estimator": "estimator",
}

_SWITCHES = frozenset(
    {
        *("--json", "--explain", "--online", "--write", "--force", "--diff", "--apply", "--other-gpus"),
        *("-", "-h", "--help"),
    }
)
_OPTIONS = frozenset(
    {
        *("--vllm-version", "--html", "--emit", "--deployment", "--output-dir"),
        *("--format", "--mode", "--request-tokens"),
        *(f"--{option.replace('_', '-')}" for option in OWN),
    }
)


def split_plan(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of the verb itself, and those that are flags of ``vllm serve`` with their values.

    argparse cannot tell them apart, because only vLLM's table knows which of its flags take a value.
    """
    own: list[str] = []
    flags: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        name, glued, _ = word.partition("=")
        takes_value = not glued and (name in _OPTIONS or (name not in _SWITCHES and takes_a_value(name)))
        taken = words[position : position + 1 + takes_value]
        is_own = name in _SWITCHES or name in _OPTIONS or not word.startswith("-")
        (own if is_own else flags).extend(taken)
        position += len(taken)
    return own, flags


def _say_known_gpu(text: str | None) -> None:
    """A GPU given as an argument must be one; raises UsageError with what was probably meant."""
    match = find_gpu(text) if text is not None else None
    if isinstance(match, Ambiguous):
        ids = ", ".join(gpu.id for gpu in match.candidates)
        raise UsageError(f"--gpu {text}: {match.reason}" + (f"; say which: {ids}" if ids else ""))
    if text is not None and match is None:
        close = suggest_gpus(text)
        hint = f"did you mean {' or '.join(close)}?" if close else "vram-lsp gpus lists the catalogue"
        raise UsageError(f"--gpu {text}: no GPU of the catalogue is called that; {hint}")


def plan_settings(options: argparse.Namespace) -> tuple[Setting, ...]:
    """Every setting given as an argument; raises UsageError for one that vLLM would refuse."""
    settings = [
        Setting(name, Known(getattr(options, option)), "argument", f"--{name}")
        for option, name in OWN.items()
        if getattr(options, option, None) is not None
    ]
    if options.vllm_version is not None:
        version = parse_version(options.vllm_version)
        if version is None:
            raise UsageError(f"--vllm-version {options.vllm_version}: expected a release such as 0.32.0")
        settings.append(Setting("vllm-version", Known(str(version)), "argument", "--vllm-version"))
    _say_known_gpu(options.gpu)
    if options.rest and "=" not in options.rest[-1] and takes_a_value(options.rest[-1]):
        raise UsageError(f"{options.rest[-1]} needs a value")
    for read in read_argv(options.rest, "argument"):
        if isinstance(read, ArgumentProblem):
            raise UsageError(read.message)
        if read.name == "config":
            raise UsageError("--config is not followed here: plan FILE reads such a file itself")
        settings.append(read)
    return tuple(settings)

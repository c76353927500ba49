"""The arguments a vLLM log shows: the line that lists them, and the configuration the engine prints.

Both are Python's own way of writing values: ``name=value`` or ``'name': value`` pairs, nested and quoted.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vram_engine.facts.flags import flag

# "args: Namespace(...)" lists all of them, "non-default args: {...}" those that were given.
_LAUNCH = re.compile(r"\bargs: (?:Namespace\(|\{)")
_CONFIG = re.compile(r"LLM engine \(v[^)]*\) with config: (?:VllmConfig\()?")
_PAIR = re.compile(r"\s*['\"]?([A-Za-z_]\w*)['\"]?\s*[:=]\s*(.*)", re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"
_LONGEST_VALUE = 2_000

# Names in the engine's configuration that a flag has another name for; what it resolves itself is no argument.
_CONFIG_FLAGS: Mapping[str, str] = {
    "model": "model",
    "revision": "revision",
    "dtype": "dtype",
    "max_seq_len": "max-model-len",
    "tensor_parallel_size": "tensor-parallel-size",
    "pipeline_parallel_size": "pipeline-parallel-size",
    "data_parallel_size": "data-parallel-size",
    "decode_context_parallel_size": "decode-context-parallel-size",
    "quantization": "quantization",
    "enforce_eager": "enforce-eager",
    "kv_cache_dtype": "kv-cache-dtype",
    "enable_prefix_caching": "enable-prefix-caching",
    "enable_chunked_prefill": "enable-chunked-prefill",
    "speculative_config": "speculative-config",
}
# What the engine prints of speculative decoding (``SpeculativeConfig.__repr__``), by the names it is asked for with.
_DRAFTING = "SpeculativeConfig("
_DRAFTING_KEYS: Mapping[str, str] = {
    "method": "method",
    "model": "model",
    "num_spec_tokens": "num_speculative_tokens",
}


def launch_arguments(line: str) -> dict[str, str | bool]:
    """The flags of a line that lists vLLM's arguments, by their long names, values as a command line has them."""
    match = _LAUNCH.search(line)
    if match is None:
        return {}
    read = ((name.replace("_", "-"), _word(raw)) for name, raw in _pairs(line, match.end()))
    named = (("model" if name == "model-tag" else name, word) for name, word in read)
    return {name: word for name, word in named if word is not None and flag(name) is not None}


def config_arguments(line: str) -> dict[str, str | bool]:
    """The flags that the configuration an engine prints stands for; it has resolved them, so none is missing."""
    match = _CONFIG.search(line)
    if match is None:
        return {}
    read = ((_CONFIG_FLAGS.get(name), _resolved(raw)) for name, raw in _pairs(line, match.end()))
    found = {name: word for name, word in read if name is not None and word is not None}
    drafting = _asked_for(found.pop("speculative-config", None), found.get("model"))
    return found if drafting is None else found | {"speculative-config": drafting}


def _resolved(raw: str) -> str | bool | None:
    """A value of the engine's configuration as a word; how it drafts as the settings that stand for it."""
    if not raw.startswith(_DRAFTING):
        return _word(raw)
    read = ((_DRAFTING_KEYS.get(name), _word(part)) for name, part in _pairs(raw, len(_DRAFTING)))
    return json.dumps({name: _counted(word) for name, word in read if name is not None and word is not None})


def _counted(word: str | bool) -> object:
    """A number where a word is one that may be a count."""
    return int(word) if isinstance(word, str) and re.fullmatch(r"\d{1,9}", word) else word


def _asked_for(drafting: str | bool | None, model: str | bool | None) -> str | None:
    """A speculative-config without the model that drafts, where that is the served one: its own layers draft."""
    try:
        told = json.loads(drafting) if isinstance(drafting, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not told:
        return None
    return json.dumps({name: value for name, value in told.items() if name != "model" or value != model})


def _pairs(line: str, start: int) -> Iterator[tuple[str, str]]:
    """The names and values at the outermost level, up to the bracket that closes it."""
    for part in _parts(line, start):
        match = _PAIR.match(part)
        if match is not None:
            yield match[1], match[2].strip()


def _parts(line: str, start: int) -> Iterator[str]:
    """What stands between commas outside all brackets and quotes."""
    depth, begin, quote, position = 0, start, "", start
    while position < len(line):
        char = line[position]
        if quote:
            position += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
            if depth < 0:
                break
        elif char == "," and depth == 0:
            yield line[begin:position]
            begin = position + 1
        position += 1
    yield line[begin:position]


def _word(raw: str) -> str | bool | None:
    """A value as a word of a command line; None where there is none, or what no command line could hold."""
    if raw in ("None", "") or len(raw) > _LONGEST_VALUE:
        return None
    if raw in ("True", "False"):
        return raw == "True"
    if raw.startswith("torch."):
        return raw.removeprefix("torch.")
    if raw[0] in "<" or re.match(r"[A-Z]\w*\(", raw):
        # An object of Python's, not a value.
        return None
    return _literal(raw) if raw[0] in "'\"[{(" else raw


def _literal(raw: str) -> str | None:
    try:
        value = ast.literal_eval(raw)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str | None:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return None

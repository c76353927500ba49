"""The profile: a deployment with its hardware, workload and policy in one file."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Scalar
from vram_engine.dialects.profile_keys import DEFAULTS, PATHS, SECTIONS, WRITTEN_AS
from vram_engine.facts.gpus import GpuMatch, find_gpu
from vram_engine.generate.config_file import flag_entry
from vram_engine.generate.order import Order, Refused
from vram_engine.generate.wording import header
from vram_engine.generate.yaml_text import Because, yaml_text
from vram_engine.sizing.eras import release

_PROFILE_SAYS = frozenset(PATHS)
# Values that the profile's sections have words for; any other goes on to vLLM as it is.
_WORDS = {
    "dtype": frozenset({"auto", "float16", "half", "bfloat16", "float32", "float"}),
    "quantization": frozenset({"awq", "gptq", "fp8"}),
    "kv-cache-dtype": frozenset({"auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"}),
}


def profile(order: Order) -> str | Refused:
    """The profile's text."""
    if order.model is None and "params-b" not in order.policy:
        return Refused("neither a model nor its size is given")
    sections: dict[str, dict[str, object]] = {}
    for name, value in (*_known(order), *_own(order)):
        section, key = map(str, PATHS[name][0])
        sections.setdefault(section, {})[key] = _written(name, value)
    passed = dict(_passed_on(order))
    if passed:
        sections["outputs"] = {"vllm_args": passed}
    ordered: dict[str, object] = {name: sections[name] for name in SECTIONS if name in sections}
    return yaml_text({"profile_version": 1, **ordered}, header(order, says=_PROFILE_SAYS))


def _known(order: Order) -> Iterator[tuple[str, Scalar]]:
    """Flags of vLLM that have a key in a section."""
    if order.model is not None:
        yield "model", order.model
    yield from ((each.name, value) for each, value in order.flags if _has_a_key(each.name, value))
    if order.value("gpu-memory-utilization") is None:
        yield "gpu-memory-utilization", release(order.version).gpu_memory_utilization


def _has_a_key(name: str, value: Scalar) -> bool:
    if name == "max-model-len":
        return isinstance(value, int) and value > 0
    return name in PATHS and (name not in _WORDS or value in _WORDS[name])


def _passed_on(order: Order) -> Iterator[tuple[str, object]]:
    for each, value in order.flags:
        entry = None if _has_a_key(each.name, value) else flag_entry(each, value)
        if entry is not None:
            yield entry


def _own(order: Order) -> Iterator[tuple[str, Scalar]]:
    """Hardware, workload and policy."""
    hardware = order.hardware
    said = getattr(hardware.setting.value, "value", None) if hardware.setting is not None else None
    if said is not None:
        named = find_gpu(str(said))
        counted = isinstance(named, GpuMatch) and named.count is not None
        yield "gpu", hardware.gpu.id if hardware.gpu is not None and counted else str(said)
    yield "gpus", hardware.count
    yield from ((name, value) for name, value in (*order.hints.items(), *order.policy.items()) if name in PATHS)
    if "headroom-gib" not in order.policy:
        yield "headroom-gib", DEFAULTS["headroom-gib"] if order.source == "profile" else 0


def _written(name: str, value: Scalar) -> object:
    if name == "gpu-memory-bytes":
        return float(value) / 2**30
    if name == "headroom-gib" and value == 0:
        return Because(value, "The source asks for no memory to be kept free; this key's default would.")
    if name == "gpu-memory-utilization":
        return Because(value, "What vLLM may take of the GPU: said, because this key's default is not every release's.")
    return WRITTEN_AS.get(value, value) if isinstance(value, str) else value

"""Container images: whether one holds vLLM, which release its tag names, and for which kind of machine it is built."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vram_engine.facts.versions import Version, parse_version
from vram_engine.images import image_name

# Programs around vLLM that carry its name.
_AROUND_IT = frozenset(
    {
        *("router", "gateway", "scheduler", "epp", "proxy", "sidecar", "controller", "operator", "controlplane"),
        *("exporter", "metrics", "monitor", "dashboard", "frontend", "webui", "ui", "client"),
        *("benchmark", "bench", "test", "tests", "mock", "sim", "simulator", "loader", "downloader", "omni"),
    }
)
_HOLDS_IT = re.compile(r"(?:^|[-_.])vllm(?:[-_.]|$)|^llm-d(?:-cuda|-rocm|-xpu|-hpu|-aws|-gb200)?(?:-dev)?$")
_WORDS = re.compile(r"[a-z0-9]+")
_RELEASE = re.compile(r"v?(\d{1,2}\.\d{1,3}\.\d{1,3}(?:\.?(?:post|rc)\d+)?)(?![\d.]*\d)", re.ASCII)
_NAMED_RELEASE = re.compile(r"vllm[-_]?v?(\d+\.\d+\.\d+)(?!\d)", re.ASCII)
# Builds whose tags count their own releases.
_OWN_NUMBERS = ("lmcache/", "llm-d/", "ai-dynamo/")
_OTHER_MACHINES = {
    "cpu": "a build for CPUs",
    "tpu": "a build for TPUs",
    "gaudi": "a build for Gaudi",
    "hpu": "a build for Gaudi",
    "xpu": "a build for Intel GPUs",
    "neuron": "a build for Neuron",
    "ascend": "a build for Ascend",
}


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's name tells. ``official`` is vLLM's own, whose entrypoint and options are known."""

    name: str
    holds_vllm: bool
    official: bool
    version: Version | None
    machine: str | None


def read_image(text: str) -> Image:
    """An image reference such as ``docker.io/vllm/vllm-openai:v0.10.0``."""
    named = image_name(text.lower())
    path, tag = named.repository, named.tag
    last = path.rpartition("/")[2]
    words = frozenset(_WORDS.findall(last))
    holds_vllm = _HOLDS_IT.search(last) is not None and not words & _AROUND_IT
    official = re.fullmatch(r"(?:.*/)?vllm/vllm-openai(?:-(?:cpu|rocm|xpu))?", path) is not None
    machine = next((what for word, what in _OTHER_MACHINES.items() if word in words or f"-{word}" in tag), None)
    return Image(path, holds_vllm, official, _version(path, last, tag) if holds_vllm else None, machine)


def _version(path: str, last: str, tag: str) -> Version | None:
    """The release a tag names. Only builds that are called after vLLM number themselves as vLLM does."""
    named = _NAMED_RELEASE.search(tag)
    if named is not None:
        return parse_version(named[1])
    if any(f"{owner}" in f"{path}/" for owner in _OWN_NUMBERS) or "vllm-openai" not in last:
        return None
    release = _RELEASE.match(tag)
    version = parse_version(release[1]) if release is not None else None
    # vLLM is still before 1.0: a larger number is a date or somebody else's count.
    return version if version is not None and version.major == 0 else None

"""An option is deprecated in the release, or no longer does anything.

What it checks
    Every option against those that the release still takes but warns about; a config file names its model all the
    same.

Why
    vLLM ignores it or will refuse it later; the warning names what took its place.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    dcp-kv-cache-interleave-size: 16

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    cp-kv-cache-interleave-size: 16
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram_engine.deployment import Setting
from vram_engine.facts.flags import flag
from vram_engine.facts.versions import Version, parse_version
from vram_engine.plan import Plan
from vram_engine.refusals.case import in_vllms_words
from vram_engine.rules.base import Finding, Fix, RenameKey, Rule

# What took an option's place with the same values.
_RENAMED = {
    "dcp-kv-cache-interleave-size": "cp-kv-cache-interleave-size",
    "cuda-graph-sizes": "cudagraph-capture-sizes",
    "override-pooler-config": "pooler-config",
}
_FROM = re.compile(r"from (\d+\.\d+(?:\.\d+)?)", re.ASCII)
# vllm/engine/arg_utils.py: prefix caching decides alone.
_MAMBA_CACHE_MODE_IDLE = Version(0, 33, 0)


def check(plan: Plan) -> Iterator[Finding]:
    """Options that vLLM warns about."""
    for name in plan.deployment.settings:
        setting = plan.deployment.effective(name)
        why = _reason(name, plan)
        if setting is None or setting.origin != "file" or why is None or not in_vllms_words(setting):
            continue
        message = f"{name} is deprecated: {why}"
        yield Finding(RULE.name, "hint", plan.at(name), message, fixes=tuple(_fixes(name, setting)))


def _reason(name: str, plan: Plan) -> str | None:
    version = plan.args.vllm_version
    if name == "mamba-cache-mode" and version >= _MAMBA_CACHE_MODE_IDLE:
        return "it has no effect, prefix caching decides"
    row = flag(name)
    if row is None or row.deprecated is None or name == "model" or row.accepted_by(version) is not True:
        return None
    since = _FROM.match(row.deprecated)
    if since is None:
        return row.deprecated
    started = parse_version(since[1])
    if started is None or version < started:
        return None
    return f"{row.replacement} took its place" if row.replacement else "vLLM will refuse it later"


def _fixes(name: str, setting: Setting) -> Iterator[Fix]:
    """A new name, in the spelling of the file."""
    better, place = _RENAMED.get(name), setting.place
    if better is not None and place is not None and setting.spelling == place.route[-1]:
        key = better.replace("-", "_") if "_" in setting.spelling else better
        yield Fix(f"Rename to {key}", RenameKey(place, key), "safe")


RULE = Rule("deprecated-option", __doc__ or "", check_plan=check)

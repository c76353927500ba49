"""What there is to say about one completion when somebody looks at it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.analysis import Analysis
from vram_engine.deployment import OWN_SETTINGS, Scalar
from vram_engine.facts.catalogue import catalogue_model
from vram_engine.facts.flags import Flag, flag
from vram_engine.facts.gpus import gpu_by_id
from vram_engine.rules import BY_NAME
from vram_engine.view.candidates import cost_of, gpu_words

# Keys of a profile that are settings of nothing else.
_PROFILE = {
    "profile_version": "the version of the profile's schema, which is 1",
    "model": "what is served",
    "hardware": "what it is served on",
    "workload": "what is asked of it",
    "policy": "how careful to be",
    "outputs": "what to write, and flags to pass on",
    "streaming": "whether answers are streamed; it changes no memory",
    "emit": "what to write: command, profile, compose, k8s",
    "vllm_args": "flags of vLLM, which win over the sections",
    "ignore": "names of rules that are silent here, in brackets: `ignore[tight-memory]`",
}


def key_documentation(subject: str) -> str:
    """What a key, an option or a setting is for, its default, and the releases that have it."""
    known = flag(subject)
    if known is not None:
        return "\n\n".join(_about(known))
    return OWN_SETTINGS.get(subject) or _PROFILE.get(subject, "")


def _about(known: Flag) -> Iterator[str]:
    yield f"{known.description}."
    default = known.default_rule or known.default
    if default is not None:
        yield f"Default: {default}"
    words = (*known.choices, *known.suggestions)
    if words:
        yield f"One of: {', '.join(words)}"
    if known.since is not None:
        yield f"Since vLLM {known.since} at the latest"
    if known.gone_in is not None:
        yield f"Gone by vLLM {known.gone_in}" + (f": use {known.replacement}" if known.replacement else "")
    if known.deprecated is not None:
        yield f"Deprecated: {known.deprecated}"


def rule_documentation(name: str) -> str:
    """A rule's page."""
    rule = BY_NAME.get(name)
    return "" if rule is None else rule.doc.strip()


def value_documentation(analysis: Analysis | None, subject: str, value: Scalar, plan: int | None) -> str:
    """What a value is, and the verdict the deployment would have with it."""
    return "\n\n".join(part for part in (_thing(subject, value), _verdict(analysis, subject, value, plan)) if part)


def _thing(subject: str, value: Scalar) -> str:
    if subject == "gpu":
        gpu = gpu_by_id(str(value))
        return gpu_words(gpu) if gpu is not None else ""
    if subject == "model":
        row = catalogue_model(str(value))
        return f"{row.id}: {row.parameters:,} parameters, from {row.source}" if row is not None else ""
    return ""


def _verdict(analysis: Analysis | None, subject: str, value: Scalar, plan: int | None) -> str:
    if analysis is None or plan is None or not 0 <= plan < len(analysis.plans):
        return ""
    cost = cost_of(analysis.plans[plan], subject, value)
    return f"With {subject} {value}: **{cost}**" if cost else ""

"""A rule's page is its test: the Example yields exactly the rule's finding, its fix gives Fixed, and Fixed is clean."""

from __future__ import annotations

import inspect
import re

import pytest

from vram_engine.analysis import Context
from vram_engine.fixing import edits_of
from vram_engine.rules import RULES
from vram_engine.syntax.edits import apply

# These say that something is not known, not readable or only worth knowing; nothing is changed for the user.
WITHOUT_FIX = {
    *("model-unknown", "not-modelled", "yaml-syntax", "refused-by-vllm", "tight-memory"),
    *(
        "gpu-too-old",
        "gpu-no-longer-supported",
        "quantization-needs-newer-gpu",
        "mm-loras-on-text-model",
        "speculative-model-missing",
        "option-too-new",
    ),
    *("mtp-unsupported-by-model", "multimodal-settings-on-text-model", "utilization-ignored"),
}


def section(rule, title):
    """The YAML under one heading of a rule's page."""
    page = inspect.cleandoc(rule.doc)
    match = re.search(rf"^{title}\n((?:    .*\n|\n)+)", page + "\n", re.MULTILINE)
    assert match is not None, f"{rule.name} has no {title}"
    return inspect.cleandoc(match[1]) + "\n"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_page_has_its_headings(rule):
    """Every page says what it checks, why, and shows an example and its repair."""
    for title in ("What it checks", "Why", "Example", "Fixed"):
        assert section(rule, title).strip()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_example_yields_exactly_this_finding(rule, analysed):
    """No other rule speaks about a rule's example."""
    assert {finding.rule for finding in analysed(section(rule, "Example")).findings} == {rule.name}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_fixed_is_clean(rule, analysed):
    """Nothing at all is found in the repaired example."""
    assert [finding.rule for finding in analysed(section(rule, "Fixed")).findings] == []


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.name not in WITHOUT_FIX], ids=lambda rule: rule.name)
def test_a_fix_turns_the_example_into_fixed(rule, analysed):
    """One of the offered fixes gives exactly the repaired example."""
    text = section(rule, "Example")
    analysis = analysed(text)
    results = []
    for fix in (fix for finding in analysis.findings for fix in finding.fixes):
        edits = edits_of(analysis, fix, Context())
        results.append(apply(text, edits) if edits is not None else None)
    assert section(rule, "Fixed") in results


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.name not in WITHOUT_FIX], ids=lambda rule: rule.name)
def test_every_fix_of_an_example_removes_the_finding(rule, analysed):
    """Each fix that is offered can be written, and what it fixes is not found in the text it gives."""
    text = section(rule, "Example")
    analysis = analysed(text)
    for fix in (fix for finding in analysis.findings for fix in finding.fixes):
        edits = edits_of(analysis, fix, Context())
        assert edits is not None, fix.title
        assert rule.name not in {finding.rule for finding in analysed(apply(text, edits)).findings}, fix.title

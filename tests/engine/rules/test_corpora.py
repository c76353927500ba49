"""The rules on real files and real boots, where they stand beside the checkout: what works is never called an error."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.corpus.cases import ARGUMENTS, data_directory, load
from vram_engine.analysis import Context
from vram_engine.deployment import Known, Setting
from vram_engine.refusals import CHECKS

SHARED = Path(os.environ.get("VRAM_LSP_SHARED") or Path(__file__).resolve().parents[4] / "shared")
SAMPLES = SHARED / "data/samples"
REFUSALS = {check.topic for check in CHECKS}

# What stands in for the GPUs that most files do not name; a file's own go before.
GPUS = (Setting("gpu", Known("h100-sxm-80"), "default"), Setting("gpus", Known(8), "default"))

# Read by hand: a switch that is given a value, which vLLM's parser refuses; a length that the GPU of the file cannot
# hold; four ranks in a container of one GPU.
MISTAKEN = {
    "kubeai/02": {"boolean-with-value"},
    "kubeai/03": {"boolean-with-value"},
    "kubeai/06": {"boolean-with-value"},
    "k8s-deployment/06": {"max-model-len-does-not-fit"},
}


def samples():
    """Names of all files of the collection; a single name that skips without one."""
    found = sorted(str(path.relative_to(SAMPLES).with_suffix("")) for path in SAMPLES.rglob("*.yaml"))
    return found or ["no collection"]


@pytest.mark.parametrize("settings", [(), GPUS], ids=["as written", "on eight H100"])
@pytest.mark.parametrize("name", samples())
def test_a_file_in_use_has_no_error_and_at_most_one_hint_per_deployment(name, settings, analysed):
    """Errors are those that were read by hand, and nobody is told more than one better way."""
    path = SAMPLES / f"{name}.yaml"
    if not path.is_file():
        pytest.skip("no samples beside the checkout: set VRAM_LSP_SHARED to the folder that holds data/samples")
    analysis = analysed(path.read_bytes().decode("utf-8"), context=Context(settings=settings))
    severities = Counter(finding.severity for finding in analysis.findings)
    errors = {finding.rule for finding in analysis.findings if finding.severity == "error"}
    assert errors == MISTAKEN.get(name, set())
    assert severities["hint"] <= max(len(analysis.plans), 1)
    places = {(analysis.span(each.where), each.rule) for each in analysis.findings if each.severity == "error"}
    assert len({place for place, _ in places}) == len(places), "two rules speak of one place"


@pytest.mark.parametrize("name", [name for name in samples() if name.startswith("negatives/")] or ["no collection"])
def test_a_file_of_another_program_is_told_nothing(name, analysed):
    """Files that only look like vLLM's have no finding at all."""
    path = SAMPLES / f"{name}.yaml"
    if not path.is_file():
        pytest.skip("no samples beside the checkout: set VRAM_LSP_SHARED to the folder that holds data/samples")
    assert analysed(path.read_bytes().decode("utf-8"), context=Context(settings=GPUS)).findings == ()


def boots():
    """The logged boots of the corpus; none without it."""
    directory = data_directory()
    if directory is None:
        return ()
    rows = [json.loads(line) for line in (directory / "cases.jsonl").read_text(encoding="utf-8").splitlines() if line]
    return tuple(zip(load(directory), rows, strict=True))


def launched(case, row, folder):
    """The launch of a log as a config file of vLLM's."""
    (folder / "config.json").write_text(json.dumps(case.config))
    about = [f"vllm={case.args.vllm_version}", *([f"gpu={case.gpu.id}"] if case.gpu else [])]
    about += [f"gpus={row['num_gpus']}"] if row["num_gpus"] else []
    said = {name: row["args"][name] for name in ARGUMENTS if row["args"].get(name) is not None}
    # Free text names what the collectors did not take apart; this one changes what the config.json says.
    if "hf-overrides" in str(row["args"].get("other_args")):
        said["hf_overrides"] = "{}"
    lines = [f"{name.replace('_', '-')}: {json.dumps(value)}" for name, value in said.items()]
    return "\n".join([f"# vram: {' '.join(about)}", f"model: {folder}", *lines]) + "\n"


def test_what_started_is_refused_nothing(analysed, tmp_path):
    """No configuration whose log shows it past its checks meets a rule of refusals."""
    found = {}
    for case, row in boots():
        folder = tmp_path / case.id
        folder.mkdir()
        findings = analysed(launched(case, row, folder)).findings
        found[case.id] = {finding.rule for finding in findings if finding.severity == "error"} & REFUSALS
    if not found:
        pytest.skip("the boot logs are not beside the checkout (set VRAM_LSP_SHARED)")
    assert {name: rules for name, rules in found.items() if rules} == {}

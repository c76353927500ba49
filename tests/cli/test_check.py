"""check for other programs: annotations, SARIF, fixes and diffs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FIXABLE = (
    "# a comment\n# vram: gpu=h100\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n"
    "gpu-memory-utilisation: 0.9  # kept\ndtype: bfloat\nkv-cache-dtype: auto"
)
FIXED = FIXABLE.replace("utilisation", "utilization").replace("bfloat\n", "bfloat16\n")


def run(*words):
    """One call of the program."""
    command = [sys.executable, "-m", "vram_lsp", "check", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path):
    """A file with two safe mistakes and no final newline."""
    path = tmp_path / "config.yaml"
    path.write_text(FIXABLE)
    return path


def test_fix_applies_what_is_safe_and_nothing_else(file):
    """Both misspellings are mended, every other byte stays, and what is left decides the exit code."""
    done = run(file, "--fix")
    assert done.returncode == 0, done.stdout
    assert file.read_text() == FIXED
    assert [each.name for each in file.parent.iterdir()] == ["config.yaml"]


def test_diff_shows_and_changes_nothing(file):
    """The diff names both lines, the file stays, and the findings still count."""
    done = run(file, "--diff")
    assert done.returncode == 1
    for line in (
        "-gpu-memory-utilisation: 0.9  # kept",
        "+gpu-memory-utilization: 0.9  # kept",
        " kv-cache-dtype: auto",
    ):
        assert line in done.stdout.splitlines()
    assert file.read_text() == FIXABLE


def test_github_gets_workflow_commands(file):
    """One command a finding, 1-based, with the rule as its title."""
    done = run(file, "--format", "github")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        f"::error file={file},line=5,endLine=5,col=1,endColumn=23,title=unknown-key::vLLM has no option"
    )
    assert len(lines) == 2


def test_sarif_is_one_run_with_rules_and_results(file):
    """Results point at rules that are listed, at UTF-16 columns."""
    document = json.loads(run(file, "--format", "sarif").stdout)
    (only,) = document["runs"]
    listed = {rule["id"] for rule in only["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in only["results"]} == {"unknown-key", "invalid-value"} <= listed
    region = only["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 5, "startColumn": 1, "endLine": 5, "endColumn": 23}


def test_what_git_ignores_is_not_checked(tmp_path):
    """Patterns of every .gitignore on the way count, the nearest last, as for git."""
    for name in ("a.yaml", "build/b.yaml", "sub/c.yaml", "sub/keep/d.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(FIXABLE)
    (tmp_path / ".gitignore").write_text("build/\nc.yaml\n")
    (tmp_path / "sub/.gitignore").write_text("keep/\n!c.yaml\n")
    document = json.loads(run(tmp_path, "--format", "json").stdout)
    found = {finding["file"].removeprefix(f"{tmp_path}/") for finding in document["findings"]}
    assert found == {"a.yaml", "sub/c.yaml"}

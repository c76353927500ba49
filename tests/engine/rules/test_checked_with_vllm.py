"""Every rule about a refusal was held against vLLM's own code once; the answers are kept in a table."""

from __future__ import annotations

from pathlib import Path

from vram_engine.refusals import CHECKS
from vram_engine.rules import BY_NAME

TABLE = Path(__file__).with_name("checked_with_vllm.tsv")


def rows():
    """The rows of the table by rule: what vLLM said to Example and Fixed, and whether that was run or read."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return {name: rest for name, *rest in (line.split("\t") for line in lines[2:])}


def test_the_table_names_every_rule_about_a_refusal():
    """Each check of the catalogue has its row, in its order, and its page."""
    assert list(rows()) == [check.topic for check in CHECKS]
    assert {check.topic for check in CHECKS} <= BY_NAME.keys()


def test_what_was_run_was_refused_and_mended():
    """vLLM refused the Example with an error of some class and took Fixed."""
    run = {name: (example, fixed) for name, (example, fixed, basis) in rows().items() if basis == "run"}
    assert len(run) > 70
    for name, (example, fixed) in run.items():
        stage, _, error = example.partition(": ")
        assert stage in ("arguments", "config", "workers"), name
        assert error.endswith(("Error", "SystemExit")), name
        assert fixed == "accepted", name


def test_what_was_not_run_names_its_source():
    """A row that rests on reading says where to read it."""
    for name, (_, _, basis) in rows().items():
        assert basis == "run" or basis.startswith(("read: vllm/", "read: CMakeLists.txt")), name

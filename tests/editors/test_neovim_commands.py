"""Every command of the Neovim plugin, in one session that a script plays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
DOES_NOT_FIT = """\
# vram: gpu=l4 gpus=2 vllm=0.32.0
model: Qwen/Qwen2.5-14B-Instruct
max-model-len: 16384
gpu-memory-utilization: 0.92
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the session worked."""
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def seen(neovim, folder):
    """What the session saw."""
    (folder / "serve.yaml").write_text(DOES_NOT_FIT, encoding="utf-8")
    return neovim("neovim_commands", folder)


@pytest.fixture(scope="module")
def planned(folder):
    """A function that gives the deployment of ``plan --json`` for a text."""

    def planned(text: str):
        file = folder / "planned.yaml"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run([BIN / "vram-lsp", "plan", file, "--json"], capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["deployments"][0]

    return planned


def amounts(page):
    """The amounts in GiB of a plan in a window, by the names of their rows."""
    rows = [(line[:25].strip(), line[25:34].strip()) for line in page.splitlines()]
    return {name: amount for name, amount in rows if amount.replace(".", "").lstrip("-").isdigit()}


def expected(memory):
    """The same from the document of the command line."""
    rows = {each["name"]: each["bytes"] for each in memory["terms"]}
    rows["KV cache of the workload"] = memory["kv_cache_required_bytes"]
    rows["required"], rows["free"] = memory["required_bytes"], memory["headroom_bytes"]
    rows["reserved by vLLM"], rows["the GPU"] = memory["requested_bytes"], memory["total_bytes"]
    return {name: f"{amount / 2**30:.2f}" for name, amount in rows.items()}


def test_lenses_and_hints_are_on(seen):
    """Nothing has to be configured for the verdict over the deployment and the amounts beside the keys."""
    assert seen["hints_are_on"]
    assert len(seen["lenses"]) == 1
    assert "does not fit" in seen["lenses"][0]


def test_the_plan_has_the_numbers_of_the_command_line(seen, planned):
    """Each row of the window is an amount of plan --json, each amount above nothing has a bar, and typing goes on."""
    before = expected(planned(DOES_NOT_FIT)["memory"])
    assert amounts(seen["plan"]) == before
    assert seen["plan"].startswith("does not fit: Qwen/Qwen2.5-14B-Instruct on 1 x L4")
    assert seen["bars"] > 0
    assert seen["focus_stays"]


def test_the_plan_follows_what_is_typed(seen, planned):
    """After another length was typed the window shows the plan of the new text, without being asked for it."""
    assert "max-model-len: 4096" in seen["typed"]
    after = amounts(seen["plan_after_typing"])
    assert after == expected(planned(seen["typed"])["memory"])
    assert after["KV cache of the workload"] != amounts(seen["plan"])["KV cache of the workload"]


def test_the_plan_can_be_put_away(seen):
    """By q in its window, and by the command that showed it."""
    assert seen["q_closes"]
    assert seen["toggled"]


def test_the_statusline_says_the_verdict(seen):
    """Nothing before the first answer, then the verdict, and what is free once it fits."""
    assert seen["first_statusline"] == ""
    assert seen["statusline"] == seen["evaluated"] == "vLLM does not fit"
    assert seen["statusline_after"].startswith("vLLM fits, ")


def test_a_recommendation_is_written(seen, planned):
    """The one that was chosen is in the file, and its promise is what plan says of the file then."""
    assert "tensor-parallel-size: 2" in seen["after"]
    memory = planned(seen["after"])["memory"]
    assert seen["statusline_after"] == f"vLLM fits, {memory['headroom_bytes'] / 2**30:.2f} GiB free"
    assert f"{memory['headroom_bytes'] / 2**30:.2f} GiB free" in seen["recommended"][0]


def test_an_artifact_opens_in_a_scratch_buffer(seen, folder):
    """It is the text of vram-lsp generate, in a buffer that is no file; without a kind there is a list."""
    command = [BIN / "vram-lsp", "generate", "--emit", "compose", folder / "serve.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert seen["artifact"] == done.stdout.rstrip("\n")
    assert seen["artifact_buffer"] == {"filetype": "yaml", "buftype": "nofile", "modified": False}
    assert "vllm serve Qwen/Qwen2.5-14B-Instruct" in seen["chosen_artifact"]
    assert seen["kinds"] == ["serve", "docker", "compose", "kubernetes", "helm", "config", "profile"]
    assert "there is no nothing; there are serve," in seen["said"]


def test_the_page_is_shown(seen):
    """Where pages are shown, by its address."""
    assert seen["page"].startswith("file://")
    assert seen["page"].endswith(".html")


def test_health_says_what_was_found(seen):
    """Neovim, the server with its version and place, what it is attached to, the hub and what is switched on."""
    version = subprocess.run([BIN / "vram-lsp", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    for words in ("OK Neovim 0.11.", f"OK {version} at {BIN}", "is attached to 1 buffer(s)", "model hub", "hints: on"):
        assert words in seen["health"]
    assert "ERROR" not in seen["health"]


def test_a_server_that_died_is_started_again(seen):
    """Without it nothing is claimed; VramRestart brings another, and the verdict with it."""
    assert seen["statusline_without_server"] == ""
    assert not seen["plan_without_server"]
    assert seen["is_new"]
    assert seen["statusline_of_new_server"] == seen["statusline_after"]


def test_every_command_is_in_the_help(seen):
    """Each has a tag of its own."""
    text = (ROOT / "editors/nvim/doc/vram-lsp.txt").read_text(encoding="utf-8")
    assert len(seen["commands"]) == 5
    assert [name for name in seen["commands"] if f"*:{name}*" not in text] == []


def test_the_plugin_makes_no_globals(seen):
    """Lua's global table has the names it had before."""
    assert seen["globals"] in ([], {})

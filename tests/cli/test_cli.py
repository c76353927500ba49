"""The command line as a user meets it: exit codes, streams, documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

CLEAN = "# vram: gpu=h100-sxm-80\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n"
FAILING = "# vram: gpu=l4\nmodel: meta-llama/Llama-3.1-70B-Instruct\nmax-model-len: 8192\n"


def run(*words, cwd=None):
    """One call of the program, as another process."""
    command = [sys.executable, "-m", "vram_lsp", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def folder(tmp_path):
    """A folder with a clean deployment, a failing one, and a file of another kind."""
    (tmp_path / "clean.yaml").write_text(CLEAN)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/failing.yml").write_text(FAILING)
    (tmp_path / "other.yaml").write_text("services:\n  web:\n    image: nginx\n")
    return tmp_path


def test_check_of_a_clean_file_exits_0(folder):
    """At most information means success."""
    done = run("check", folder / "clean.yaml")
    assert done.returncode == 0, done.stderr
    assert "fits" in done.stdout


def test_check_of_a_folder_finds_what_is_below_it(folder):
    """Errors anywhere below a folder give exit 1 and a line with path, place, severity and rule."""
    done = run("check", folder)
    assert done.returncode == 1, done.stderr
    assert f"{folder}/sub/failing.yml:2:8: error[out-of-memory]: " in done.stdout
    assert "other.yaml:" not in done.stdout


@pytest.mark.parametrize(
    "words",
    [("check", "nowhere.yaml"), ("check", "binary.yaml"), ("plan", "nowhere.yaml"), ("plan",), ("plan", "other.yaml")],
)
def test_what_cannot_be_analysed_exits_2_and_says_why(folder, words):
    """A missing or unreadable file, or nothing to plan, is one line on stderr and no traceback."""
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    done = run(*words, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("vram-lsp: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_check_json_has_the_findings_of_plan(folder):
    """Both documents describe a finding alike, fixes with their edits included."""
    checked = json.loads(run("check", folder / "sub", "--format", "json").stdout)
    planned = json.loads(run("plan", folder / "sub/failing.yml", "--json").stdout)
    assert checked["schema_version"] == planned["schema_version"] == 1
    assert checked["findings"] == planned["findings"]
    (finding,) = checked["findings"]
    assert finding["range"] == {"start": {"line": 1, "character": 7}, "end": {"line": 1, "character": 40}}


def test_plan_takes_vllms_own_flags():
    """Without a file, the model and every long flag of vllm serve describe the deployment."""
    words = ("plan", "--model", "meta-llama/Llama-3.1-8B-Instruct", "--gpu", "h100-sxm-80", "--tensor_parallel_size=2")
    document = json.loads(run(*words, "--max-model-len", "8K", "--json").stdout)
    (deployment,) = document["deployments"]
    assert deployment["file"] is None
    assert deployment["tensor_parallel_size"] == 2
    assert deployment["max_model_len"] == 8192
    assert deployment["settings"]["max-model-len"] == {"value": 8192, "origin": "argument", "range": None}
    assert deployment["settings"]["max-num-seqs"] == {"value": 1024, "origin": "default", "range": None}
    assert deployment["verdict"] == "fits"


def test_plan_reports_and_does_not_judge(folder):
    """A plan that was computed is a success, whatever its verdict; judging is the business of check."""
    assert run("plan", folder / "sub/failing.yml").returncode == 0


def test_arguments_win_over_the_file(folder):
    """A flag beside a file replaces what the file says."""
    document = json.loads(run("plan", folder / "clean.yaml", "--gpu", "l4", "--max-model-len", "4096", "--json").stdout)
    (deployment,) = document["deployments"]
    assert (deployment["gpu"]["id"], deployment["gpu"]["source"], deployment["max_model_len"]) == (
        "l4",
        "argument",
        4096,
    )


def test_a_flag_that_vllm_does_not_have_is_an_error():
    """A misspelt flag is named, with what was meant."""
    done = run("plan", "--model", "x", "--max-modle-len", "5")
    assert done.returncode == 2
    assert "did you mean --max-model-len?" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model",), "--model needs a value"),
        (("--model", "x", "--config", "y.yaml"), "plan FILE"),
        (("--model", "x", "--gpu", "l40x"), "did you mean"),
        (("--model", "x", "--gpu", "a100-80"), "did you mean a100-pcie-80 or a100-sxm-80"),
        (("--model", "x", "--gpu", "a100"), "say which"),
        (("--model", "x", "--gpu-memory-utilization", "nan"), "is not a number"),
    ],
)
def test_arguments_that_mean_nothing_are_errors(words, said):
    """An argument that cannot be used is one line on stderr that says what to do."""
    done = run("plan", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_unknown_is_null():
    """Without a GPU there is no verdict, and every number that needs one is null."""
    document = json.loads(run("plan", "--model", "meta-llama/Llama-3.1-8B-Instruct", "--json").stdout)
    (deployment,) = document["deployments"]
    assert deployment["verdict"] == "unknown"
    assert deployment["memory"] is None
    assert deployment["oom_risk"] is None
    assert deployment["gpu"]["id"] is None


def test_explain_prints_a_rules_page():
    """A rule is explained; an unknown one is an error with a suggestion."""
    assert "What it checks" in run("explain", "out-of-memory").stdout
    done = run("explain", "out-of-memori")
    assert done.returncode == 2
    assert "did you mean out-of-memory?" in done.stderr


@pytest.mark.parametrize("verb", ["gpus", "models", "detect"])
def test_lists_have_a_document_for_programs(verb):
    """The catalogues and this machine's GPUs come as JSON too."""
    document = json.loads(run(verb, "--json").stdout)
    assert document["schema_version"] == 1
    assert run(verb).returncode == 0


def test_a_project_file_gives_hardware_and_switches_rules(folder):
    """The nearest vram-lsp.toml speaks where the file does not; overrides are by path."""
    (folder / "vram-lsp.toml").write_text(
        'vllm-version = "0.32.0"\n[hardware]\ngpu = "h100-sxm-80"\n[rules]\nout-of-memory = "off"\n'
        '[[overrides]]\nfiles = ["edge/**"]\nhardware = { gpu = "l4" }\n'
    )
    (folder / "edge").mkdir()
    for name in ("here.yaml", "edge/there.yaml"):
        (folder / name).write_text("model: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n")
    gpus = []
    for name in ("here.yaml", "edge/there.yaml"):
        (deployment,) = json.loads(run("plan", folder / name, "--json").stdout)["deployments"]
        gpus.append((deployment["gpu"]["id"], deployment["gpu"]["source"], deployment["vllm_version"]))
    assert gpus == [("h100-sxm-80", "project", "0.32.0"), ("l4", "project", "0.32.0")]
    assert run("check", folder / "sub").returncode == 0


def test_a_bad_project_file_is_said_and_survived(folder):
    """What cannot be used in a project file is a line on stderr; the rest counts."""
    (folder / "vram-lsp.toml").write_text('colour = "red"\n[hardware]\ncount = "many"\n[rules]\nnope = "off"\n')
    done = run("check", folder / "clean.yaml")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 3


def test_plan_json_has_the_image_and_an_environment_without_secrets(folder):
    """Parts of the image as written; variables by name, those of an env file beside the text included."""
    (folder / "chat.env").write_text("VLLM_ALLOW_LONG_MAX_MODEL_LEN=1\nHF_TOKEN=hf_hushhush\nDB_PASSWORD=hush\n")
    (folder / "compose.yaml").write_text(
        "# vram: gpu=h100-sxm-80\nservices:\n  chat:\n    image: vllm/vllm-openai:v0.31.0\n    env_file: chat.env\n"
        "    command: --model Qwen/Qwen2.5-7B-Instruct --max-model-len 65536\n"
        "    environment: {VLLM_LOGGING_LEVEL: DEBUG, API_KEY: hush}\n"
    )
    done = run("plan", folder / "compose.yaml", "--json")
    (deployment,) = json.loads(done.stdout)["deployments"]
    assert "hush" not in done.stdout
    place = {"start": {"line": 3, "character": 11}, "end": {"line": 3, "character": 35}}
    assert deployment["image"] == {"repository": "vllm/vllm-openai", "tag": "v0.31.0", "digest": None, "range": place}
    told = {name: each.get("value") for name, each in deployment["environment"].items()}
    assert told == {
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
        "VLLM_LOGGING_LEVEL": "DEBUG",
        "HF_TOKEN": None,
        "DB_PASSWORD": None,
        "API_KEY": None,
    }
    assert deployment["verdict"] == "fits"


def test_a_plan_of_a_name_that_looks_like_markup_is_printed_as_it_is(tmp_path):
    """Brackets of a file are text, neither style nor an error, and its escape sequences are shown."""
    path = tmp_path / "serve.yaml"
    path.write_text('# vram: gpu=l4\nmodel: "Qwen/Qwen[/red]\\e[31m"\n')
    done = run("plan", str(path))
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "[/red]" in done.stdout
    assert "\x1b" not in done.stdout

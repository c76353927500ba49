"""``vram-lsp recommend`` as a user meets it: a page, a document, a diff, and the file written."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

TEXT = "# vram: gpu=l4 gpus=2\nmodel: Qwen/Qwen2.5-14B-Instruct  # 27.5 GiB in 16 bits\nmax-model-len: 8192\n"


def run(*words):
    """One call of the program, as another process."""
    command = [sys.executable, "-m", "vram_lsp", "recommend", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path):
    """A deployment that one L4 does not hold and two do."""
    path = tmp_path / "serve.yaml"
    path.write_text(TEXT)
    return path


def test_the_page_says_what_why_and_what_was_ranked_below(file):
    """The best choice, its memory before and after, and the reason the next one lost."""
    done = run(file)
    assert done.returncode == 0, done.stderr
    assert "1. Set tensor-parallel-size to 2" in done.stdout
    assert "each layer is divided over 2 GPUs" in done.stdout
    assert "ranked below: the one before keeps more precision" in done.stdout
    assert "\x1b" not in done.stdout


def test_the_document_has_every_choice(file):
    """Settings, verdict and bytes for programs, and nothing else on standard output."""
    (deployment,) = json.loads(run(file, "--format", "json").stdout)["deployments"]
    assert deployment["verdict"] == "infeasible"
    assert deployment["recommendations"][0]["settings"] == {"tensor-parallel-size": 2}
    assert all(each["verdict"] == "fits" for each in deployment["recommendations"])
    assert deployment["goal"] == {"tokens": 8192, "concurrency": 1, "mode": "balanced"}


def test_diff_shows_and_apply_writes_the_best_choice(file):
    """The diff changes nothing; the written file is read again and is well."""
    done = run(file, "--diff")
    assert "+tensor-parallel-size: 2" in done.stdout.splitlines()
    assert file.read_text() == TEXT
    assert run(file, "--apply").returncode == 0
    assert file.read_text() == TEXT + "tensor-parallel-size: 2\n"


def test_arguments_alone_are_enough_for_advice_but_not_for_edits():
    """Without a file there is nothing to write."""
    words = ("--model", "Qwen/Qwen2.5-14B-Instruct", "--gpu", "l4", "--gpus", "2", "--max-model-len", "8192")
    done = run(*words, "--format=json")
    (deployment,) = json.loads(done.stdout)["deployments"]
    assert deployment["recommendations"][0]["settings"] == {"tensor-parallel-size": 2}
    refused = run(*words, "--apply")
    assert refused.returncode == 2
    assert "FILE" in refused.stderr


def test_what_cannot_be_met_names_more_and_other_gpus():
    """140 GB of weights: no two L4, but more of them, or others."""
    words = ("--model", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "l4", "--gpus", "2", "--request-tokens", "4096")
    (deployment,) = json.loads(run(*words, "--other-gpus", "--format", "json").stdout)["deployments"]
    assert deployment["recommendations"] == []
    assert deployment["partial"]["lacks_bytes"] > 0
    assert deployment["more_gpus"]["count"] >= 8
    assert {each["id"] for each in deployment["gpus"]} >= {"h100-sxm-80", "b200"}


def test_a_name_cannot_steer_the_terminal(tmp_path):
    """Escape sequences of a file are shown, not sent."""
    path = tmp_path / "serve.yaml"
    path.write_text('# vram: gpu=l4\nmodel: "Qwen/\\e[31mQwen3\\a"\n')
    page = run(path).stdout
    assert "\x1b" not in page
    assert "\x07" not in page
    assert "\\x1b[31m" in page


def test_engines_that_together_ask_for_too_much_are_told_to_share(tmp_path):
    """0.55 and 0.5 of one GPU: neither a smaller model nor a smaller cache ends that, a smaller share does."""
    service = '{image: "vllm/vllm-openai:v0.32.0", gpus: [{device_ids: ["0"]}], command: '
    shares = "".join(
        f"  {name}: {service}--model Qwen/Qwen2.5-7B-Instruct --gpu-memory-utilization {share}}}\n"
        for name, share in (("chat", 0.55), ("code", 0.5))
    )
    path = tmp_path / "compose.yaml"
    path.write_text(f"# vram: gpu=h100-sxm-80\nservices:\n{shares}")
    page = run(path).stdout
    assert page.count("lower gpu-memory-utilization of one") == 2
    assert "0.00 GiB" not in page
    assert "nothing that can be written" not in page


def test_many_engines_on_one_gpu_are_counted_not_all_named(tmp_path):
    """Each of seven has six others beside it: four are named, two counted."""
    service = '{image: "vllm/vllm-openai:v0.32.0", gpus: [{device_ids: ["0"]}], command: '
    line = "--model Qwen/Qwen2.5-0.5B-Instruct --gpu-memory-utilization 0.5"
    services = "".join(f"  s{number}: {service}{line}}}\n" for number in range(7))
    path = tmp_path / "compose.yaml"
    path.write_text(f"# vram: gpu=h100-sxm-80\nservices:\n{services}")
    page = run(path).stdout
    assert "it shares its GPU with s0, s1, s2, s3 and 2 more, and together" in page

"""The verb ``receipt`` as a user meets it: predicted against measured, and a calibration that counts from then on."""

from __future__ import annotations

import io
import json
import tomllib
from dataclasses import dataclass

import pytest

from vram_lsp.cli import main

MODEL = "Qwen/Qwen2.5-7B-Instruct"
LOG = f"""\
INFO 02-12 10:11:12 api_server.py:840] vLLM API server version 0.7.3
INFO 02-12 10:11:12 api_server.py:841] args: Namespace(model_tag='{MODEL}', api_key='secret', model='{MODEL}', \
max_model_len=8192, tensor_parallel_size=1, gpu_memory_utilization=0.9, max_num_seqs=None, enforce_eager=False)
INFO 02-12 10:11:20 llm_engine.py:234] Initializing a V0 LLM engine (v0.7.3) with config: model='{MODEL}', \
dtype=torch.bfloat16, max_seq_len=8192, tensor_parallel_size=1, quantization=None, enforce_eager=False
INFO 02-12 10:11:50 model_runner.py:1115] Loading model weights took 14.2487 GB
INFO 02-12 10:11:53 worker.py:267] the current vLLM instance can use total_gpu_memory (79.10GiB) x \
gpu_memory_utilization (0.90) = 71.19GiB
INFO 02-12 10:11:53 worker.py:267] model weights take 14.25GiB; non_torch_memory takes 0.15GiB; PyTorch activation \
peak memory takes 1.40GiB; the rest of the memory reserved for KV Cache is 55.39GiB.
INFO 02-12 10:11:53 executor_base.py:111] # cuda blocks: 64823, # CPU blocks: 4681
INFO 02-12 10:11:53 executor_base.py:116] Maximum concurrency for 8192 tokens per request: 126.61x
"""
REFUSED = f"""\
INFO 08-12 [core.py:76] Initializing a V1 LLM engine (v0.10.2) with config: model='{MODEL}', max_seq_len=32768
INFO 08-12 [gpu_model_runner.py:2602] Model loading took 14.2717 GiB and 4.1 seconds
ERROR 08-12 [core.py:700] ValueError: To serve at least one request with the models's max seq len (32768), (1.75 GiB \
KV cache is needed, which is larger than the available KV cache memory (1.20 GiB). Based on the available memory, the \
estimated maximum model length is 22464. Try increasing `gpu_memory_utilization`
"""
YAML = f"# vram: gpu=h100-sxm-80 vllm=0.7.3\nmodel: {MODEL}\nmax-model-len: 8192\n"
PROJECT = """\
# What we run on.
[hardware]
gpu = "h100-sxm-80"   # the big ones
count = 8

[rules]
kv-cache-pressure = "off"
"""


@dataclass(frozen=True)
class Done:
    """What one call of the program left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a log and a deployment of the same launch; the program is called in it."""
    (tmp_path / "boot.log").write_text(LOG)
    (tmp_path / "vllm.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """A function that calls the program in that folder."""

    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def document(run):
    """A function that calls the program and reads the JSON it prints."""

    def document(*words):
        done = run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return document


def terms(receipt):
    """The terms of a receipt by name."""
    return {term["name"]: term for term in receipt["terms"]}


def test_the_document_sets_measured_beside_predicted(document):
    """Version, model, arguments and GPU are the log's; each term has a prediction, its bounds and what was measured."""
    found = document("receipt", "boot.log", "--gpu", "h100-sxm-80")
    assert (found["schema_version"], found["model"], found["vllm_version"]) == (1, MODEL, "0.7.3")
    assert (found["engine"], found["gpu"], found["outcome"], found["refusal"]) == ("V0", "h100-sxm-80", "started", None)
    assert found["arguments"]["max-model-len"] == 8192
    weights, cache = terms(found)["weights"], terms(found)["KV cache"]
    assert weights["measured_bytes"] == round(14.25 * 2**30)
    assert weights["difference_bytes"] == weights["predicted_bytes"] - weights["measured_bytes"]
    assert cache["interval_bytes"][0] <= cache["predicted_bytes"] <= cache["interval_bytes"][1]
    assert cache["measured_bytes"] == round(55.39 * 2**30)
    assert found["kv_cache"]["max_concurrency"]["measured"] == 126.61
    assert found["written"] is None


def test_secrets_of_the_arguments_stay_in_the_log(run):
    """Only arguments that change memory are shown."""
    assert "secret" not in run("receipt", "boot.log", "--json").stdout
    assert "secret" not in run("receipt", "boot.log").stdout


def test_the_page_shows_the_same_term_by_term(run):
    """People get a table, the outcome and the prediction in words."""
    page = run("receipt", "boot.log", "--gpu", "h100-sxm-80").stdout
    assert "vLLM 0.7.3 started" in page
    for words in ("predicted: fits", "weights", "activation", "KV cache", "max concurrency: predicted 12"):
        assert words in page


def test_a_log_comes_from_standard_input_too(document, monkeypatch):
    """A dash reads what another program prints."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    found = document("receipt", "-", "--gpu", "h100-sxm-80")
    assert found["log"] == "-"
    assert terms(found)["weights"]["measured_bytes"] == round(14.25 * 2**30)


def test_a_refusal_is_set_beside_the_verdict(folder, run, document):
    """What vLLM said and needed is there, next to what would have been said before."""
    (folder / "refused.log").write_text(REFUSED)
    words = ("receipt", "refused.log", "--gpu", "rtx-4090", "--gpu-memory-utilization", "0.72")
    found = document(*words)
    assert (found["outcome"], found["refusal"]["estimated_max_model_len"]) == ("max-model-len-too-large", 22464)
    assert found["refusal"]["needed_bytes"] == round(1.75 * 2**30)
    assert terms(found)["KV cache"]["measured_bytes"] == round(1.20 * 2**30)
    assert found["verdict"] in ("infeasible", "at-risk")
    assert "did not start" in run(*words).stdout


def test_flags_say_what_an_excerpt_left_out(document):
    """Arguments beside the log win over it, by vLLM's own names."""
    found = document("receipt", "boot.log", "--gpu", "a100-sxm-80", "--max-num-seqs", "64")
    assert (found["gpu"], found["arguments"]["max-num-seqs"]) == ("a100-sxm-80", 64)


def test_a_gpu_that_nothing_names_is_said_to_be_assumed(run, document):
    """79 GiB may be several cards: the memory counts, and the page says that the rest is assumed."""
    found = document("receipt", "boot.log")
    assert found["gpu"] is None
    assert any("--gpu NAME" in note for note in found["notes"])
    done = run("receipt", "boot.log", "--write")
    assert done.returncode == 2
    assert "--gpu NAME" in done.stderr


def test_what_was_measured_counts_from_then_on(folder, run, document):
    """``--write`` begins a project file, and a plan of the same launch takes its terms from it, as measured."""
    done = run("receipt", "boot.log", "--gpu", "h100-sxm-80", "--write")
    assert done.returncode == 0, done.stderr
    (row,) = tomllib.loads((folder / "vram-lsp.toml").read_text())["measured"]
    assert (row["model"], row["gpu"], row["vllm-version"], row["tensor-parallel-size"]) == (
        MODEL,
        "h100-sxm-80",
        "0.7.3",
        1,
    )
    assert row["weights-bytes"] == round(14.25 * 2**30)
    assert row["activation-bytes"] == round(1.40 * 2**30)
    (plan,) = document("plan", "vllm.yaml", "--gpu-memory-bytes", round(79.10 * 2**30))["deployments"]
    assert plan["memory"]["weights_bytes"] == row["weights-bytes"]
    assert plan["memory"]["activation_bytes"] == row["activation-bytes"]
    assert plan["memory"]["kv_cache_available_bytes"] == pytest.approx(55.39 * 2**30, abs=2**20)
    assert "[measured]" in run("plan", "vllm.yaml", "--explain").stdout


@pytest.mark.parametrize("other", ["max-num-seqs: 16", "tensor-parallel-size: 2", "kv-cache-dtype: fp8"])
def test_another_launch_is_not_sized_with_it(folder, run, other):
    """Other batch limits, ranks or formats were not measured."""
    run("receipt", "boot.log", "--gpu", "h100-sxm-80", "--write")
    (folder / "vllm.yaml").write_text(YAML + other + "\n")
    assert "[measured]" not in run("plan", "vllm.yaml", "--explain").stdout


def test_the_length_asked_for_does_not_matter(folder, run):
    """What ranks hold does not depend on max-model-len, unless it changes what a step holds."""
    (folder / "boot.log").write_text(LOG.replace("max_num_seqs=None", "max_num_batched_tokens=8192, max_num_seqs=256"))
    run("receipt", "boot.log", "--gpu", "h100-sxm-80", "--write")
    (folder / "vllm.yaml").write_text(YAML.replace("8192", "4096") + "max-num-batched-tokens: 8192\n")
    assert "[measured]" in run("plan", "vllm.yaml", "--explain").stdout


def test_a_project_file_keeps_its_comments_and_order(folder, run):
    """The table goes to the end, and a second receipt of the same launch replaces it."""
    (folder / "vram-lsp.toml").write_text(PROJECT)
    for amount in ("14.2487", "15.2487"):
        (folder / "boot.log").write_text(
            LOG.replace("14.2487", amount).replace("weights take 14.25", f"weights take {amount}")
        )
        done = run("receipt", "boot.log", "--write")
        assert done.returncode == 0, done.stderr
    text = (folder / "vram-lsp.toml").read_text()
    assert text.startswith(PROJECT)
    (row,) = tomllib.loads(text)["measured"]
    assert row["weights-bytes"] == round(15.2487 * 2**30)


def test_the_table_in_pyproject_is_the_project_file_where_it_is(folder, run):
    """A project that keeps its settings in pyproject.toml gets its calibration there, and no second file."""
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\n\n[tool.vram-lsp.hardware]\ngpu = "h100-sxm-80"\n')
    done = run("receipt", "boot.log", "--write")
    assert done.returncode == 0, done.stderr
    assert not (folder / "vram-lsp.toml").exists()
    tool = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["vram-lsp"]
    assert tool["hardware"] == {"gpu": "h100-sxm-80"}
    assert len(tool["measured"]) == 1


def test_only_the_sum_is_known_of_a_short_log(folder, run):
    """A log that prints weights and KV cache alone tells what is beside the weights, and not how it is divided."""
    kept = [
        line for line in LOG.splitlines(keepends=True) if "model weights take" not in line and "cuda blocks" not in line
    ]
    (folder / "boot.log").write_text("".join(kept) + "INFO worker.py:300] Available KV cache memory: 55.39 GiB\n")
    done = run("receipt", "boot.log", "--gpu", "h100-sxm-80", "--write")
    assert done.returncode == 0, done.stderr
    (row,) = tomllib.loads((folder / "vram-lsp.toml").read_text())["measured"]
    assert row["beside-weights-bytes"] == pytest.approx((71.19 - 14.2487 - 55.39) * 2**30, abs=2**20)
    assert "activation-bytes" not in row


def test_a_table_that_cannot_be_used_is_said_and_survived(folder, run):
    """Each unusable [[measured]] table is a line on stderr; the rest counts."""
    (folder / "vram-lsp.toml").write_text(
        '[[measured]]\nmodel = 3\n[[measured]]\ncolour = "red"\n[[measured]]\nmodel = "a"\ngpu = "l4"\n'
        'vllm-version = "0.9.0"\ntensor-parallel-size = 0\n'
    )
    done = run("check", "vllm.yaml")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize("content", ["", "GET / 200\n", None], ids=["empty", "other", "missing"])
def test_a_log_that_says_nothing_exits_2(folder, run, content):
    """No start-up, or no file: one line on stderr and no traceback."""
    if content is not None:
        (folder / "other.log").write_text(content)
    done = run("receipt", "other.log")
    assert done.returncode == 2
    assert done.stderr.startswith("vram-lsp: ")
    assert done.stderr.count("\n") == 1

"""generate: to standard output or into a folder, all of it or nothing, and never over a file that is there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest
import yaml

from vram_engine.generate import KINDS

ONE = (
    "# vram: gpu=h100-sxm-80 vllm=0.31.0\nmodel: org/name\nmax-model-len: 8192\n"
    "tensor-parallel-size: 2\nserved-model-name: é🦙\n"
)
TWO = """\
services:
  chat:
    image: vllm/vllm-openai:v0.31.0
    command: --model org/chat --max-model-len 4096
  code:
    image: vllm/vllm-openai:v0.31.0
    command: --model org/code --max-model-len ${LENGTH}
"""


def run(*words, cwd=None, **environment):
    """One call of the program, as another process; outputs are bytes."""
    command = [sys.executable, "-m", "vram_lsp", *map(str, words)]
    return subprocess.run(command, capture_output=True, cwd=cwd, check=False, env={**os.environ, **environment})


@pytest.fixture
def folder(tmp_path):
    """A folder with a file of one deployment and one of two."""
    (tmp_path / "one.yaml").write_text(ONE)
    (tmp_path / "two.yaml").write_text(TWO)
    return tmp_path


def test_one_kind_is_printed_as_it_is(folder):
    """A single artifact is a file's text and nothing else, in UTF-8 wherever it is printed."""
    done = run("generate", folder / "one.yaml", "--emit", "config", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert yaml.safe_load(done.stdout.decode("utf-8")) == yaml.safe_load(ONE)


def test_serve_is_what_is_emitted_by_default(folder):
    """Without --emit there is a command for this machine."""
    done = run("generate", folder / "one.yaml")
    assert done.stdout.startswith(b"#!/bin/sh\n")
    assert b"vllm serve org/name" in done.stdout


def test_a_profile_says_itself_what_to_write(folder):
    """outputs.emit is what is emitted where the call does not say."""
    text = "profile_version: 1\nmodel: {id: org/name}\noutputs: {emit: [k8s, compose, k8s]}\n"
    (folder / "profile.yaml").write_text(text)
    done = run("generate", folder / "profile.yaml")
    names = [line for line in done.stdout.splitlines() if line.startswith(b"# ==>")]
    assert names == [b"# ==> kubernetes.yaml", b"# ==> compose.yaml"]
    assert run("generate", folder / "profile.yaml", "--emit", "serve").stdout.startswith(b"#!/bin/sh")


def test_several_kinds_are_printed_below_their_names(folder):
    """Each of several artifacts stands below a comment with its file's name."""
    done = run("generate", folder / "one.yaml", "--emit", "config,profile")
    lines = done.stdout.decode().splitlines()
    assert [line for line in lines if line.startswith("# ==>")] == ["# ==> config.yaml", "# ==> profile.yaml"]


def test_flags_win_over_the_file(folder):
    """A value that the file leaves open can be given as an argument, and so can the hardware."""
    words = ("generate", folder / "two.yaml", "--deployment", "code", "--emit", "kubernetes")
    refused = run(*words)
    assert refused.returncode == 2
    assert b"max-model-len is not known" in refused.stderr
    assert b"--max-model-len" in refused.stderr
    done = run(*words, "--max-model-len", "2048", "--gpu", "l4")
    assert done.returncode == 0, done.stderr
    pod = next(yaml.safe_load_all(done.stdout.decode()))["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert pod["containers"][0]["args"] == ["org/code", "--max-model-len", "2048"]


def test_files_are_written_and_named(folder):
    """Every kind gets its file, scripts can be run, and the names are printed."""
    done = run("generate", folder / "one.yaml", "--emit", ",".join(KINDS), "--output-dir", "new/out", cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    written = sorted(path.name for path in (folder / "new/out").iterdir())
    assert written == sorted(line.rpartition("/")[2] for line in done.stdout.decode().split())
    assert written == [
        *("compose.yaml", "config.yaml", "docker-run.sh", "kubernetes.yaml", "profile.yaml", "serve.sh", "values.yaml"),
    ]
    runnable = [path.name for path in (folder / "new/out").iterdir() if path.stat().st_mode & stat.S_IXUSR]
    assert sorted(runnable) == ["docker-run.sh", "serve.sh"]


def test_nothing_is_written_where_a_file_is_there(folder):
    """One file in the way, even a dangling link, and none is written; --force replaces it."""
    (folder / "values.yaml").symlink_to("nowhere")
    (folder / "compose.yaml").write_text("mine\n")
    words = ("generate", "one.yaml", "--emit", "config,compose,helm", "--output-dir", ".")
    done = run(*words, cwd=folder)
    assert done.returncode == 2
    assert b"compose.yaml, values.yaml is there already; --force" in done.stderr
    assert not (folder / "config.yaml").exists()
    assert (folder / "compose.yaml").read_text() == "mine\n"
    assert run(*words, "--force", cwd=folder).returncode == 0
    assert (folder / "compose.yaml").read_text().startswith("# Generated by vram-lsp")
    assert not (folder / "values.yaml").is_symlink()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_nothing_is_written_where_one_kind_is_refused(folder):
    """What can be given waits for what cannot."""
    done = run(
        "generate", "two.yaml", "--deployment", "code", "--emit", "config,serve", "--output-dir", "o", cwd=folder
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"vram-lsp: nothing is written: config: ")
    assert not (folder / "o").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("two.yaml",), "two.yaml has 2 deployments: say which with --deployment: chat, code"),
        (("two.yaml", "--deployment", "chta"), "no deployment called chta: there are chat, code"),
        (("one.yaml", "--emit", "composer"), "--emit composer: expected some of serve, docker"),
        (("one.yaml", "--emit", ","), "--emit ,: expected some of"),
        (("nowhere.yaml",), "nowhere.yaml cannot be read"),
        (("other.yaml",), "other.yaml launches no vLLM"),
        (("one.yaml", "--gpu", "h1000"), "--gpu h1000: no GPU of the catalogue"),
        (("one.yaml", "--output-dir", "one.yaml"), "one.yaml"),
    ],
)
def test_what_cannot_be_done_exits_2_and_says_why(folder, words, said):
    """One line on stderr, nothing on stdout, no traceback."""
    (folder / "other.yaml").write_text("services:\n  web:\n    image: nginx\n")
    done = run("generate", *words, cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("vram-lsp: ")
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_help_names_every_kind():
    """The kinds are written out in the help of the verb."""
    done = run("generate", "--help", COLUMNS="400")
    assert ", ".join(kind for kind in KINDS if kind != "serve") in done.stdout.decode()

"""Generated commands in a real shell: it passes on every word as it was meant, whatever is in it."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vram_engine.generate import Artifact, generate

HOSTILE = (
    *(
        "$(touch pwned)",
        "`touch pwned`",
        "; touch pwned",
        "a' b",
        'a" b',
        "a\\",
        "\\",
        "$HOME",
        "${X:-y}",
        "* ?",
        "!!",
        "~",
        "#x",
    ),
    *(
        "a\nb",
        "a\n# b",
        "a && touch pwned",
        "| touch pwned",
        "> pwned",
        "é🦙",
        "--",
        "-",
        "{a,b}",
        "\t",
        "=",
        "'",
        "''",
        "a\n\n",
    ),
)
STUB = '#!/bin/sh\nfor word in "$0" "$@"; do printf \'%s\\0\' "$word"; done\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function that runs a script where vllm and docker only print their words, and gives those words."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("vllm", "docker"):
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o755)
    empty = folder / "empty"
    empty.mkdir()

    def run(script):
        environment = {"PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"}
        done = subprocess.run(["sh", "-c", script], capture_output=True, cwd=empty, env=environment, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert not any(empty.iterdir())
        program, *words, _ = done.stdout.decode("utf-8").split("\0")
        return [program.rpartition("/")[2], *words]

    return run


def words_of(deployment, kind):
    """The script of a deployment."""
    made = generate(deployment, kind)
    assert isinstance(made, Artifact), made
    return made.text


@pytest.mark.parametrize("value", HOSTILE)
def test_a_shell_passes_hostile_values_on_as_they_are(value, run, deployment):
    """vllm serve gets exactly the words that were meant, and nothing else happens."""
    given = deployment({"model": "org/name", "chat-template": value, "vllm-version": "0.32.0"}, name=value)
    option = [f"--chat-template={value}"] if value == "--" else ["--chat-template", value]
    assert run(words_of(given, "serve")) == ["vllm", "serve", "org/name", *option]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(text=st.text("ab $`'\"\\;|&<>()*?[]{}#~!=%\n\t-é", min_size=1, max_size=12))
def test_any_model_is_one_word(text, run, deployment):
    """A model's name is the first word, or glued to its option where it looks like one; a script can be refused."""
    made = generate(deployment({"model": text, "vllm-version": "0.32.0"}), "serve")
    if isinstance(made, Artifact):
        assert run(made.text) in (["vllm", "serve", text], ["vllm", "serve", f"--model={text}"])
    else:
        assert "would not say the same" in made.reason


def test_docker_gets_its_options_and_vllm_its_own(run, deployment):
    """The GPUs, shared memory, port and token by name; then the pinned image, the model and the flags."""
    given = deployment(
        {
            "model": "org/name",
            "tensor-parallel-size": 2,
            "port": 9000,
            "gpu": "h100-sxm-80",
            "gpus": 2,
            "vllm-version": "0.31.0",
        },
        name="my chat; rm -rf /",
    )
    words = run(words_of(given, "docker"))
    assert words[:3] == ["docker", "run", "--rm"]
    for pair in (["--gpus", "2"], ["--shm-size", "16gb"], ["--publish", "9000:9000"], ["--env", "HF_TOKEN"]):
        assert pair in [words[at : at + 2] for at in range(len(words))]
    image = words.index("vllm/vllm-openai:v0.31.0")
    assert words[image + 1 :] == ["--model", "org/name", "--tensor-parallel-size", "2", "--port", "9000"]

"""What starts vLLM is recognised by its program, its image or its options, and nothing else is."""

from __future__ import annotations

import pytest

from vram_engine.dialects.image import read_image


@pytest.mark.parametrize(
    ("image", "holds", "official", "version"),
    [
        ("vllm/vllm-openai:v0.10.0", True, True, "0.10.0"),
        ("docker.io/vllm/vllm-openai:v0.11.0-cu129", True, True, "0.11.0"),
        ("registry.local:5000/mirror/vllm/vllm-openai:v0.9.2@sha256:abc", True, True, "0.9.2"),
        ("vllm/vllm-openai:latest", True, True, None),
        ("vllm/vllm-openai", True, True, None),
        ("vllm/vllm-openai-cpu:v0.19.0", True, True, "0.19.0"),
        ("example/vllm-openai:v0.6.1-edb07092-20250118", True, False, "0.6.1"),
        ("example/vllm-openai:v0.7.3.self.post1", True, False, "0.7.3"),
        ("example/vllm-openai-extra:v0.10.2-nixl-0.7.1", True, False, "0.10.2"),
        ("lmcache/vllm-openai:v0.3.9post2", True, False, None),
        ("lmcache/vllm-openai:2025-05-27-v1", True, False, None),
        ("rocm/vllm:rocm6.4.1_vllm_0.9.1_20250702", True, False, "0.9.1"),
        ("nvcr.io/nvidia/vllm:25.09-py3", True, False, None),
        ("ghcr.io/llm-d/llm-d-cuda:v0.5.0", True, False, None),
        ("nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1", True, False, None),
        ("example/vllm-router:v0.10.0", False, False, None),
        ("example/vllm-mock:nightly", False, False, None),
        ("example/vllm-exporter", False, False, None),
        ("nginx:1.27", False, False, None),
        ("lmsysorg/sglang:v0.5.0", False, False, None),
        ("", False, False, None),
    ],
)
def test_an_image_tells_what_it_holds(image, holds, official, version):
    """Only builds that number themselves as vLLM does tell its release."""
    read = read_image(image)
    assert (read.holds_vllm, read.official) == (holds, official)
    assert (str(read.version) if read.version else None) == version


def compose(image, command):
    """A file with one service."""
    return f"services:\n  a:\n    image: {image}\n    command: {command}\n"


STARTS = {
    "vllm serve": ("example/any", "vllm serve m"),
    "a path": ("example/any", "/opt/venv/bin/vllm serve m"),
    "a module": ("example/any", "python3 -m vllm.entrypoints.openai.api_server --model m"),
    "python with options": ("example/any", "python -u -m vllm.entrypoints.openai.api_server --model m"),
    "a shell": ("example/any", "bash -lc 'cd /x && exec vllm serve m'"),
    "wrapped": ("example/any", "numactl -C 0-3 vllm serve m"),
    "an environment": ("example/any", "env CUDA_VISIBLE_DEVICES=0 vllm serve m"),
    "uv": ("example/any", "uv run --with vllm vllm serve m"),
    "an image and a model": ("vllm/vllm-openai", "org/model"),
    "an image and --model": ("example/vllm-openai", "--model m --port 1"),
    "an image and an option": ("vllm/vllm-openai", "--max-model-len 1024"),
    "one item": ("example/any", "['vllm serve org/name', --max-model-len, '5']"),
    "three options": ("$IMAGE", "--model m --max-model-len 1 --max-num-seqs 2 --kv-cache-dtype fp8"),
}


@pytest.mark.parametrize(("image", "command"), STARTS.values(), ids=STARTS)
def test_launches_are_recognised(image, command, deployments):
    """A program, an image with arguments of vLLM's, or several options that only vLLM has."""
    assert len(deployments(compose(image, command))) == 1


DOES_NOT = {
    "an image alone": ("vllm/vllm-openai", "--port 8000"),
    "an image and a tool": ("vllm/vllm-openai", "bash"),
    "an image and a script": ("vllm/vllm-openai", "python3 benchmark_serving.py --model m --max-model-len 5"),
    "a server around vLLM": (
        "example/huggingfaceserver",
        "--model_name=m --backend=vllm --max-model-len 5 --max-num-seqs 4 --kv-cache-dtype fp8",
    ),
    "help": ("vllm/vllm-openai", "bench serve --port 1"),
    "a router": ("example/vllm-router", "--model m --max-model-len 1"),
    "another server": ("lmsysorg/sglang", "python3 -m sglang.launch_server --model-path m --tensor-parallel-size 2"),
    "two shared options": ("$IMAGE", "--model m --tensor-parallel-size 2 --max-model-len 5"),
    "an echo": ("example/any", "sh -c 'echo vllm serve m'"),
    "an install": ("example/any", "sh -c 'pip install vllm && python app.py'"),
    "a client": ("example/any", "vllm chat --url http://vllm:8000"),
    "a grep": ("example/any", "sh -c 'pkill -f \"vllm serve\"'"),
    "a here-document": ("example/any", 'sh -c "cat <<EOF\n\n      vllm serve m\n\n      EOF\n\n      true"'),
}


@pytest.mark.parametrize(("image", "command"), DOES_NOT.values(), ids=DOES_NOT)
def test_what_only_mentions_vllm_is_not_a_launch(image, command, deployments):
    """Talking about vLLM, installing it or asking it something starts nothing."""
    assert deployments(compose(image, command)) == ()


def test_a_script_may_start_several_engines(deployments):
    """Every launch of a script is a deployment of its own, in the environment it is started in."""
    text = compose("example/any", '>-\n      bash -c "vllm serve a --port 1 & vllm serve b --port 2 & wait"')
    assert [each.value("model") for each in deployments(text)] == ["a", "b"]


def test_everything_before_the_image_belongs_to_docker(deployments):
    """docker run has options of its own, and the image may bring the entrypoint."""
    text = """\
models:
  a:
    cmd: docker run --rm --gpus device=0 -v ./m:/m -e A=b vllm/vllm-openai:v0.10.0 --model org/a --max-model-len 4k
  b:
    cmd: docker run --gpus all --entrypoint vllm example/vllm serve org/b
  c:
    cmd: llama-server -m c.gguf --port ${PORT}
  d:
    cmd: docker run -d --name vllm --gpus 2 vllm/vllm-openai:v0.11.0 --model org/d
"""
    found = deployments(text)
    assert [(each.value("model"), each.value("gpus"), each.value("vllm-version")) for each in found] == [
        ("org/a", 1, "0.10.0"),
        ("org/b", None, None),
        ("org/d", 2, "0.11.0"),
    ]
    assert found[0].value("max-model-len") == 4000

"""What a generated file takes over of its source's image and environment."""

import pytest

from vram_engine.generate import KINDS, Artifact, generate

SOURCE = """\
services:
  chat:
    image: IMAGE
    command: vllm serve org/name --max-model-len 1024
    entrypoint: []
    environment:
      VLLM_LOGGING_LEVEL: DEBUG
      ODD: "it's $$HOME $$(X)"
      AWS_SECRET_ACCESS_KEY: abcdefg-hush
      PLAIN: hf_hushhush
      FROM_SHELL: ${SOMETHING}
      CUDA_VISIBLE_DEVICES: "0"
    deploy: {resources: {reservations: {devices: [{count: 1, capabilities: [gpu]}]}}}
"""
IN_CONTAINERS = ("docker", "compose", "kubernetes", "helm")


def source(read, image="vllm/vllm-openai:v0.31.0"):
    """The deployment of the source."""
    (found,) = read(SOURCE.replace("IMAGE", image))
    return found


def text_of(made):
    """The text of an artifact."""
    assert isinstance(made, Artifact), made
    return made.text


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_written(kind, read):
    """Neither a variable that is called one nor a value that looks like one stands in any file."""
    text = text_of(generate(source(read), kind))
    assert "hush" not in text
    assert "0" not in text.partition("CUDA_VISIBLE_DEVICES")[2][:4]


@pytest.mark.parametrize("kind", [*IN_CONTAINERS, "serve"])
def test_variables_are_carried_over(kind, read):
    """What is known and no secret is there with its value, however odd; it is read again before it is given."""
    text = text_of(generate(source(read), kind))
    assert "DEBUG" in text
    assert "# Variables of the source that are not carried over: FROM_SHELL." in text


@pytest.mark.parametrize("kind", IN_CONTAINERS)
def test_secrets_are_referred_to(kind, read):
    """A secret of the source is asked for by its name."""
    text = text_of(generate(source(read), kind))
    assert ("AWS_SECRET_ACCESS_KEY" in text) is (kind != "helm")


@pytest.mark.parametrize("kind", ["config", "profile"])
def test_a_file_without_a_place_for_variables_names_them(kind, read):
    """They are not left out in silence."""
    assert "not carried over: VLLM_LOGGING_LEVEL, ODD, FROM_SHELL." in text_of(generate(source(read), kind))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("vllm/vllm-openai:v0.31.0", "vllm/vllm-openai:v0.31.0"),
        ("docker.io/vllm/vllm-openai:v0.10.1.post1", "docker.io/vllm/vllm-openai:v0.10.1.post1"),
        ("vllm/vllm-openai:v0.31.0-cu129", "vllm/vllm-openai:v0.31.0-cu129"),
        ("vllm/vllm-openai:latest", "vllm/vllm-openai:v0.33.0"),
        ("me/my-vllm:7", "me/my-vllm:7"),
        ("me/my-vllm:7@sha256:0123", "me/my-vllm:7@sha256:0123"),
        ("nvcr.io/nvidia/vllm:25.09-py3", "nvcr.io/nvidia/vllm:25.09-py3"),
        ("python:3.12", "vllm/vllm-openai:v0.33.0"),
        ("vllm/vllm-openai-cpu:v0.31.0", "vllm/vllm-openai:v0.31.0"),
    ],
)
@pytest.mark.parametrize("kind", ["docker", "compose", "kubernetes"])
def test_the_image_is_the_source_s_own(kind, image, expected, read):
    """A build of others is kept as written, vLLM's own where its tag names the release; a moving tag is pinned."""
    words = text_of(generate(source(read, image), kind)).replace("'", " ").split()
    assert expected in words


def test_another_release_is_another_image(read):
    """Who asks for a release gets vLLM's own image of it."""
    directed = SOURCE.replace("IMAGE", "me/my-vllm:7")
    (found,) = read(f"# vram: vllm=0.30.0\n{directed}")
    assert "image: vllm/vllm-openai:v0.30.0\n" in text_of(generate(found, "compose"))


def test_a_later_build_of_a_release_stays_pinned(deployment):
    """``.post1`` is the same release in memory, and another image."""
    found = deployment({"model": "org/name", "vllm-version": "0.10.1.post1"})
    assert "image: vllm/vllm-openai:v0.10.1.post1\n" in text_of(generate(found, "compose"))
    assert "pip install vllm==0.10.1.post1\n" in text_of(generate(found, "serve"))

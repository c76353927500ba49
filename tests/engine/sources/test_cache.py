"""The Hugging Face cache on disk: found where its variables put it, by revision, through links."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hub.checkpoints import LLAMA_BYTES, LLAMA_CONFIG, llama, safetensors
from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.sources.cache import HuggingFaceCache, cache_directory

COMMIT, OTHER = "a" * 40, "b" * 40


def snapshot(cache, name="org/name", commit=COMMIT, ref="main", config=None, weights=True):
    """A model in a cache, its files links to blobs as huggingface_hub lays them out."""
    model = cache / ("models--" + name.replace("/", "--"))
    files = model / "snapshots" / commit
    for folder in (model / "blobs", files, (model / "refs" / ref).parent):
        folder.mkdir(parents=True, exist_ok=True)
    (model / "refs" / ref).write_text(commit)
    (model / "blobs" / f"{commit}-c").write_text(json.dumps(config or LLAMA_CONFIG))
    (files / "config.json").symlink_to(f"../../blobs/{commit}-c")
    if weights:
        safetensors(llama()).write(model / "blobs" / f"{commit}-w")
        (files / "model.safetensors").symlink_to(f"../../blobs/{commit}-w")
    return files


def find(cache, name="org/name", revision=None, **environment):
    """What the cache says of a model."""
    return HuggingFaceCache({"HF_HUB_CACHE": str(cache), **environment}).find(ModelRef(name, revision), ())


def test_a_snapshot_is_as_exact_as_a_directory(tmp_path):
    """Config, headers behind links, and the commit."""
    snapshot(tmp_path)
    found = find(tmp_path)
    assert isinstance(found, FoundModel)
    assert (found.source, found.commit, found.checkpoint.total_bytes) == ("cache", COMMIT, LLAMA_BYTES)


def test_revisions_are_refs_or_commits(tmp_path):
    """main where none is said, a branch or tag by its ref, a commit by itself; no other snapshot stands in."""
    snapshot(tmp_path)
    snapshot(tmp_path, commit=OTHER, ref="refs/pr/1", config={**LLAMA_CONFIG, "num_hidden_layers": 2}, weights=False)
    for revision, commit in ((None, COMMIT), ("main", COMMIT), ("refs/pr/1", OTHER), (OTHER, OTHER)):
        assert find(tmp_path, revision=revision).commit == commit
    for revision in ("v1.0", "c" * 40, "../refs/main", "", "/", "a" * 39):
        found = find(tmp_path, revision=revision)
        assert found is None or (revision == "" and found.commit == COMMIT), revision


def test_an_old_models_bare_name_is_found(tmp_path):
    """Names without an organisation are in caches too."""
    snapshot(tmp_path, name="gpt2")
    assert find(tmp_path, name="gpt2").source == "cache"


def test_a_snapshot_without_a_config_is_none(tmp_path):
    """A tokenizer alone in the cache is no model."""
    (snapshot(tmp_path) / "config.json").unlink()
    assert find(tmp_path) is None


@pytest.mark.parametrize(
    "name", ["../../etc", "org/../name", "/etc", "org/name/more", "a--b/c", "org/", "/", "", "x" * 300]
)
def test_names_that_lead_out_of_the_cache_are_not_followed(tmp_path, name):
    """Only the hub's own shapes of names are looked for."""
    snapshot(tmp_path / "cache")
    assert find(tmp_path / "cache", name=name) is None


@pytest.mark.parametrize("content", ["", "../../..", "x" * 100_000, "\0", "refs/heads/main", "A" * 40])
def test_a_ref_that_is_no_commit_is_none(tmp_path, content):
    """What stands in a ref cannot lead anywhere but to a snapshot."""
    snapshot(tmp_path)
    (tmp_path / "models--org--name/refs/main").write_text(content)
    assert find(tmp_path) is None


def test_the_variables_of_huggingface_hub_are_followed():
    """From the most to the least particular, with the default under the user's cache."""
    at = {
        Path("/a"): {"HF_HUB_CACHE": "/a", "HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"},
        Path("/b"): {"HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"},
        Path("/c/hub"): {"HF_HOME": "/c", "XDG_CACHE_HOME": "/d"},
        Path("/d/huggingface/hub"): {"XDG_CACHE_HOME": "/d"},
        Path("~/.cache/huggingface/hub").expanduser(): {},
        Path("~/x/hub").expanduser(): {"HF_HOME": "~/x"},
    }
    for path, environment in at.items():
        assert cache_directory(environment) == path


def test_modelscope_is_not_taken_for_hugging_face(tmp_path):
    """Where vLLM would read from ModelScope, what is in this cache says nothing."""
    snapshot(tmp_path)
    found = find(tmp_path, VLLM_USE_MODELSCOPE="True")
    assert isinstance(found, Unanswered)
    assert "ModelScope" in found.reason

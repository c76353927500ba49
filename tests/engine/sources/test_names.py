"""Names: which may be asked of a hub, and which say by themselves that nothing here can read them."""

from __future__ import annotations

import pytest

from vram_engine.model.reference import ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.sources.local import LocalModels
from vram_engine.sources.names import is_commit, is_hub_id, is_revision, names_gguf, shown, without_login


@pytest.mark.parametrize("name", ["org/name", "meta-llama/Llama-3.1-8B", "01-ai/Yi_1.5", "a/b", "A-b.c_d/x.y-z"])
def test_an_organisation_and_a_name_are_an_id(name):
    """The shape that a look-up needs."""
    assert is_hub_id(name)


NO_IDS = (
    *("", "name", "org/", "/name", "org/name/x", "org//name", "./name", "../name", "org/na me", "org/näme", "a..b/c"),
    *("org/name.git", "-org/name", "org/name-", "org/name.", "a--b/c", "${MODEL}/x", "org/name\n", "x/" + "y" * 97),
)


@pytest.mark.parametrize("name", NO_IDS)
def test_what_is_half_typed_or_something_else_is_not(name):
    """Nothing of this is ever sent anywhere."""
    assert not is_hub_id(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("modelscope://Qwen/Qwen3-8B", "ModelScope"),
        ("https://modelscope.cn/models/Qwen/Qwen3-8B", "ModelScope"),
        ("https://www.modelscope.ai/models/Qwen/Qwen3-8B", "ModelScope"),
        ("s3://bucket/model", "object store"),
        ("gs://bucket/model", "object store"),
        ("https://huggingface.co/Qwen/Qwen3-8B", "web address"),
    ],
)
def test_addresses_of_other_stores_say_what_to_give_instead(name, kind, tmp_path):
    """A ModelScope id, a bucket and a URL are recognised, and answered before anything is looked for."""
    found = LocalModels().find(ModelRef(name), (tmp_path,))
    assert isinstance(found, Unavailable)
    assert kind in found.reason
    assert "org/name" in found.reason


def test_revisions_stay_in_their_folder():
    """Branches, tags, pull requests and commits; nothing with a way out."""
    assert all(map(is_revision, ("main", "v1.0", "refs/pr/12", "feature/x+y", "a" * 40)))
    assert not any(map(is_revision, ("", "..", "../x", "/x", "a//b", "x" * 300, "a b", "a?b", "-x", "a\n")))
    assert is_commit("0123456789abcdef" * 2 + "01234567")
    assert not is_commit("A" * 40)


def test_what_is_shown_is_one_short_line():
    """A name from outside cannot break a line, an editor or a terminal."""
    assert shown("a\nb\x1b[31m") == "a?b?[31m"
    assert len(shown("x" * 10**6)) == 103


def test_a_login_in_an_address_is_not_shown():
    """Some mirrors are configured with a name and a password."""
    assert without_login("https://me:secret@hub.example:8443/api") == "https://hub.example:8443/api"
    assert without_login("https://hub.example/x@y") == "https://hub.example/x@y"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "unsloth/Qwen3-0.6B-GGUF:Q4_K_M",
            "org/name:IQ2_XXS",
            "org/name:UD-Q4_K_XL",
            "org/name:BF16",
            "org/name:q8_0",
        ),
        *("org/name/model-Q4_K_M.gguf", "model.GGUF"),
    ],
)
def test_gguf_files_are_recognised_by_their_names(name, tmp_path):
    """A repository with a quantization, or a file that is not here: said to be GGUF, and which releases read it."""
    found = LocalModels().find(ModelRef(name), (tmp_path,))
    assert isinstance(found, Unavailable)
    assert found.reason == (
        f"{name} names a GGUF checkpoint, and GGUF is not sized: vLLM reads it up to 0.22, later only with a plug-in"
    )


@pytest.mark.parametrize("name", ["org/name:latest", "org/name:", "name:Q4_K_M", "org/name-GGUF", "a/b:Q4 K"])
def test_other_names_are_not_taken_for_gguf(name, tmp_path):
    """Tags of images and ids without a quantization may be anything."""
    assert not names_gguf(name)

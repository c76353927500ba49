"""The typed view over a config that comes from outside."""

from __future__ import annotations

import pytest

from vram_engine.model.config import Config, ConfigError


def test_first_spelling_that_is_present_wins() -> None:
    """Old and new spellings of one key are tried in the order they are given."""
    config = Config({"n_embd": 768, "d_model": 512})
    assert config.integer("hidden_size", "n_embd", "d_model") == 768


def test_null_is_no_value_and_no_default() -> None:
    """A key that is null is absent, and what transformers would fill in does not come back for it."""
    assert Config({"model_type": "deepseek_v3", "q_lora_rank": None}).optional_integer("q_lora_rank") is None
    assert Config({"model_type": "deepseek_v3"}).optional_integer("q_lora_rank") == 1536


def test_absent_key_without_default_is_named() -> None:
    """A missing size is an error that names the key and its section."""
    with pytest.raises(ConfigError, match=r"text_config\.hidden_size"):
        Config({"text_config": {}}).section("text_config").integer("hidden_size")


@pytest.mark.parametrize("value", [-1, 2**40 + 1, 1.5, "4096", True, [4096], {}, float("nan"), float("inf"), 10**400])
def test_impossible_integers_are_refused(value: object) -> None:
    """Negative, huge, fractional or mistyped sizes are errors, never numbers."""
    with pytest.raises(ConfigError):
        Config({"hidden_size": value}).integer("hidden_size")


def test_whole_floats_count_as_integers() -> None:
    """A size written as 4096.0 is 4096."""
    assert Config({"hidden_size": 4096.0}).integer("hidden_size") == 4096


def test_lone_integer_is_a_list_of_one() -> None:
    """Keys that hold a number or a list of numbers read alike."""
    assert Config({"intermediate_size": 64}).integers("intermediate_size") == (64,)
    assert Config({"intermediate_size": [64, 128]}).integers("intermediate_size") == (64, 128)


@pytest.mark.parametrize("value", ["text", 7, {"a": 1}])
def test_sequences_must_be_lists(value: object) -> None:
    """What should be a list and is not is an error."""
    with pytest.raises(ConfigError):
        Config({"layer_types": value}).sequence("layer_types")


def test_sections_know_their_place_and_type() -> None:
    """A section without a model_type has the one its place implies."""
    section = Config({"model_type": "gemma3", "text_config": {"hidden_size": 1}}).section("text_config")
    assert section.model_type == "gemma3_text"
    assert section.path == "text_config."


def test_number_of_layers_is_bounded() -> None:
    """A number of layers that nobody could list is refused before anything is built from it."""
    with pytest.raises(ConfigError):
        Config({"num_hidden_layers": 10**6}).layers("num_hidden_layers")
    with pytest.raises(ConfigError):
        Config({"num_hidden_layers": 0}).layers("num_hidden_layers")

"""The catalogue of models: completeness, published sizes, and arithmetic that must give them."""

from __future__ import annotations

import datetime
import importlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vram_engine.facts import catalogue as module
from vram_engine.facts.catalogue import CatalogueModel, catalogue, catalogue_model, suggest_models

# Parameters as the models' own pages state them.
PUBLISHED = {
    "meta-llama/Llama-2-7b-hf": 6738415616,
    "meta-llama/Llama-3.1-8B-Instruct": 8030261248,
    "meta-llama/Llama-3.2-1B-Instruct": 1235814400,
    "meta-llama/Llama-3.3-70B-Instruct": 70553706496,
    "meta-llama/Llama-3.1-405B": 405853388800,
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": 108641793536,
    "Qwen/Qwen2.5-0.5B-Instruct": 494032768,
    "Qwen/Qwen2.5-7B-Instruct": 7615616512,
    "Qwen/Qwen2.5-72B-Instruct": 72706203648,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8292166656,
    "Qwen/Qwen3-8B": 8190735360,
    "Qwen/Qwen3-32B": 32762123264,
    "Qwen/Qwen3-30B-A3B": 30532122624,
    "Qwen/Qwen3-235B-A22B": 235093634560,
    "mistralai/Mistral-7B-Instruct-v0.3": 7248023552,
    "mistralai/Mistral-Nemo-Instruct-2407": 12247782400,
    "mistralai/Mixtral-8x7B-Instruct-v0.1": 46702792704,
    "google/gemma-2-9b-it": 9241705984,
    "google/gemma-3-27b-it": 27432406640,
    "microsoft/phi-4": 14659507200,
    "microsoft/Phi-4-mini-instruct": 3836021760,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": 1777088000,
    "deepseek-ai/DeepSeek-V2-Lite": 15706484224,
    "01-ai/Yi-34B": 34388917248,
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": 1100048384,
    "openai/gpt-oss-20b": 20914757184,
    "openai/whisper-large-v3": 1543490560,
    "bigcode/starcoder2-15b": 15957889024,
    "BAAI/bge-m3": 567754752,
}

# Dense decoders whose size is embedding + layers of attention and a gated MLP + norms + head, and nothing else.
GATED_DENSE = {
    *("llama", "mistral", "qwen2", "qwen3", "phi3", "granite", "gemma", "gemma2", "gemma3_text", "olmo2", "cohere"),
    *("cohere2", "glm", "glm4", "smollm3"),
}
# Whole files at hand that lack what the page has today: Llama 2's length of 4096, Llama 4's vision_config.
OUTDATED_WHOLE_FILES = ("meta-llama/Llama-2-", "meta-llama/Llama-4-")

TIED_BY_DEFAULT = {"gemma", "gemma2", "gemma3_text", "cohere", "cohere2"}
NORMS_PER_LAYER = {"gemma2": 4, "gemma3_text": 4, "glm4": 4, "cohere": 1, "cohere2": 1}


def _gated_dense() -> Iterator[tuple[CatalogueModel, Mapping[str, Any]]]:
    for model in catalogue().values():
        config = model.config
        if config["model_type"] in GATED_DENSE and "text_config" not in config:
            yield model, config


def _parameters_by_hand(config: Mapping[str, Any], *, head: bool) -> int:
    """Weights of a gated dense decoder, from the published shapes of its architecture; ``head`` counts lm_head."""
    kind, hidden, layers = config["model_type"], config["hidden_size"], config["num_hidden_layers"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    attention = 2 * hidden * (heads + kv_heads) * head_dim
    if kind in {"qwen2", "glm", "glm4"}:  # biases of the query, key and value projections
        attention += (heads + 2 * kv_heads) * head_dim
    if kind in {"qwen3", "gemma3_text"}:  # norms of one query and one key head
        attention += 2 * head_dim
    if kind == "olmo2" or config.get("use_qk_norm"):  # norms of the whole query and key
        attention += (heads + kv_heads) * head_dim
    layer = attention + 3 * hidden * config["intermediate_size"] + NORMS_PER_LAYER.get(kind, 2) * hidden
    tables = 1 + (head and not config.get("tie_word_embeddings", kind in TIED_BY_DEFAULT))
    return layers * layer + tables * config["vocab_size"] * hidden + hidden


def test_the_catalogue_is_large_and_of_all_classes() -> None:
    """At least 110 models, at least 45 of them dense decoders; experts, states, latents and towers among the rest."""
    kinds = {str(model.config["model_type"]) for model in catalogue().values()}
    assert len(catalogue()) >= 110
    assert len(list(_gated_dense())) >= 45
    assert {
        *("mixtral", "qwen3_moe", "deepseek_v3", "gpt_oss", "nemotron_h", "falcon_h1", "qwen2_5_vl", "gemma3"),
        *("whisper", "bert", "xlm-roberta", "llama4"),
    } <= kinds


def test_every_row_has_what_a_size_needs() -> None:
    """Source, date, a positive count, an architecture and shapes are in each row, and its JSON reads."""
    for model in catalogue().values():
        assert model.source
        assert isinstance(model.checked, datetime.date)
        assert model.parameters > 10**7
        config: Mapping[str, Any] = model.config
        assert config["architectures"]
        assert config["model_type"]
        language = config.get("text_config", config)
        assert {"hidden_size", "d_model", "block_dim"} & set(language), model.id
        assert {"num_hidden_layers", "n_layers", "decoder_layers", "layers_block_type"} & set(language), model.id
        assert "vocab_size" in language
        assert model.quant_config is None or "quantization" in model.quant_config


def test_rows_keep_only_what_sizes() -> None:
    """Keys that no byte depends on stay out: ids of tokens, dropouts, epsilons."""
    for model in catalogue().values():
        assert not [key for key in model.config if key.endswith(("_token_id", "_eps", "_dropout", "_range"))], model.id


@pytest.mark.parametrize(("model_id", "parameters"), PUBLISHED.items())
def test_the_published_size_is_in_the_row(model_id: str, parameters: int) -> None:
    """Known models carry the count on their page, under every name they go by."""
    model = catalogue_model(model_id)
    assert model is not None
    assert (model.id, model.parameters) == (model_id, parameters)


def test_dense_sizes_follow_from_their_shapes() -> None:
    """For gated dense decoders the shapes of the config give the count to the last weight, quantized or not."""
    wrong = {
        model.id: (by_hand, model.parameters)
        for model, config in _gated_dense()
        if (by_hand := _parameters_by_hand(config, head=not model.pooling)) != model.parameters
        and config["architectures"] != ["MistralModel"]
    }
    assert wrong == {}


def test_from_config_agrees_within_one_percent() -> None:
    """Where the engine reads a row's config, its own count is the row's."""
    try:
        model_package = importlib.import_module("vram_engine.model")
    except ImportError:
        pytest.skip("vram_engine.model cannot be imported")
    off = {}
    for model in catalogue().values():
        spec = model_package.from_config(model.config, quant_config=model.quant_config, pooling=model.pooling)
        if not isinstance(spec, model_package.Unavailable) and abs(spec.parameters / model.parameters - 1) > 0.01:
            off[model.id] = (spec.parameters, model.parameters)
    assert off == {}


def test_the_reduced_config_says_what_the_whole_one_says() -> None:
    """Where whole config.json files are at hand, the engine makes the same model of them as of the catalogue's keys."""
    folder = _shared() / "data" / "models"
    if not folder.is_dir():
        pytest.skip("no folder of whole config.json files; set VRAM_LSP_SHARED to one that has data/models")
    from vram_engine.model import Unavailable, from_config

    different = []
    for model in catalogue().values():
        whole = folder / model.id.replace("/", "--") / "config.json"
        if not whole.exists() or model.id.startswith(OUTDATED_WHOLE_FILES):
            continue
        apart = whole.with_name("hf_quant_config.json")
        quant_config = json.loads(apart.read_text("utf-8")) if apart.exists() else None
        full = from_config(json.loads(whole.read_text("utf-8")), quant_config=quant_config, pooling=model.pooling)
        reduced = from_config(model.config, quant_config=model.quant_config, pooling=model.pooling)
        if isinstance(full, Unavailable):
            continue
        if _but_spared_modules(full) != _but_spared_modules(reduced) or _weight_bytes(full) != _weight_bytes(reduced):
            different.append(model.id)
    assert different == []


def test_ids_are_found_in_any_case() -> None:
    """A repository is one whatever case it is written in, and it keeps its own name."""
    model = catalogue_model("QWEN/qwen3-8b")
    assert model is not None
    assert model.id == "Qwen/Qwen3-8B"
    assert catalogue_model("Qwen3-8B") is None


def test_near_misses_are_suggested() -> None:
    """A misspelt id, or one without its owner, leads to the model."""
    assert suggest_models("meta-lama/Llama-3.1-8B-Instrct")[0] == "meta-llama/Llama-3.1-8B-Instruct"
    assert suggest_models("qwen3-8b")[0] == "Qwen/Qwen3-8B"
    assert suggest_models("x" * 5000) == ()


def test_no_two_rows_claim_one_id() -> None:
    """Main ids and other names are all different, case aside."""
    ids = [name.casefold() for model in catalogue().values() for name in (model.id, *model.also)]
    assert len(ids) == len(set(ids))


def test_an_unknown_key_in_the_data_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt key of a row does not pass unnoticed."""
    monkeypatch.setattr(module, "table", lambda _: {"a/b": {"config": "{}", "paramters": 1}})
    with pytest.raises(TypeError, match="paramters"):
        module.catalogue.__wrapped__()


def _shared() -> Path:
    return Path(os.environ.get("VRAM_LSP_SHARED") or Path(__file__).parents[4] / "shared")


def _but_spared_modules(spec: Any) -> Any:
    """A ModelSpec but for the names of modules that quantization spares: a row may say the same in fewer patterns."""
    if getattr(spec, "quantization", None) is None:
        return spec
    layers = spec.mtp
    mtp = replace(layers, spec=_but_spared_modules(layers.spec)) if hasattr(layers, "spec") else layers
    return replace(spec, quantization=replace(spec.quantization, ignored=()), mtp=mtp)


def _weight_bytes(spec: Any) -> tuple[int, ...]:
    """Bytes of weights on one Hopper GPU, prediction layers included; they do depend on what quantization spares."""
    from vram_engine.sizing.drafts import with_draft
    from vram_engine.sizing.engine_args import EngineArgs
    from vram_engine.sizing.weights import weights

    args = EngineArgs(speculative_method="mtp", num_speculative_tokens=1)
    terms = weights(spec, args, (9, 0))
    terms = with_draft(terms, spec, args, (9, 0), 8192) if isinstance(terms, tuple) else ()
    return tuple(term.bytes for term in terms) if isinstance(terms, tuple) else ()

"""Layers that draft tokens: their weights and caches against vLLM's own classes, and where they show in a budget."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.sizing.test_activations import card
from tests.engine.sizing.test_weights_table import MODELS
from vram_engine.analysis import Context, analyse
from vram_engine.estimate import Estimate
from vram_engine.facts.versions import Version
from vram_engine.model import from_config
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Draft, ModelSpec, Unavailable
from vram_engine.plan import Plan
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import GIB
from vram_engine.sizing.drafts import draft_state, with_draft
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era
from vram_engine.sizing.kv_cache import KvLayout, kv_layout
from vram_engine.sizing.speculative import captures_whole_steps
from vram_engine.sizing.weights import BUFFERS, DRAFT, allocated_bytes, weights

TABLE = Path(__file__).parent.parent / "data" / "drafts.toml"
DRAFTS = {row["of"]: row for row in tomllib.loads(TABLE.read_text())["draft"]}
HOPPER = (9, 0)
MTP = EngineArgs(vllm_version=Version(0, 32, 0), speculative_method="mtp", num_speculative_tokens=2)
SETTING = 'speculative-config: {"method": "mtp", "num_speculative_tokens": 2}\n'


def config_of(row: dict) -> dict:
    """The config of one row of the table."""
    if "config" in row:
        return row["config"]
    config = MODELS[row["of"]]["config"] | row.get("more", {})
    return config | {"text_config": config["text_config"] | row["more_text"]} if "more_text" in row else config


def spec_of(row: dict) -> ModelSpec:
    """The model of one row of the table."""
    spec = from_config(config_of(row))
    assert isinstance(spec, ModelSpec), spec
    return spec


def args_of(row: dict) -> EngineArgs:
    """The arguments under which vLLM's figures of a row were taken."""
    return replace(MTP, tensor_parallel_size=row["tensor"], num_speculative_tokens=row["drafted"])


def layout_of(row: dict) -> KvLayout:
    """The KV cache of model and draft layers of a row."""
    layout = kv_layout(spec_of(row), args_of(row), HOPPER, max_num_batched_tokens=8192, max_model_len=row["length"])
    assert isinstance(layout, KvLayout), layout
    return layout


def plan(name: str, settings: str, gpu: str = "h200") -> Plan:
    """The plan of a model of the table under some settings."""
    known = {ModelRef(f"org/{name}"): FoundModel(spec_of(DRAFTS[name]), "declared")}
    (found,) = analyse(f"# vram: gpu={gpu}\nmodel: org/{name}\n{settings}", Context(models=known)).plans
    return found


@pytest.mark.parametrize("name", DRAFTS)
def test_draft_layers_weigh_what_vllm_builds(name: str) -> None:
    """The draft layers hold the bytes of vLLM's own class, less the table and head they share with the model."""
    row = DRAFTS[name]
    spec, args = spec_of(row), args_of(row)
    stages = weights(spec, args, HOPPER)
    assert isinstance(stages, tuple), stages
    found = with_draft(stages, spec, args, HOPPER, 8192)
    assert isinstance(found, tuple), found
    (part,) = [part for part in found[-1].parts if part.name == DRAFT]
    buffers = sum(each.bytes for each in part.parts if each.name == BUFFERS)
    assert allocated_bytes(part) + buffers == row["bytes"]
    assert found[-1].bytes == stages[-1].bytes + part.bytes


@pytest.mark.parametrize("name", DRAFTS)
def test_draft_layers_join_the_groups_of_the_model(name: str) -> None:
    """Groups, blocks of a request and blocks of the pool are vLLM's, draft layers and larger states included."""
    row = DRAFTS[name]
    layout = layout_of(row)
    groups = [[group.layers, group.block_size, group.blocks(layout.limits)] for group in layout.groups]
    assert sorted(groups) == sorted(row["groups"])
    if row["blocks"]:
        assert layout.num_blocks((16 * GIB,)) == row["blocks"]
    else:
        assert not layout.fits((16 * GIB,))


def test_buffers_of_the_drafter() -> None:
    """8192 tokens of 7168 values in 16 bits, 13 bytes of inputs each, and 44 + 2 drafts of 20 bytes for 1024 slots."""
    spec = spec_of(DRAFTS["DeepSeek-V3"])
    assert isinstance(spec.mtp, Draft)
    limits = batch(MTP, card("h100-sxm-80"), 8192, spec)
    state = draft_state(spec, spec.mtp, MTP, era(spec, MTP, HOPPER), limits)
    assert state.bytes == 8192 * 7168 * 2 + 8192 * 13 + 1024 * (44 + 2 * 20)


def test_all_residual_streams_are_handed_over() -> None:
    """DeepSeek-V4 hands its draft layer four hidden states per token."""
    spec = spec_of(DRAFTS["DeepSeek-V4-Flash"])
    assert isinstance(spec.mtp, Draft)
    assert spec.mtp.streams == 4


def test_embeddings_of_images_are_handed_over() -> None:
    """A drafter that takes images keeps as much again for embeddings, unless the tower is left out."""
    spec = spec_of(DRAFTS["Qwen3.5-35B-A3B"])
    assert isinstance(spec.mtp, Draft)
    limits = batch(MTP, card("h100-sxm-80"), 8192, spec)
    with_media = draft_state(spec, spec.mtp, MTP, era(spec, MTP, HOPPER), limits).bytes
    without = draft_state(spec, spec.mtp, replace(MTP, language_model_only=True), era(spec, MTP, HOPPER), limits).bytes
    assert with_media - without == (8192 * 2048 * 2 if spec.tower else 0)


def test_a_verdict_with_a_draft_layer() -> None:
    """The draft layer shows among the weights, and the KV cache says that it holds more."""
    found = plan("GLM-4.5-Air", f"tensor-parallel-size: 4\n{SETTING}", "4xh200")
    assert found.verdict == "fits"
    assert isinstance(found.estimate, Estimate)
    budget = found.estimate.budget
    assert [part.bytes for part in budget.weights.parts if part.name == DRAFT] == [1239727616]
    assert "1.15 GiB of it for 1 layer for multi-token prediction" in budget.weights.because
    assert any("1 layer that drafts as well, 2 tokens a step" in note for note in budget.notes)


@pytest.mark.parametrize(
    ("name", "settings", "gpu"),
    [
        ("GLM-4.5-Air", f"# vram: vllm=0.15.1\ntensor-parallel-size: 4\n{SETTING}", "4xh200"),
        ("GLM-4.5-Air", f"tensor-parallel-size: 4\nenable-lora: true\n{SETTING}", "4xh200"),
        ("GLM-4.5-Air", f"tensor-parallel-size: 2\npipeline-parallel-size: 2\n{SETTING}", "4xh200"),
        ("GLM-4.5-Air", f"tensor-parallel-size: 4\n{SETTING}", "4xmi300x"),
        (
            "GLM-4.5-Air",
            'tensor-parallel-size: 4\nspeculative-config: {"method": "mtp", "num_speculative_tokens": 2, '
            '"draft_tensor_parallel_size": 1}\n',
            "4xh200",
        ),
    ],
)
def test_what_is_not_followed_leaves_no_verdict(name: str, settings: str, gpu: str) -> None:
    """Another release, GPU or companion leaves the verdict unknown."""
    assert plan(name, settings, gpu).verdict == "unknown"


@pytest.mark.parametrize(
    ("named", "known", "verdict"),
    [
        ("org/GLM-4.5-Air", {}, "fits"),
        ("org/again", {"again": {}}, "fits"),
        ("org/other", {"other": {"num_hidden_layers": 45}}, "unknown"),
        ("org/missing", {}, "unknown"),
    ],
)
def test_the_checkpoint_of_the_layer_may_be_named(named: str, known: dict[str, dict], verdict: str) -> None:
    """It may be the model's own, or one that is the same in all that counts; another is not followed."""
    config = config_of(DRAFTS["GLM-4.5-Air"])
    specs = {"GLM-4.5-Air": from_config(config)} | {name: from_config(config | more) for name, more in known.items()}
    models = {ModelRef(f"org/{name}"): FoundModel(spec, "declared") for name, spec in specs.items()}
    setting = f'speculative-config: {{"method": "mtp", "model": "{named}", "num_speculative_tokens": 1}}\n'
    text = f"# vram: gpu=4xh200\nmodel: org/GLM-4.5-Air\ntensor-parallel-size: 4\n{setting}"
    analysis = analyse(text, Context(models=models))
    assert analysis.plans[0].verdict == verdict, analysis.plans[0].unmodelled
    assert analysis.wants == (frozenset() if ModelRef(named) in models else {ModelRef(named)})


def test_a_model_with_a_prediction_layer_is_no_draft_model() -> None:
    """vLLM takes the layer of it, whatever the method says."""
    known = {ModelRef("org/GLM-4.5-Air"): FoundModel(spec_of(DRAFTS["GLM-4.5-Air"]), "declared")}
    setting = 'speculative-config: {"model": "org/GLM-4.5-Air", "num_speculative_tokens": 1}\n'
    text = f"# vram: gpu=8xh200\nmodel: org/GLM-4.5-Air\ntensor-parallel-size: 8\n{setting}"
    (found,) = analyse(text, Context(models=known)).plans
    assert found.verdict == "unknown"
    assert "prediction layers" in found.unmodelled[0].reason


def test_the_layer_stays_when_weights_move_to_the_cpu() -> None:
    """Of the model's layers 4 GiB move; the draft layer is built in another way and stays whole."""
    spec = spec_of(DRAFTS["GLM-4.5-Air"])
    parts = []
    for args in (replace(MTP, tensor_parallel_size=4), replace(MTP, tensor_parallel_size=4, cpu_offload_gb=4.0)):
        stages = weights(spec, args, HOPPER)
        assert isinstance(stages, tuple)
        found = with_draft(stages, spec, args, HOPPER, 8192)
        assert isinstance(found, tuple)
        parts += [part.bytes for part in found[0].parts if part.name == DRAFT]
    assert parts == [1239727616] * 2


@pytest.mark.parametrize("count", [0, 2, -1, "one", None])
def test_layers_of_another_number_are_not_guessed(count: object) -> None:
    """No such layer, several, or nonsense: the model is known, its draft is not."""
    config = MODELS["DeepSeek-V3"]["config"] | {"num_nextn_predict_layers": count}
    spec = from_config(config)
    assert isinstance(spec, ModelSpec)
    assert isinstance(spec.mtp, Unavailable)


def test_steps_are_captured_whole_for_certain_by_flash_attention_only() -> None:
    """Ampere to Hopper with plain attention; elsewhere both ends of the estimate are kept."""
    plain, latent = spec_of(DRAFTS["GLM-4.5-Air"]), spec_of(DRAFTS["DeepSeek-V3"])
    assert captures_whole_steps(plain, MTP, card("h100-sxm-80"))
    assert not captures_whole_steps(plain, MTP, card("b200"))
    assert not captures_whole_steps(latent, MTP, card("h100-sxm-80"))


TARGET = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "vocab_size": 128256,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 14336,
    "tie_word_embeddings": False,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}
SMALL = TARGET | {
    "hidden_size": 2048,
    "num_hidden_layers": 16,
    "head_dim": 64,
    "intermediate_size": 8192,
    "tie_word_embeddings": True,
    "rope_scaling": TARGET["rope_scaling"] | {"factor": 32.0},
}
DRAFTED = replace(MTP, speculative_method="draft_model", num_speculative_tokens=3)
NAMED = 'speculative-config: {"model": "org/small", "num_speculative_tokens": 3}\n'


def llama(config: dict, draft: ModelSpec | None = None) -> ModelSpec:
    """A Llama of that config, with a model that drafts for it."""
    spec = from_config(config)
    assert isinstance(spec, ModelSpec), spec
    return replace(spec, draft=draft)


def named(known: dict[str, ModelSpec | Unavailable], settings: str = NAMED) -> tuple[Plan, frozenset[ModelRef]]:
    """The plan of the large model with a draft, and what it still wants to know."""
    models = {
        ModelRef(f"org/{name}"): FoundModel(spec, "declared") if isinstance(spec, ModelSpec) else spec
        for name, spec in known.items()
    }
    text = f"# vram: gpu=h100-sxm-80\nmodel: org/large\nmax-model-len: 8192\n{settings}"
    analysis = analyse(text, Context(models=models))
    return analysis.plans[0], analysis.wants


def test_a_draft_model_weighs_what_it_weighs_alone() -> None:
    """Its 2,471,628,800 bytes of parameters and a rotary table of its own of 131072 x 64 in 16 bits."""
    spec = llama(TARGET, llama(SMALL))
    stages = weights(spec, DRAFTED, HOPPER)
    assert isinstance(stages, tuple)
    found = with_draft(stages, spec, DRAFTED, HOPPER, 131072)
    assert isinstance(found, tuple)
    assert found[0].bytes - stages[0].bytes == 2_471_628_800 + 131072 * 64 * 2


def test_a_draft_model_joins_the_kv_cache() -> None:
    """A block holds 32 pages of 64 KiB and 16 of 32 KiB, so that 40 GiB are 16,384 blocks: two requests."""
    spec = llama(TARGET, llama(SMALL))
    layout = kv_layout(spec, DRAFTED, HOPPER, max_num_batched_tokens=8192, max_model_len=131072)
    assert isinstance(layout, KvLayout)
    assert layout.num_blocks((40 * GIB,)) == 16384
    assert layout.max_concurrency((40 * GIB,)) == 2.0


def test_the_draft_model_is_wanted_too() -> None:
    """Both models are asked for; until the second is known there is no verdict."""
    large, small = llama(TARGET), llama(SMALL)
    assert named({})[1] == {ModelRef("org/large"), ModelRef("org/small")}
    waiting, wants = named({"large": large})
    assert wants == {ModelRef("org/small")}
    assert waiting.verdict == "unknown"
    sized, wants = named({"large": large, "small": small})
    assert not wants
    assert sized.verdict == "fits"


def test_a_draft_model_nobody_knows_leaves_no_verdict() -> None:
    """The reason is the look-up's own."""
    found, wants = named({"large": llama(TARGET), "small": Unavailable("org/small is gated")})
    assert not wants
    assert found.verdict == "unknown"
    assert "org/small is gated" in found.unmodelled[0].reason


def test_another_vocabulary_is_refused() -> None:
    """vLLM takes no draft model whose vocabulary is not as large as the model's."""
    found, _ = named({"large": llama(TARGET), "small": llama(SMALL | {"vocab_size": 32000})})
    assert found.verdict == "infeasible"


@pytest.mark.parametrize(
    "setting",
    [
        '{"model": "org/small-DFlash", "num_speculative_tokens": 3}',
        '{"model": "mine.Proposer", "num_speculative_tokens": 3}',
        '{"model": "org/small", "num_speculative_tokens": 3, "quantization": "fp8"}',
        '{"model": "org/small", "num_speculative_tokens": 3, "draft_sample_method": "probabilistic"}',
        '{"model": 7, "method": "draft_model", "num_speculative_tokens": 3}',
    ],
)
def test_other_drafters_are_not_taken_for_a_model(setting: str) -> None:
    """What vLLM tells by its name to be another kind of drafter, and settings not followed, leave no verdict."""
    found, wants = named({"large": llama(TARGET)}, f"speculative-config: {setting}\n")
    assert not wants
    assert found.verdict == "unknown"


HEAD = {key: value for key, value in TARGET.items() if key not in ("rope_scaling", "head_dim")} | {
    "num_hidden_layers": 1,
    "draft_vocab_size": 32000,
    "max_position_embeddings": 2048,
}
EAGLE = replace(MTP, speculative_method="eagle3", num_speculative_tokens=3)


@pytest.mark.parametrize(("ranks", "expected"), [(1, 849_635_328), (2, 475_293_696)])
def test_an_eagle_head_weighs_what_vllm_builds(ranks: int, expected: int) -> None:
    """Layer, projection, token map and head of 32,000 tokens as vLLM's class has them; the table may be its own."""
    spec, args = llama(TARGET, llama(HEAD)), replace(EAGLE, tensor_parallel_size=ranks)
    stages = weights(spec, args, HOPPER)
    assert isinstance(stages, tuple)
    found = with_draft(stages, spec, args, HOPPER, 131072)
    assert isinstance(found, tuple)
    (part,) = [part for part in found[0].parts if part.name == DRAFT]
    rotary = 131072 * 128 * 2
    assert part.bytes == part.low == expected + rotary
    assert part.high - part.low == 128256 * 4096 * 2 // ranks


def test_an_eagle_head_adds_a_layer_to_the_kv_cache() -> None:
    """33 layers of 64 KiB a block: 19,859 blocks in 40 GiB."""
    spec = llama(TARGET, llama(HEAD))
    layout = kv_layout(spec, EAGLE, HOPPER, max_num_batched_tokens=8192, max_model_len=131072)
    assert isinstance(layout, KvLayout)
    assert layout.num_blocks((40 * GIB,)) == 19859


@pytest.mark.parametrize(
    "setting",
    [
        '{"model": "org/small", "method": "eagle3", "num_speculative_tokens": 3}',
        '{"model": "org/EAGLE3-small", "num_speculative_tokens": 3}',
    ],
)
def test_a_verdict_with_an_eagle_head(setting: str) -> None:
    """The method may be told or be read from the name, as vLLM does."""
    name = "small" if "org/small" in setting else "EAGLE3-small"
    found, wants = named({"large": llama(TARGET), name: llama(HEAD)}, f"speculative-config: {setting}\n")
    assert not wants
    assert found.verdict == "fits"


FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}


@pytest.mark.parametrize(
    "change",
    [
        {"quantization_config": FP8},
        {"draft_vocab_size": 10**6},
        {"eagle_config": {"use_aux_hidden_state": False}},
        {"num_aux_hidden_states": 10**6},
        {"sliding_window": 512},
        {"num_hidden_layers": 32},
    ],
)
def test_eagle_heads_of_other_kinds_leave_no_verdict(change: dict) -> None:
    """Whatever vLLM would build otherwise, or what is no drafter."""
    head = llama(HEAD | change)
    assert not isinstance(head.eagle3, Draft)
    setting = 'speculative-config: {"model": "org/small", "method": "eagle3", "num_speculative_tokens": 3}\n'
    assert named({"large": llama(TARGET), "small": head}, setting)[0].verdict == "unknown"


def test_an_eagle_head_is_not_served_by_itself() -> None:
    """An architecture that only drafts gets no verdict of its own."""
    head = llama(HEAD | {"architectures": ["LlamaForCausalLMEagle3"], "max_position_embeddings": 8192})
    assert isinstance(head.eagle3, Draft)
    assert named({"large": head}, "")[0].verdict == "unknown"


FIRST_HEAD = {key: value for key, value in HEAD.items() if key != "draft_vocab_size"}
FIRST = replace(EAGLE, speculative_method="eagle")


@pytest.mark.parametrize(("ranks", "expected"), [(1, 503_324_672), (2, 285_220_864)])
def test_an_eagle_layer_of_the_first_kind_weighs_what_vllm_builds(ranks: int, expected: int) -> None:
    """A layer without its first norm and a projection, as vLLM's class has them, and a table for all positions."""
    spec, args = llama(TARGET, llama(FIRST_HEAD)), replace(FIRST, tensor_parallel_size=ranks)
    stages = weights(spec, args, HOPPER)
    assert isinstance(stages, tuple)
    found = with_draft(stages, spec, args, HOPPER, 131072)
    assert isinstance(found, tuple)
    (part,) = [part for part in found[0].parts if part.name == DRAFT]
    assert part.bytes == part.low == expected + 131072 * 128 * 2
    assert part.high - part.low == 128256 * 4096 * 2 // ranks


def test_an_eagle_layer_of_the_first_kind_joins_the_kv_cache() -> None:
    """33 layers of 64 KiB a block: 19,859 blocks in 40 GiB."""
    spec = llama(TARGET, llama(FIRST_HEAD))
    layout = kv_layout(spec, FIRST, HOPPER, max_num_batched_tokens=8192, max_model_len=131072)
    assert isinstance(layout, KvLayout)
    assert layout.num_blocks((40 * GIB,)) == 19859


@pytest.mark.parametrize(
    ("head", "name", "told", "verdict"),
    [
        ({}, "small", '"method": "eagle", ', "fits"),
        ({}, "EAGLE-small", "", "fits"),
        ({"architectures": ["EagleLlamaForCausalLM"]}, "small", '"method": "eagle", ', "fits"),
        ({"hidden_size": 2048, "num_attention_heads": 16}, "small", '"method": "eagle", ', "unknown"),
        ({"vocab_size": 32000}, "small", '"method": "eagle", ', "unknown"),
        ({"quantization_config": FP8}, "small", '"method": "eagle", ', "unknown"),
        ({"architectures": ["Eagle3LlamaForCausalLM"]}, "small", '"method": "eagle", ', "unknown"),
    ],
)
def test_a_verdict_with_an_eagle_layer_of_the_first_kind(head: dict, name: str, told: str, verdict: str) -> None:
    """As wide as the model and with its vocabulary, told by method or name."""
    setting = f'speculative-config: {{{told}"model": "org/{name}", "num_speculative_tokens": 3}}\n'
    found, wants = named({"large": llama(TARGET), name: llama(FIRST_HEAD | head)}, setting)
    assert not wants
    assert found.verdict == verdict, found.unmodelled

"""The activation peak against what vLLM's own logs print for it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from vram_engine.facts.catalogue import catalogue_model
from vram_engine.facts.gpus import gpu_by_id
from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.activations import activations
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.encoder import profiled_requests
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era
from vram_engine.sizing.sampler import sampler_state

CONFIGS: Mapping[str, Mapping[str, object]] = {
    "llama-8b": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
    },
    "qwen-0.5b": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "torch_dtype": "bfloat16",
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": True,
    },
    "qwen-7b": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "torch_dtype": "bfloat16",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": False,
    },
    "qwen-14b": {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "torch_dtype": "bfloat16",
        "hidden_size": 5120,
        "intermediate_size": 17408,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "max_position_embeddings": 40960,
        "tie_word_embeddings": False,
    },
}


def spec(name: str) -> ModelSpec:
    """A model of the table above."""
    model = from_config(CONFIGS[name])
    assert isinstance(model, ModelSpec)
    return model


def card(gpu_id: str) -> Gpu:
    """A card of the catalogue."""
    gpu = gpu_by_id(gpu_id)
    assert gpu is not None
    return gpu


def peak(name: str, gpu_id: str, length: int, args: EngineArgs) -> Term:
    """The activation peak of a model of the table."""
    model, gpu = spec(name), card(gpu_id)
    return activations(model, args, batch(args, gpu, length, model), era(model, args, gpu.capability), gpu)


@pytest.mark.parametrize(
    ("name", "gpu_id", "version", "length", "tp", "printed"),
    [
        ("llama-8b", "h100-sxm-80", Version(0, 6, 5), 8192, 1, 1.26),
        ("llama-8b", "h100-sxm-80", Version(0, 6, 5), 8192, 2, 1.26),
        ("qwen-0.5b", "t4", Version(0, 7, 3), 32768, 1, 1.44),
        ("qwen-7b", "rtx-4060-ti-16", Version(0, 7, 3), 4096, 1, 1.42),
    ],
)
def test_sorting_sampler(name: str, gpu_id: str, version: Version, length: int, tp: int, printed: float) -> None:
    """Up to 0.16 the sampler's sort of 256 rows of logits rules, whatever the size of the model."""
    args = EngineArgs(vllm_version=version, tensor_parallel_size=tp)
    assert peak(name, gpu_id, length, args).bytes / GIB == pytest.approx(printed, abs=0.015)


def test_unchunked_prompt_on_two_ranks() -> None:
    """With chunked prefill off, 40,000 tokens of a prompt stand side by side: 2.53 GiB printed on two V100."""
    args = EngineArgs(vllm_version=Version(0, 6, 5), tensor_parallel_size=2, max_num_batched_tokens=40000)
    assert peak("llama-8b", "v100-sxm2-16", 40000, args).bytes / GIB == pytest.approx(2.53, abs=0.015)


def test_long_step_of_a_small_model() -> None:
    """32,768 tokens a step outgrow the sampler of later releases: 1.06 GiB printed."""
    args = EngineArgs(vllm_version=Version(0, 18, 0), max_num_batched_tokens=32768)
    assert peak("qwen-0.5b", "rtx-4080", 32768, args).bytes / GIB == pytest.approx(1.06, abs=0.01)


def test_first_compilation_times_kernels_on_the_embedding_table() -> None:
    """A cold start copies the embedding table while compiling (1.04 GiB printed); a warm one need not."""
    term = peak("qwen-7b", "rtx-4080", 32768, EngineArgs(vllm_version=Version(0, 18, 0)))
    assert term.bytes / GIB == pytest.approx(1.04, abs=0.01)
    assert term.low / GIB < 0.6


def test_eager_mode_never_compiles() -> None:
    """Without compilation a step of 2048 tokens and 256 requests takes the sampler's 14 bytes a logit."""
    args = EngineArgs(vllm_version=Version(0, 18, 0), enforce_eager=True)
    term = peak("qwen-7b", "rtx-4080", 32768, args)
    assert term.bytes / GIB == pytest.approx(14 * 256 * 152064 / GIB, abs=0.1)


def test_counters_of_model_runner_v2() -> None:
    """256 slots of 151,936 counters of 4 bytes, and as many bits: 160 MB."""
    args = EngineArgs(max_num_seqs=256, max_num_batched_tokens=2048)
    model = spec("qwen-14b")
    limits = batch(args, card("l4"), 40960, model)
    assert sampler_state(model, limits).bytes == 256 * (4 * 151936 + 4 * 4748)


def test_parts_sum_to_the_whole() -> None:
    """The term is the sum of its parts, and its band holds it."""
    for args in (EngineArgs(), EngineArgs(vllm_version=Version(0, 8, 5)), EngineArgs(tensor_parallel_size=2)):
        term = peak("llama-8b", "a100-sxm-80", 8192, args)
        assert term.bytes == sum(part.bytes for part in term.parts)
        assert term.low <= term.bytes <= term.high


def test_more_tokens_never_take_less() -> None:
    """The peak does not fall as the step grows."""
    sizes = [peak("llama-8b", "l4", 8192, EngineArgs(max_num_batched_tokens=n)).bytes for n in (256, 2048, 8192, 65536)]
    assert sizes == sorted(sizes)


def test_v0_samples_for_as_many_requests_as_bring_an_image() -> None:
    """V0 profiles an image model with requests that each bring an image of the largest size: 32,768 / 16,384 = 2."""
    known = catalogue_model("Qwen/Qwen2.5-VL-7B-Instruct")
    assert known is not None
    model, gpu = from_config(known.config), card("a100-sxm-80")
    assert isinstance(model, ModelSpec)
    args = EngineArgs(vllm_version=Version(0, 7, 3), max_num_batched_tokens=32768)
    limits = batch(args, gpu, 32768, model)
    assert profiled_requests(model, args, limits, era(model, args, gpu.capability)) == 2
    text = spec("qwen-7b")
    assert profiled_requests(text, args, limits, era(text, args, gpu.capability)) == 256

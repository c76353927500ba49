"""The speed of a deployment: ranges that hold published measurements, laws, and when there is none."""

from __future__ import annotations

import math

import pytest

from tests.corpus.throughput import data_file, load, rows
from vram_engine.analysis import Context, analyse_settings
from vram_engine.deployment import Known, Setting
from vram_engine.facts.catalogue import catalogue_model
from vram_engine.facts.gpus import gpu_by_id
from vram_engine.facts.performance import EXPECTED, FASTER, SLOWER, figure, figures
from vram_engine.model import from_config
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.performance import Performance
from vram_engine.sizing.collectives import collective, link_between
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.step import Routed, Step, step
from vram_engine.view.speed import speed_words


def spec_of(model):
    """A model of the catalogue."""
    row = catalogue_model(model)
    return from_config(row.config, quant_config=row.quant_config, pooling=row.pooling)


def plan(model, gpu, **settings):
    """The plan of a launch given by flags in snake case; what is short fits everywhere."""
    said = {"model": model, "gpu": gpu, "max-model-len": 4096, **{k.replace("_", "-"): v for k, v in settings.items()}}
    found = spec_of(model)
    models = {ModelRef(model): found if isinstance(found, Unavailable) else FoundModel(found, "catalogue")}
    context = Context(models, tuple(Setting(name, Known(value), "argument") for name, value in said.items()))
    return analyse_settings(context).plans[0]


def speed(model, gpu, **settings):
    """The ranges of such a plan."""
    found = plan(model, gpu, **settings).performance
    assert isinstance(found, Performance), found
    return found


def a_step(model, gpu="h100-sxm-80", **args):
    """What a step of a model reads and computes."""
    found = step(spec_of(model), EngineArgs(**args), gpu_by_id(gpu))
    assert isinstance(found, Step)
    return found


# Published rows of 16-bit and 4-bit, dense and sparse models on one and several GPUs:
# tokens/s of one request with so many at once, each of so many tokens in and out.
PUBLISHED = (
    ("Qwen/Qwen3-8B", "a100-sxm-80", 1, 1, 128, 512, 92.9),
    ("Qwen/Qwen3-1.7B", "a100-sxm-80", 1, 1, 2048, 128, 200.8),
    ("Qwen/Qwen3-30B-A3B", "a100-sxm-80", 1, 1, 8192, 128, 93.9),
    ("Qwen/Qwen2.5-72B-Instruct", "h100-sxm-80", 2, 1, 4096, 128, 32.1),
    ("Qwen/QwQ-32B", "h200-sxm-141", 8, 1, 137, 266, 154.1),
    ("Qwen/Qwen3-8B", "jetson-thor", 1, 8, 2048, 128, 11.6),
    ("Qwen/Qwen3-8B-AWQ", "jetson-thor", 1, 8, 2048, 128, 15.2),
    ("Qwen/Qwen3-32B-AWQ", "jetson-thor", 1, 8, 2048, 128, 4.2),
)


@pytest.mark.parametrize(("model", "gpu", "ranks", "requests", "prompt", "generated", "measured"), PUBLISHED)
def test_the_range_holds_what_others_measured(model, gpu, ranks, requests, prompt, generated, measured):
    """Measurements that people published lie in the range, and within a quarter of what is expected."""
    said = speed(
        model,
        gpu,
        gpus=ranks,
        tensor_parallel_size=ranks,
        concurrency=requests,
        prompt_tokens=prompt,
        gen_tokens=generated,
        max_model_len=10000,
    ).decode_per_request
    assert said.low <= measured <= said.high
    assert said.expected == pytest.approx(measured, rel=0.25)


@pytest.mark.skipif(data_file() is None, reason="no throughput measurements beside the checkout")
def test_the_published_corpus_is_met():
    """Over all published rows decoding is met within 15 % at the median, and the range holds in 85 % of them."""
    found = [row for row in rows(load(data_file())) if row.kind == "decode_per_request" and row.said is not None]
    assert sorted(abs(row.error) for row in found)[len(found) // 2] <= 0.10
    assert sum(row.covered for row in found) >= 0.85 * len(found)


def test_no_step_is_faster_than_the_memory():
    """8B in 16 bits without the input table are 15.0 GB, which an H100 of 3350 GB/s reads 223 times a second."""
    said = speed("meta-llama/Meta-Llama-3.1-8B", "h100-sxm-80").decode_per_request
    assert said.high < 3350 / 15.0


def test_a_dense_step_reads_all_but_the_input_table():
    """Qwen3-8B: 36 layers of attention and MLP with their norms, the final norm and the head, two bytes a weight."""
    attention = 4096 * (32 + 2 * 8) * 128 + 32 * 128 * 4096 + 2 * 128
    layer = attention + 3 * 4096 * 12288 + 2 * 4096
    head = 151936 * 4096
    assert a_step("Qwen/Qwen3-8B").weights_bytes == 2 * (36 * layer + 4096 + head)


def test_a_tied_table_is_read_as_the_head():
    """Qwen3-0.6B has one table of 151,936 x 1,024 for both ends, and it is read once."""
    tied = a_step("Qwen/Qwen3-0.6B").weights_bytes
    attention = 1024 * (16 + 2 * 8) * 128 + 16 * 128 * 1024 + 2 * 128
    layer = attention + 3 * 1024 * 3072 + 2 * 1024
    assert tied == 2 * (28 * layer + 1024 + 151936 * 1024)


def test_operations_are_twice_the_weights_that_a_token_meets():
    """Qwen3-30B-A3B: eight of 128 experts of 768 x 2,048, three products each, on 48 layers."""
    found = a_step("Qwen/Qwen3-30B-A3B")
    assert found.expert_products == {"16-bit": 2 * 48 * 8 * 3 * 768 * 2048}
    assert found.head_product == 2 * 151936 * 2048


def test_experts_are_read_when_a_token_chooses_them():
    """One token reads its share, two independent tokens read fewer than twice as many, many read all."""
    routed = Routed(bytes=128_000, count=128, per_token=8, replicas=1)
    assert routed.touched(1, 1.0) == pytest.approx(8_000)
    assert routed.touched(2, 1.0) == pytest.approx(128_000 * (1 - (120 / 128) ** 2))
    assert routed.touched(10_000, 1.0) == pytest.approx(128_000)
    assert routed.touched(8, 0.85) < routed.touched(8, 1.0)


def test_ranks_share_weights_and_operations():
    """Two ranks halve what each reads and computes, norms apart."""
    whole, half = a_step("Qwen/Qwen3-8B"), a_step("Qwen/Qwen3-8B", tensor_parallel_size=2)
    assert half.products["16-bit"] == whole.products["16-bit"] / 2
    assert half.weights_bytes == pytest.approx(whole.weights_bytes / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "gpu", "arithmetic"),
    [
        ("Qwen/Qwen3-8B", "a100-sxm-80", "16-bit"),
        ("Qwen/Qwen3-8B-FP8", "h100-sxm-80", "8-bit"),
        ("Qwen/Qwen3-8B-FP8", "a100-sxm-80", "weight-only"),
        ("Qwen/Qwen3-8B-AWQ", "h100-sxm-80", "weight-only"),
        ("RedHatAI/Llama-3.1-8B-Instruct-NVFP4", "b200", "4-bit"),
        ("RedHatAI/Llama-3.1-8B-Instruct-NVFP4", "h100-sxm-80", "weight-only"),
    ],
)
def test_the_gpu_decides_how_weights_are_multiplied(model, gpu, arithmetic):
    """FP8 and NVFP4 are multiplied as such only where the GPU has instructions for it."""
    assert arithmetic in a_step(model, gpu).products


def test_a_request_fares_worse_and_all_fare_better_together():
    """More requests at once: each is slower, all together are faster, and the first token comes later at worst."""
    alone, crowd = (speed("Qwen/Qwen3-8B", "h100-sxm-80", concurrency=count) for count in (1, 64))
    assert crowd.decode_per_request.expected < alone.decode_per_request.expected
    assert crowd.decode_total.expected > alone.decode_total.expected
    assert crowd.first_token_ms.high > alone.first_token_ms.high


def test_a_long_prompt_takes_longer():
    """Time to the first token grows with the prompt."""
    short, long = (
        speed("Qwen/Qwen3-8B", "l4", prompt_tokens=count, max_model_len=8192).first_token_ms for count in (200, 6000)
    )
    assert long.expected > 5 * short.expected


def test_eager_steps_wait_for_the_host():
    """Without CUDA graphs a small model is several times slower."""
    graphs, eager = (
        speed("Qwen/Qwen3-0.6B", "h100-sxm-80", enforce_eager=each).decode_per_request for each in (False, True)
    )
    assert graphs.expected > 3 * eager.expected


def test_requests_beyond_the_kv_cache_wait():
    """Only as many requests run as the KV cache holds, and the assumptions say that others wait."""
    said = speed("Qwen/Qwen3-8B", "rtx-4090", concurrency=1000, prompt_tokens=2000, gen_tokens=1000)
    assert any("more requests wait" in each for each in said.assumptions)


def test_assumptions_are_stated():
    """The request lengths assumed, the ranks' link and what the figures are not are said."""
    said = speed("Qwen/Qwen3-8B", "rtx-4090", gpus=2, tensor_parallel_size=2)
    text = "; ".join(said.assumptions)
    for words in ("not a benchmark", "1,024 tokens in and 256 out", "over PCIe", "prefix cache"):
        assert words in text


def test_links_by_gpu_and_by_what_is_said():
    """NVLink joins data-centre GPUs, PCIe the others, Infinity Fabric Instinct cards, a network what stands alone."""
    kinds = {
        gpu: link_between(gpu_by_id(gpu), stated=None, machines=1) for gpu in ("h100-sxm-80", "l40s", "mi300x", "gb10")
    }
    assert kinds == {"h100-sxm-80": "mesh", "l40s": "pcie", "mi300x": "fabric", "gb10": "network"}
    assert link_between(gpu_by_id("h100-sxm-80"), stated="pcie", machines=1) == "pcie"
    assert link_between(gpu_by_id("h100-sxm-80"), stated=None, machines=2) == "network"


def test_an_all_reduce_costs_nothing_alone_and_more_where_peers_are_hidden():
    """One rank adds up nothing; GeForce cards pass through host memory, professional ones do not."""
    alone = collective(gpu_by_id("l40s"), "pcie", 1, EXPECTED)
    assert alone.milliseconds(10**9) == 0.0
    geforce, professional = (collective(gpu_by_id(gpu), "pcie", 4, EXPECTED) for gpu in ("rtx-5090", "rtx-pro-6000"))
    assert geforce.milliseconds(10**7) > 2 * professional.milliseconds(10**7)


@pytest.mark.parametrize(
    ("model", "gpu", "settings", "reason"),
    [
        ("Qwen/Qwen3-8B", "mi308x", {}, "is not known"),
        ("BAAI/bge-m3", "l4", {"max_model_len": 512}, "generates no tokens"),
    ],
)
def test_without_evidence_there_is_no_figure(model, gpu, settings, reason):
    """Where a rate is not known or nothing was ever measured, a reason stands in for the ranges."""
    found = plan(model, gpu, **settings).performance
    assert isinstance(found, Unavailable)
    assert reason in found.reason


def test_a_deployment_that_does_not_start_has_no_speed():
    """What vLLM refuses answers nobody."""
    refused = plan("meta-llama/Meta-Llama-3.1-70B", "l4")
    assert refused.verdict == "infeasible"
    assert refused.performance is None
    assert speed_words(refused) == ""


def test_a_range_is_centred_and_never_empty():
    """The expected value is the middle of its range, and every end is a positive number."""
    said = speed("openai/gpt-oss-120b", "h100-sxm-80", concurrency=16)
    for each in (said.decode_per_request, said.decode_total, said.prefill):
        assert 0 < each.low < each.expected < each.high
        assert (each.low + each.high) / 2 == pytest.approx(each.expected)
    assert 0 < said.first_token_ms.low < said.first_token_ms.high


@pytest.mark.parametrize("tokens", [1, 2**53, -1])
def test_absurd_workloads_still_give_finite_figures(tokens):
    """Whatever is asked for, every figure is a finite number above zero."""
    said = speed("Qwen/Qwen3-8B", "h100-sxm-80", concurrency=tokens, prompt_tokens=tokens, gen_tokens=tokens)
    for each in (said.decode_per_request, said.decode_total, said.prefill, said.first_token_ms):
        assert all(math.isfinite(end) and end > 0 for end in (each.low, each.expected, each.high))


def test_every_figure_has_its_ends_on_either_side():
    """Figures lie between their ends, name a cause and a source, and both ends move the pace the way they say."""
    for each in figures().values():
        assert min(each.slow, each.fast) <= each.value <= max(each.slow, each.fast)
        assert each.slow != each.fast
        assert each.source
    pace = EXPECTED._replace(memory="slow")
    assert figure("memory_bandwidth_share", pace) == figures()["memory_bandwidth_share"].slow
    assert figure("layer_us", pace) == figures()["layer_us"].value
    assert len(SLOWER) == len(FASTER) == 4


def test_a_gpu_known_by_its_memory_alone_has_no_speed():
    """Without a bandwidth there is no roofline, and the plan says nothing rather than guess."""
    model = ModelRef("Qwen/Qwen3-8B")
    said = {"model": model.name, "gpu-memory-bytes": 24 * 2**30, "max-model-len": 4096}
    settings = tuple(Setting(name, Known(value), "argument") for name, value in said.items())
    found = analyse_settings(Context({model: FoundModel(spec_of(model.name), "catalogue")}, settings)).plans[0]
    assert found.feasibility is not None
    assert isinstance(found.performance, Unavailable)


def test_a_short_length_is_split_as_the_usual_prompt_and_answer():
    """1,280 tokens are 1,024 in and 256 out; 640 are 512 in and 128 out, not 639 in and 1 out."""
    said = speed("Qwen/Qwen3-8B", "h100-sxm-80", max_model_len=640).assumptions
    assert any("512 tokens in and 128 out" in each for each in said), said

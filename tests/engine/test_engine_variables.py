"""Variables of the environment that change a verdict: followed where that is certain, admitted where it is not."""

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.lent import FileRef, LentFile
from vram_engine.model.reference import ModelRef
from vram_engine.sources.catalogue import CatalogueModels

QWEN, MOE, MLA = "Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V2-Lite"
KNOWN = {ModelRef(name, None): CatalogueModels().find(ModelRef(name, None), ()) for name in (QWEN, MOE, MLA)}


def plan(environment, *, model=QWEN, version="0.32.0", more="", files=None):
    """The plan of a compose service with some variables on an H100."""
    text = (
        f"# vram: gpu=h100-sxm-80 gpus=2\nservices:\n  v:\n    image: vllm/vllm-openai:v{version}\n"
        f"    command: --model {model} --max-num-seqs 64 {more}\n    environment: {environment}\n"
    )
    (found,) = analyse(text, Context(models=KNOWN, files=files or {})).plans
    return found


LONG = "--max-model-len 65536"


@pytest.mark.parametrize("value", ["1", "'true'", "' TRUE '"])
def test_a_length_above_the_models_is_taken_where_a_variable_allows_it(value):
    """vLLM warns then, and starts (config/model.py)."""
    found = plan(f"{{VLLM_ALLOW_LONG_MAX_MODEL_LEN: {value}}}", more=LONG)
    assert not found.refusals
    assert found.verdict == "fits"


@pytest.mark.parametrize("environment", ["{}", "{VLLM_ALLOW_LONG_MAX_MODEL_LEN: 0}", "{OTHER: 1}"])
def test_without_it_the_length_is_refused(environment):
    """Off and absent are the same."""
    found = plan(environment, more=LONG)
    assert [each.topic for each in found.refusals] == ["max-model-len-exceeds-model"]


@pytest.mark.parametrize(
    "environment",
    ["[VLLM_ALLOW_LONG_MAX_MODEL_LEN]", "{A: '1'}\n    env_file: missing.env", "{}\n    env_file: '${F}'"],
)
def test_where_it_may_be_set_there_is_no_verdict(environment):
    """A variable of the shell, or a file that is not read, may allow the length; a shorter one is sized as ever."""
    found = plan(environment, more=LONG)
    assert found.verdict == "unknown"
    assert "VLLM_ALLOW_LONG_MAX_MODEL_LEN" in found.unmodelled[0].reason
    assert plan(environment, more="--max-model-len 8192").verdict == "fits"


def test_a_file_of_the_environment_is_followed():
    """What a file sets counts as if it stood in the service."""
    files = {FileRef("./a.env"): LentFile("VLLM_ALLOW_LONG_MAX_MODEL_LEN=1\n", "/a.env")}
    assert plan("{}\n    env_file: a.env", more=LONG, files=files).verdict == "fits"


def test_the_graph_estimate_is_taken_off_as_a_variable_says():
    """Off by default in 0.19.1, on from 0.20.0, and in both as asked (v1/worker/gpu_worker.py)."""
    name = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"

    def charged(environment, version):
        """The bytes of the estimate in the budget."""
        terms = plan(environment, version=version).estimate.budget.terms
        return next(term.bytes for term in terms if "graph" in term.name.lower())

    assert charged("{}", "0.19.1") == 0 < charged(f"{{{name}: 1}}", "0.19.1")
    assert charged(f"{{{name}: 0}}", "0.22.0") == 0 < charged("{}", "0.22.0")
    assert charged(f"{{{name}: 1}}", "0.16.0") == charged("{}", "0.16.0") == 0


def test_engine_v0_is_sized_where_it_is_asked_for():
    """VLLM_USE_V1=0 brings V0 back in the releases that have it, and means nothing later."""
    assert plan("{VLLM_USE_V1: 0}", version="0.9.2").args.use_v1 is False
    assert plan("{VLLM_USE_V1: 0}", version="0.12.0").args.use_v1 is None


@pytest.mark.parametrize(
    ("variable", "value", "version", "model", "followed"),
    [
        ("VLLM_USE_V2_MODEL_RUNNER", "1", "0.32.0", QWEN, True),
        ("VLLM_USE_V2_MODEL_RUNNER", "0", "0.32.0", QWEN, False),
        ("VLLM_USE_V2_MODEL_RUNNER", "0", "0.16.0", QWEN, True),
        ("VLLM_USE_V2_MODEL_RUNNER", "0", "0.11.0", QWEN, True),
        ("VLLM_USE_V1", "1", "0.9.2", QWEN, True),
        ("VLLM_USE_V1", "1", "0.7.3", QWEN, False),
        ("VLLM_ATTENTION_BACKEND", "FLASHINFER", "0.14.1", QWEN, False),
        ("VLLM_ATTENTION_BACKEND", "FLASH_ATTN", "0.11.0", QWEN, True),
        ("VLLM_ATTENTION_BACKEND", "FLASHINFER", "0.16.0", QWEN, True),
        ("VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE", "413138944", "0.32.0", QWEN, True),
        ("VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE", "1073741824", "0.32.0", QWEN, False),
        ("VLLM_USE_FLASHINFER_SAMPLER", "0", "0.32.0", QWEN, True),
        ("VLLM_USE_FLASHINFER_SAMPLER", "0", "0.22.0", QWEN, False),
        ("VLLM_FUSED_MOE_CHUNK_SIZE", "8192", "0.11.0", QWEN, True),
        ("VLLM_FUSED_MOE_CHUNK_SIZE", "8192", "0.11.0", MOE, False),
        ("VLLM_FUSED_MOE_CHUNK_SIZE", "8192", "0.18.0", MOE, True),
        ("VLLM_DP_SIZE", "2", "0.32.0", QWEN, False),
        ("VLLM_MLA_DISABLE", "1", "0.32.0", QWEN, True),
        ("VLLM_LOGGING_LEVEL", "DEBUG", "0.32.0", QWEN, True),
        ("VLLM_ENABLE_V1_MULTIPROCESSING", "0", "0.32.0", QWEN, True),
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True", "0.32.0", QWEN, True),
    ],
)
def test_what_is_not_followed_is_said(variable, value, version, model, followed):
    """A variable takes the verdict away where the release reads it, the model is concerned and memory changes."""
    found = plan(f"{{{variable}: '{value}'}}", version=version, model=model)
    plain = plan("{}", version=version, model=model)
    more = [each for each in found.unmodelled if each not in plain.unmodelled]
    assert [each.setting.name for each in more] == ([] if followed else [variable])


def test_the_variable_is_where_the_finding_is():
    """The information stands on the variable itself."""
    text = (
        "# vram: gpu=h100-sxm-80\nservices:\n  v:\n    image: vllm/vllm-openai:v0.32.0\n"
        f"    command: --model {QWEN} --max-num-seqs 64\n    environment:\n      VLLM_USE_V2_MODEL_RUNNER: 0\n"
    )
    analysis = analyse(text, Context(models=KNOWN))
    (finding,) = [each for each in analysis.findings if each.rule == "not-modelled"]
    span = analysis.span(finding.where)
    assert text[span.start : span.end] == "VLLM_USE_V2_MODEL_RUNNER"


def test_a_variable_that_a_release_no_longer_reads_is_pointed_out():
    """VLLM_ATTENTION_BACKEND was read until 0.15; later the option alone counts."""

    def rules(version):
        """The rules that fire."""
        text = (
            f"services:\n  v:\n    image: vllm/vllm-openai:v{version}\n    command: --model m --max-num-seqs 64\n"
            "    environment: {VLLM_ATTENTION_BACKEND: FLASHINFER}\n"
        )
        return {each.rule for each in analyse(text).findings}

    assert "unread-environment-variable" in rules("0.19.1")
    assert "unread-environment-variable" not in rules("0.14.1")

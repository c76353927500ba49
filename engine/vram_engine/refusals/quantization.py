"""Refusals about quantized weights (vllm/config/model.py, ``_verify_quantization``; vllm/config/vllm.py)."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.facts.versions import Version
from vram_engine.model.spec import CheckpointQuantization
from vram_engine.refusals.case import Case
from vram_engine.refusals.model_settings import dtype_of
from vram_engine.refusals.quantization_methods import ALSO_ONLINE, FLOAT16, METHODS, READS, Method
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.weights import weights

# Until here these names, asked for explicitly, kept the old kernels, which compute in float16 only.
OLD_KERNELS_BEFORE = {"awq": Version(0, 24, 0), "gptq": Version(0, 22, 0)}

# compressed-tensors by how weights are stored: the least capability of the scheme, and since when.
_SCHEMES = {
    "packed-int": ((Version(0, 0, 0), 80), (Version(0, 12, 0), 75)),
    "int8": ((Version(0, 0, 0), 75),),
    "fp8": ((Version(0, 0, 0), 80), (Version(0, 16, 0), 75)),
    "nvfp4": ((Version(0, 0, 0), 80), (Version(0, 16, 0), 75)),
    "mxfp4": ((Version(0, 0, 0), 80),),
}

# What else may hold a quantization that the checkpoint's files do not show.
_BRINGS_A_CONFIG = ("quantization-config", "model-loader-extra-config", "load-format")
_BLACKWELL = 10


def asked(case: Case) -> str | None:
    """The method asked for, as vLLM lowers it; a profile's names are its own where they are not vLLM's."""
    name = case.text("quantization")
    if name is None or (case.deployment.dialect == "profile" and name.lower() not in METHODS):
        return None
    return name.lower()


def stored(case: Case) -> CheckpointQuantization | None:
    """How the checkpoint is quantized."""
    return case.model.quantization if case.model is not None else None


def method_in_force(case: Case) -> str | None:
    """The method vLLM loads with, where it is certain."""
    name, checkpoint = asked(case), stored(case)
    if case.says("quantization") and name is None:
        return None
    if checkpoint is None:
        return name
    return checkpoint.method if name is None or name in READS.get(checkpoint.method, ()) else None


def removed(case: Case) -> str | None:
    """A method that an older release had, asked for or of the checkpoint."""
    name = asked(case) or method_in_force(case)
    method = METHODS.get(name or "")
    if method is None or method.gone_in is None or case.version < method.gone_in:
        return None
    return f"vLLM {case.version} no longer has the quantization method {name}"


def unknown(case: Case) -> str | None:
    """A method that no release has, or only a newer one."""
    name = asked(case)
    method = METHODS.get(name or "")
    if method is not None and case.version < method.since:
        return f"vLLM {case.version} does not have the quantization method {name} yet; {method.since} does"
    # Plugins for other hardware bring methods of their own.
    if name is None or method is not None or case.capability is None:
        return None
    return f"vLLM knows no quantization method {name[:40]}"


def deprecated(case: Case) -> str | None:
    """vllm/config/model.py, ``DEPRECATED_QUANTIZATION_METHODS``."""
    name = method_in_force(case)
    method = METHODS.get(name or "")
    if method is None or not method.known_to(case.version) or not method.is_deprecated_in(case.version):
        return None
    if case.switch("allow-deprecated-quantization") is not False:
        return None
    return f"vLLM refuses the deprecated quantization method {name} without allow-deprecated-quantization"


def mismatched(case: Case) -> str | None:
    """The method asked for is not the checkpoint's."""
    name, checkpoint = asked(case), stored(case)
    if name is None or checkpoint is None or checkpoint.method not in READS or not _is_known(case, name):
        return None
    if name in READS[checkpoint.method]:
        return None
    return f"vLLM refuses quantization {name} for a checkpoint that is quantized with {checkpoint.method}"


# They also read a file that is not looked for here, so that nothing is certain (``get_config_filenames`` of
# moe_wna16.py and inc.py).
_READS_A_FILE_OF_ITS_OWN = frozenset({"moe_wna16", "inc", "auto-round"})


def unprepared(case: Case) -> str | None:
    """The method reads quantized weights, and the checkpoint has none (``get_quant_config``)."""
    name = asked(case)
    if name is None or case.model is None or stored(case) is not None or not _is_known(case, name):
        return None
    if name == "online" and not case.says("quantization-config"):
        return "vLLM refuses quantization online without quantization-config, which says what to quantize and how"
    if METHODS[name].source != "checkpoint" or case.says(*_BRINGS_A_CONFIG) or deprecated(case) is not None:
        return None
    if name in _READS_A_FILE_OF_ITS_OWN:
        return None
    return f"vLLM refuses quantization {name}: it needs a checkpoint that has been quantized so, and this one is not"


def _is_known(case: Case, name: str) -> bool:
    method = METHODS.get(name)
    return method is not None and method.known_to(case.version)


def gpu_too_old(case: Case) -> str | None:
    """vllm/config/vllm.py, ``_get_quantization_config``; the schemes of compressed-tensors check for themselves."""
    name, capability = method_in_force(case), case.capability
    method = _loading_with(case, name)
    if method is None or capability is None or not method.known_to(case.version):
        return None
    have = 10 * capability[0] + capability[1]
    least = _least(case, method, name or "")
    if least is not None and have < least:
        needs = f"{least // 10}.{least % 10}"
        return f"vLLM refuses {name} weights on this GPU: they need compute capability {needs}"
    if name == "nvfp4_per_token" and capability[0] != _BLACKWELL and _has_experts(case):
        return "vLLM refuses nvfp4_per_token on this GPU: it needs a data-center Blackwell GPU"
    return None


def _loading_with(case: Case, name: str | None) -> Method | None:
    """The method that answers to a name, which may be another for a checkpoint that is not quantized, or not known."""
    since = ALSO_ONLINE.get(name or "")
    quantizes = since is not None and case.version >= since and stored(case) is None
    return METHODS.get("online" if quantizes else name or "")


def _least(case: Case, method: Method, name: str) -> int | None:
    if name != "compressed-tensors":
        return method.least_capability(case.version)
    checkpoint = stored(case)
    default = checkpoint.default if checkpoint is not None else None
    history = _SCHEMES.get(default.storage, ()) if default is not None else ()
    return next((least for since, least in reversed(history) if since <= case.version), None)


def _has_experts(case: Case) -> bool:
    return case.model is not None and case.model.experts is not None


def dtype_unsupported(case: Case) -> str | None:
    """vllm/config/vllm.py, ``_get_quantization_config``."""
    name, dtype = method_in_force(case), dtype_of(case)
    method = _loading_with(case, name)
    if method is None or dtype is None or not method.known_to(case.version):
        return None
    old = case.version < OLD_KERNELS_BEFORE.get(asked(case) or "", Version(0, 0, 0))
    taken = FLOAT16 if old else method.dtypes
    if dtype in taken:
        return None
    return f"vLLM refuses dtype {dtype} with {name} weights: they compute in {' or '.join(sorted(taken))}"


def cut_groups(case: Case) -> str | None:
    """Tensor parallelism that cuts the groups or blocks which share a scale, refused as layers are built."""
    ranks = case.args.tensor_parallel_size
    if case.model is None or case.capability is None or ranks == 1 or method_in_force(case) is None:
        return None
    return cut_by(case, ranks)


def cut_by(case: Case, ranks: int) -> str | None:
    """What is cut over so many ranks; nothing where the widths themselves do not divide."""
    if case.model is None or case.capability is None:
        return None
    args = replace(case.args, tensor_parallel_size=ranks, pipeline_parallel_size=1)
    refused = weights(case.model, args, case.capability)
    if not isinstance(refused, Refusal):
        return None
    whole = weights(case.model, replace(args, tensor_parallel_size=1), case.capability)
    plain = weights(replace(case.model, quantization=None), replace(args, quantization=None), case.capability)
    return None if isinstance(whole, Refusal) or isinstance(plain, Refusal) else refused.message

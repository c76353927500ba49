"""What ``--quantization`` knows, release by release: a table read off vLLM's own registry of methods.

Sources: ``model_executor/layers/quantization/__init__.py`` and the method classes' ``get_min_capability`` and
``get_supported_act_dtypes``, in one release of each minor version from 0.8 to 0.33.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vram_engine.facts.versions import Version

# checkpoint: reads weights that were quantized before. online: quantizes 16-bit weights while loading.
Source = Literal["checkpoint", "online", "either"]

HALVES = frozenset({"float16", "bfloat16"})
ANY_FLOAT = HALVES | {"float32"}
BFLOAT16 = frozenset({"bfloat16"})
FLOAT16 = frozenset({"float16"})


ALWAYS = Version(0, 0, 0)
NEVER = Version(1000, 0, 0)


@dataclass(frozen=True, slots=True)
class Method:
    """One method. ``since`` is the first release that may have it, ``gone_in`` the first that was seen without.

    ``capability`` are the least CUDA capabilities, as vLLM numbers them (75 is 7.5), and the releases they start with.
    ``dtypes`` are what activations may be. ``deprecated`` are the releases from and before which it needs
    ``--allow-deprecated-quantization``.
    """

    source: Source = "checkpoint"
    since: Version = ALWAYS
    gone_in: Version | None = None
    capability: tuple[tuple[Version, int], ...] = ()
    dtypes: frozenset[str] = HALVES
    deprecated: tuple[Version, Version] | None = None

    def known_to(self, version: Version) -> bool:
        """Whether a release has the method."""
        return self.since <= version and (self.gone_in is None or version < self.gone_in)

    def least_capability(self, version: Version) -> int | None:
        """The least capability in a release; None where none is known."""
        return next((least for since, least in reversed(self.capability) if since <= version), None)

    def is_deprecated_in(self, version: Version) -> bool:
        """Whether a release wants ``--allow-deprecated-quantization`` for it."""
        return self.deprecated is not None and self.deprecated[0] <= version < self.deprecated[1]


FIRST_0_9, V0_9, FIRST_0_10, V0_10 = Version(0, 9, 0), Version(0, 9, 2), Version(0, 10, 0), Version(0, 10, 2)
V0_11_1, V0_14 = Version(0, 11, 1), Version(0, 14, 0)
V0_15, V0_16, V0_17, V0_19, V0_20 = (Version(0, minor, 0) for minor in (15, 16, 17, 19, 20))
V0_22, V0_23, V0_24, V0_26, V0_27, V0_28 = (Version(0, minor, 0) for minor in (22, 23, 24, 26, 27, 28))

AT_75 = ((ALWAYS, 75),)
AT_80 = ((ALWAYS, 80),)
MARLIN = ((ALWAYS, 80), (V0_14, 75))

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "aqlm": Method(gone_in=V0_10, capability=((ALWAYS, 60),)),
        "auto-round": Method(since=FIRST_0_9, gone_in=V0_15, capability=((ALWAYS, 60),), deprecated=(V0_14, V0_15)),
        "auto_awq": Method(since=V0_23, capability=AT_75),
        "auto_gptq": Method(since=V0_22, capability=((ALWAYS, 60),)),
        "awq": Method(capability=AT_75),
        "awq_marlin": Method(capability=MARLIN),
        "bitblas": Method(gone_in=V0_16, capability=((ALWAYS, 70),), deprecated=(V0_14, V0_16)),
        "bitsandbytes": Method("either", gone_in=V0_28, capability=((ALWAYS, 70),), dtypes=ANY_FLOAT),
        "compressed-tensors": Method(dtypes=ANY_FLOAT),
        "cpu_awq": Method(since=V0_11_1, gone_in=V0_24),
        "cpu_gptq": Method(since=V0_11_1, gone_in=V0_14),
        "deepseek_v4_fp8": Method("either", since=V0_20),
        "deepspeedfp": Method("online", gone_in=V0_15, deprecated=(V0_14, V0_15)),
        "experts_int8": Method("online", capability=AT_80, deprecated=(V0_14, V0_20)),
        "fbgemm_fp8": Method(capability=AT_80, deprecated=(V0_14, NEVER)),
        "fp8": Method("either", capability=((ALWAYS, 80), (V0_14, 75))),
        "fp8_per_block": Method("online", since=V0_20, capability=AT_75),
        "fp8_per_channel": Method("online", since=V0_23, capability=AT_75),
        "fp8_per_tensor": Method("online", since=V0_20, capability=AT_75),
        "fp_quant": Method(since=V0_11_1, capability=((ALWAYS, 100),), dtypes=BFLOAT16, deprecated=(V0_14, NEVER)),
        "gguf": Method("either", gone_in=V0_24, capability=((ALWAYS, 60),), dtypes=ANY_FLOAT),
        "gpt_oss_mxfp4": Method("either", since=V0_20, capability=AT_80, dtypes=BFLOAT16),
        "gptq": Method(capability=((ALWAYS, 60),)),
        "gptq_bitblas": Method(gone_in=V0_16, capability=((ALWAYS, 70), (V0_9, 80)), deprecated=(V0_14, V0_16)),
        "gptq_marlin": Method(capability=(*MARLIN, (V0_22, 60))),
        "gptq_marlin_24": Method(gone_in=V0_16, capability=AT_80, deprecated=(V0_14, V0_16)),
        "hqq": Method(gone_in=V0_15, capability=AT_80, deprecated=(V0_14, V0_15)),
        "humming": Method("either", since=V0_20, capability=AT_75),
        "inc": Method(since=FIRST_0_10, capability=((V0_15, 60),)),
        "int8_per_channel_weight_only": Method("online", since=V0_20, capability=AT_75),
        "ipex": Method("either", gone_in=V0_16),
        "marlin": Method(gone_in=V0_10, capability=AT_80),
        "modelopt": Method(capability=((ALWAYS, 89), (V0_27, 80))),
        "modelopt_fp4": Method(since=FIRST_0_9, capability=MARLIN),
        "modelopt_mixed": Method(since=V0_17, capability=((ALWAYS, 89), (V0_24, 75))),
        "modelopt_mxfp8": Method(since=V0_15, capability=((ALWAYS, 100), (V0_20, 80)), dtypes=BFLOAT16),
        "moe_wna16": Method(capability=((ALWAYS, 70),)),
        "mxfp4": Method("either", since=FIRST_0_10, capability=AT_80, dtypes=BFLOAT16),
        "mxfp8": Method("either", since=V0_19, capability=((ALWAYS, 100), (V0_20, 75))),
        "neuron_quant": Method("online", gone_in=V0_10),
        "nvfp4": Method(gone_in=V0_9, capability=((ALWAYS, 100),)),
        "nvfp4_per_token": Method("online", since=V0_26, capability=AT_75),
        "online": Method("online", since=V0_20, capability=AT_75),
        "petit_nvfp4": Method(since=V0_10, gone_in=V0_20, deprecated=(V0_14, V0_20)),
        "ptpc_fp8": Method("online", gone_in=V0_19, deprecated=(V0_14, V0_19)),
        "qqq": Method(gone_in=V0_10, capability=AT_80),
        "quark": Method(capability=((ALWAYS, 70),)),
        "rtn": Method("online", since=V0_9, gone_in=V0_15, capability=AT_80, deprecated=(V0_14, V0_15)),
        "torchao": Method(capability=AT_75, dtypes=ANY_FLOAT),
        "tpu_int8": Method("online", gone_in=V0_14),
    }
)

# Methods of checkpoints that quantize plain weights too, in the way of ``online``, and the first releases that do.
ALSO_ONLINE: Mapping[str, Version] = MappingProxyType({"mxfp4": V0_28})

# Names under which a checkpoint of the method may be asked for (``override_quantization_method``). A checkpoint of
# ModelOpt or MXFP4 names itself, whatever is asked for.
READS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "awq": frozenset({"awq", "awq_marlin", "auto_awq", "moe_wna16", "ipex", "humming", "cpu_awq", "inc", "marlin"}),
        "gptq": frozenset(
            {"gptq", "gptq_marlin", "auto_gptq", "gptq_marlin_24", "gptq_bitblas", "bitblas", "marlin"}
            | {"moe_wna16", "ipex", "humming", "cpu_gptq", "inc"}
        ),
        "fp8": frozenset({"fp8", "deepseek_v4_fp8", "humming"}),
        "compressed-tensors": frozenset({"compressed-tensors", "humming"}),
        "inc": frozenset({"inc", "auto-round", "gptq", "gptq_marlin", "awq", "awq_marlin", "humming"}),
        "bitsandbytes": frozenset({"bitsandbytes"}),
        "quark": frozenset({"quark", "humming"}),
    }
)

# What quantizes routed experts and nothing else.
EXPERTS_ONLY = frozenset({"experts_int8", "int8_per_channel_weight_only", "nvfp4_per_token"})

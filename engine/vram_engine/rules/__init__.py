"""All rules, in the order of RULES.md. A rule is one module; this tuple is the registry."""

from __future__ import annotations

from vram_engine.rules import (
    concurrency_does_not_fit,
    gpu_memory_utilization_out_of_range,
    gpu_unknown,
    high_oom_risk,
    invalid_directive,
    invalid_value,
    kv_cache_pressure,
    max_model_len_does_not_fit,
    max_model_len_exceeds_model,
    model_unknown,
    not_modelled,
    out_of_memory,
    refused_by_vllm,
    tensor_parallel_does_not_divide,
    tensor_parallel_exceeds_gpus,
    tight_memory,
    unknown_key,
    unused_ignore,
    yaml_syntax,
)
from vram_engine.rules.base import Rule

RULES: tuple[Rule, ...] = (
    out_of_memory.RULE,
    max_model_len_does_not_fit.RULE,
    high_oom_risk.RULE,
    concurrency_does_not_fit.RULE,
    tight_memory.RULE,
    kv_cache_pressure.RULE,
    tensor_parallel_does_not_divide.RULE,
    tensor_parallel_exceeds_gpus.RULE,
    max_model_len_exceeds_model.RULE,
    gpu_memory_utilization_out_of_range.RULE,
    refused_by_vllm.RULE,
    unknown_key.RULE,
    invalid_value.RULE,
    invalid_directive.RULE,
    model_unknown.RULE,
    gpu_unknown.RULE,
    not_modelled.RULE,
    yaml_syntax.RULE,
    unused_ignore.RULE,
)

BY_NAME = {rule.name: rule for rule in RULES}

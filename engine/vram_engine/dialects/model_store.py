"""Where vLLM takes a model from, when a variable says that it is not Hugging Face."""

from __future__ import annotations

from vram_engine.deployment import Known, Setting
from vram_engine.dialects.variables import Variables

_SWITCH = "VLLM_USE_MODELSCOPE"


def model_store(variables: Variables) -> tuple[Setting, ...]:
    """ModelScope as a setting, where the environment of a launch switches it on as vLLM reads it (vllm/envs.py)."""
    chars = variables.get(_SWITCH)
    if chars is None or chars.hole is not None or chars.text.strip().lower() not in ("1", "true"):
        return ()
    return (Setting("model-store", Known("ModelScope"), "file", _SWITCH, span=chars.span),)

"""Since which release drafting is followed, by method and model, and where a release does something else.

Boundaries are the first release read with the layers as they are derived, in vllm/model_executor/models (*_mtp.py),
v1/spec_decode (``load_model`` and ``_maybe_share_lm_head`` of runner V1) and ``use_v2_model_runner``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.facts.versions import Version
from vram_engine.model.caches_kinds import Indexer
from vram_engine.model.mtp import SPARES_PROJECTION
from vram_engine.model.spec import Attention, Draft, ModelSpec, Rotary
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import V2_ALL, model_runner

# Methods without a table here, on the runner that serves every model since.
SINCE = Version(0, 32, 0)
# Models and EAGLE-3 layers that draft, on runner V1 as long as there is a choice.
APART_ON_V1_SINCE = Version(0, 16, 0)
# Models that hand over hidden states, by the first release that took them for it.
EAGLE3_TARGETS_ON_V1: Mapping[str, Version] = MappingProxyType(
    {
        "AfmoeForCausalLM": APART_ON_V1_SINCE,
        "GptOssForCausalLM": APART_ON_V1_SINCE,
        "LlamaForCausalLM": APART_ON_V1_SINCE,
        "MiniMaxM2ForCausalLM": Version(0, 20, 0),
        "Qwen2ForCausalLM": APART_ON_V1_SINCE,
        "Qwen3ForCausalLM": APART_ON_V1_SINCE,
        "Qwen3MoeForCausalLM": APART_ON_V1_SINCE,
    }
)
# Before, EAGLE-3 had no norms around its projection and always three layers' states.
EAGLE3_VARIANTS_SINCE = Version(0, 22, 0)
EAGLE3_STATES = 3
_VARIANTS = frozenset({"input_norm", "fc_norm"})
# Since then a prediction layer never keeps a head of its own beside the model's.
MTP_SINCE = Version(0, 16, 0)
# Where the layer came later, or was another before.
MTP_ARCHITECTURES: Mapping[str, Version] = MappingProxyType(
    {
        "DeepseekV4ForCausalLM": Version(0, 20, 0),
        "ExaoneMoEForCausalLM": Version(0, 20, 0),
        "ExaoneMoeForCausalLM": Version(0, 20, 0),
        "MiMoV2FlashForCausalLM": Version(0, 22, 0),
        "MiMoV2ForCausalLM": Version(0, 22, 0),
        # Before, states kept for every block left out those of drafts.
        "NemotronHForCausalLM": Version(0, 22, 0),
        # Their layer was looked for in models with a tower only.
        "Qwen3_5ForCausalLM": Version(0, 28, 0),
        "Qwen3_5MoeForCausalLM": Version(0, 28, 0),
        "Qwen3_5ForConditionalGeneration": Version(0, 17, 1),
        "Qwen3_5MoeForConditionalGeneration": Version(0, 17, 1),
    }
)
# Since when the projection into the layer stays in 16 bits with NVFP4, as checkpoints have it.
SPARED_SINCE: Mapping[str, Version] = MappingProxyType(
    {
        "Qwen3NextForCausalLM": Version(0, 25, 1),
        "Qwen3_5ForConditionalGeneration": Version(0, 20, 0),
        "Qwen3_5MoeForConditionalGeneration": Version(0, 20, 0),
    }
)


def mtp_since(spec: ModelSpec) -> Version:
    """The first release whose prediction layer of this model is followed."""
    since = max(MTP_SINCE, MTP_ARCHITECTURES.get(spec.architecture, MTP_SINCE))
    if any(isinstance(cache, Indexer) for cache in spec.caches):
        # Which indices the layer shared with the model went from release to release.
        return max(since, V2_ALL)
    stored = spec.quantization
    if stored is not None and stored.method == SPARES_PROJECTION:
        return max(since, SPARED_SINCE.get(spec.architecture, since))
    return since


def apart_on_v1(method: str, version: Version, spec: ModelSpec) -> bool:
    """Whether runner V1 serves a model together with one that drafts, or with EAGLE-3, as it is followed."""
    if not APART_ON_V1_SINCE <= version < V2_ALL:
        return False
    return model_runner(spec, EngineArgs(vllm_version=version, speculative_method=method), None) == "V1"


def unfollowed_on_v1(spec: ModelSpec, draft: Draft, version: Version) -> str | None:
    """Why runner V1 is not followed with these layers: a release without them, or layers of several groups."""
    kinds = {type(cache) for cache in (*spec.caches, *draft.spec.caches)}
    if len(kinds) > 1 and draft.layers > 1:
        return "layers that draft in several groups of the KV cache are not modelled for model runner V1"
    if draft.states == 0:
        return None
    if version < EAGLE3_TARGETS_ON_V1.get(spec.architecture, V2_ALL):
        return f"vLLM {version} is not known to hand hidden states of {spec.architecture[:60]} to EAGLE-3"
    if version < EAGLE3_VARIANTS_SINCE and (draft.states != EAGLE3_STATES or module_names(draft) & _VARIANTS):
        return f"EAGLE-3 layers of this kind are followed since vLLM {EAGLE3_VARIANTS_SINCE} only"
    return None


def module_names(draft: Draft) -> frozenset[str]:
    """The names of what the layers hold, as far as it has names."""
    modules = (module for block in draft.spec.modules for module in block.modules)
    return frozenset(module.name for module in modules if not isinstance(module, Rotary | Attention))


def early_runner(spec: ModelSpec, args: EngineArgs, capability: tuple[int, int] | None) -> bool:
    """Whether model runner V2 drafts in a release before it served every model, which is not followed."""
    return args.vllm_version < V2_ALL and model_runner(spec, args, capability) == "V2"

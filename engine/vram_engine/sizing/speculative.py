"""Speculative decoding: what ``--speculative-config`` asks for, which of it is followed, and drafting from n-grams.

Follows ``SpeculativeConfig`` (config/speculative.py), ``RequestState`` (v1/worker/gpu/states.py) and
``NgramGPUSpeculator`` (v1/worker/gpu/spec_decode/ngram/speculator.py). Symbols: R request slots, L context length,
K tokens drafted a step. Layers that draft are in ``drafts``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.caches import ChunkedLocal, FullAttention, SlidingWindow
from vram_engine.model.mtp import BUILDERS as PREDICTS
from vram_engine.model.spec import Draft, ModelSpec, Unavailable
from vram_engine.sizing.budget import Term
from vram_engine.sizing.draft_releases import SINCE, apart_on_v1, early_runner, mtp_since, unfollowed_on_v1
from vram_engine.sizing.engine_args import EngineArgs

# Methods that need no draft model, and the names by which each may be given in place of one.
NGRAM: Mapping[str, frozenset[str]] = MappingProxyType(
    {"ngram": frozenset({"ngram", "[ngram]"}), "ngram_gpu": frozenset({"ngram_gpu"})}
)
MTP = "mtp"
DRAFT_MODEL = "draft_model"
EAGLE = "eagle"
EAGLE3 = "eagle3"
# Methods that name a model which drafts, and those whose layers run on every step of the model.
NAMES_A_MODEL = frozenset({DRAFT_MODEL, EAGLE, EAGLE3})
_HAS_LAYERS = NAMES_A_MODEL | {MTP}
# vLLM tells other kinds of drafters by these parts of the name, whatever the method says (``__post_init__``).
_OTHER_DRAFTERS: Mapping[str, str | None] = MappingProxyType(
    {"eagle-": EAGLE, "eagle3": EAGLE3, "dflash": None, "dspark": None}
)
# Older names of the method, of which each may stand for any model (``MTPModelTypes``).
MTP_NAMES = frozenset(
    {
        MTP,
        "bailing_hybrid_mtp",
        "bailing_hybrid_v3_mtp",
        "deepseek_mtp",
        "dots3_note_mtp",
        "ernie_mtp",
        "exaone4_5_mtp",
        "exaone_moe_mtp",
        "gemma4_mtp",
        "glm4_moe_lite_mtp",
        "glm4_moe_mtp",
        "glm5_next_mtp",
        "glm_ocr_mtp",
        "hy_v3_mtp",
        "hy_v4_mtp",
        "inkling_mtp",
        "kimi_k3_mtp",
        "longcat_flash_mtp",
        "mimo_mtp",
        "mimo_v2_mtp",
        "minimax_m3_mtp",
        "nemotron_h_mtp",
        "pangu_ultra_moe_mtp",
        "qwen3_5_mtp",
        "qwen3_next_mtp",
        "qwen4_exp_mtp",
        "step3p5_mtp",
    }
)
_NAMED_AS_MODEL = NGRAM["ngram"]
_WINDOWS = ("prompt_lookup_min", "prompt_lookup_max")
_COUNTED = frozenset({"method", "model", "num_speculative_tokens"})
_RANKS = "draft_tensor_parallel_size"
_READ = frozenset({*_COUNTED, *_WINDOWS})
_KEYS: Mapping[str, frozenset[str]] = MappingProxyType(
    {MTP: _COUNTED | {_RANKS}} | dict.fromkeys(NAMES_A_MODEL, _COUNTED | {_RANKS, "revision"})
)
# Settings that say what vLLM does anyway.
_IDLE: Mapping[str, object] = MappingProxyType(
    {
        "disable_padded_drafter_batch": False,
        "draft_sample_method": "greedy",
        "enable_adaptive_verification": False,
        "parallel_drafting": False,
        "rejection_sample_method": "standard",
        "use_heterogeneous_vocab": False,
    }
)
# Methods that are not followed: those for which vLLM leaves model runner V2 (config/vllm.py), and others with layers.
SERVED_BY_V1 = frozenset({"custom_class", "medusa", "mlp_speculator", "suffix"})
WITH_LAYERS = frozenset({"dflash", "dspark", "extract_hidden_states"})
# Classes that hand over the hidden states of several layers (``SupportsEagle3``), as far as the rest is followed.
EAGLE3_TARGETS = frozenset(
    {
        "AfmoeForCausalLM",
        "ApertusForCausalLM",
        "GptOssForCausalLM",
        "GraniteForCausalLM",
        "LlamaForCausalLM",
        "MiniMaxM2ForCausalLM",
        "MistralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
    }
)
# Decoders whose last hidden states EAGLE reads, as far as the rest is followed.
EAGLE_TARGETS = frozenset({"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"})
# Layers of which nothing but the tokens of a request counts.
_PLAIN = FullAttention | SlidingWindow | ChunkedLocal

# FlashAttention, the default of these GPUs, captures decode steps of 1 + K tokens whole; other backends may not.
# Below Hopper it reads keys and values of 16 bits only.
_AMPERE, _HOPPER = (8, 0), (9, 0)
_SIXTEEN_BITS = frozenset({"auto", "bfloat16", "float16"})

TOKEN_ID = 4
SCORE = 8
DRAFT = 8
# Positions that one program scans, by the least context length for it.
_SCANNED = ((1024, 256), (256, 128), (64, 64))
_SCANNED_LEAST = 16


@dataclass(frozen=True, slots=True)
class Speculation:
    """A readable ``--speculative-config`` of a method that is followed.

    ``model`` and ``revision`` name a draft model, or the checkpoint of prediction layers.
    """

    method: str
    num_speculative_tokens: int
    model: str | None = None
    revision: str | None = None
    draft_tensor_parallel_size: int | None = None


def speculation(text: object) -> Speculation | None:
    """What a ``--speculative-config`` asks for; ``None`` where it is not followed, or vLLM would not take it."""
    told = _told(text)
    if told is None:
        return None
    drafted, method = _count(told.get("num_speculative_tokens")), _method(told)
    if method is None or drafted is None or not set(told) <= _KEYS.get(method, _READ) or not _windows_hold(told):
        return None
    ranks = None if told.get(_RANKS) is None else _count(told.get(_RANKS))
    if _RANKS in told and ranks is None:
        return None
    if method not in NAMES_A_MODEL and not (method == MTP and "model" in told):
        return Speculation(method, drafted, draft_tensor_parallel_size=ranks)
    model, revision = told.get("model"), told.get("revision")
    if not isinstance(model, str) or not (revision is None or isinstance(revision, str)):
        return None
    return Speculation(method, drafted, model, revision, ranks)


def _told(text: object) -> Mapping[str, object] | None:
    """The settings of a ``--speculative-config`` that say something; ``None`` where it is no map of settings."""
    try:
        told = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    given = {str(key).replace("-", "_"): value for key, value in told.items() if value is not None}
    return {key: value for key, value in given.items() if key not in _IDLE or value != _IDLE[key]}


def _method(told: Mapping[str, object]) -> str | None:
    method, model = told.get("method"), told.get("model")
    if method is None and isinstance(model, str) and model in _NAMED_AS_MODEL:
        return "ngram"
    if method in (EAGLE, EAGLE3):
        return str(method) if isinstance(model, str) and model.strip() else None
    if method in (None, DRAFT_MODEL):
        return _method_by_name(model) if isinstance(model, str) else None
    if isinstance(method, str) and method in MTP_NAMES:
        return MTP if model is None or (isinstance(model, str) and model.strip()) else None
    if not isinstance(method, str) or method not in NGRAM:
        return None
    return method if model is None or (isinstance(model, str) and model in NGRAM[method]) else None


def _method_by_name(model: str) -> str | None:
    """What drafts under a name, as far as vLLM goes by names: a model, EAGLE, or what is not followed."""
    dotted = model.split(".")
    is_class = "/" not in model and len(dotted) > 1 and all(part.isidentifier() for part in dotted)
    if not model.strip() or is_class:
        return None
    other = next((part for part in _OTHER_DRAFTERS if part in model.lower()), None)
    return DRAFT_MODEL if other is None else _OTHER_DRAFTERS[other]


def _windows_hold(told: Mapping[str, object]) -> bool:
    """Whether the least and the greatest length of an n-gram are counts in order, or left to vLLM."""
    given = [told[name] for name in _WINDOWS if told.get(name) is not None]
    counts = [_count(value) for value in given]
    return None not in counts and counts == sorted(count for count in counts if count is not None)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def speculative_method(text: object) -> str | None:
    """``speculative_method`` of EngineArgs, where it is one that is followed."""
    config = speculation(text)
    return None if config is None else config.method


def unfollowed_speculation(text: object, version: Version, spec: ModelSpec) -> str | None:
    """Why the memory under ``--speculative-config`` is not known; ``None`` where it is."""
    told = speculation(text)
    if told is None:
        return _unread(text)
    since = mtp_since(spec) if told.method == MTP else SINCE
    on_v1 = told.method in NAMES_A_MODEL and apart_on_v1(told.method, version, spec)
    if version < since and not on_v1:
        return f"speculative-config with the method {told.method} is followed since vLLM {since} only"
    if told.method == MTP:
        return spec.mtp.reason if isinstance(spec.mtp, Unavailable) else _unfollowed_checkpoint(spec, told)
    if told.method in NAMES_A_MODEL:
        return _unfollowed_model(spec, told, version)
    plain = all(isinstance(cache, _PLAIN) for cache in spec.caches)
    if spec.runner != "generate" or not spec.caches or not plain:
        return f"what drafting tokens takes with the layers of {spec.architecture[:60]} is not modelled yet"
    return None


def _unread(text: object) -> str:
    """Why a ``--speculative-config`` is not followed, by the method it names."""
    told = _told(text)
    method = None if told is None else told.get("method")
    if isinstance(method, str) and method in SERVED_BY_V1:
        return f"drafting by {method} is not modelled; vLLM serves it with its older model runner V1"
    if isinstance(method, str) and method in WITH_LAYERS:
        return f"the layers of {method} drafters are not modelled yet"
    return (
        "speculative-config is followed for ngram, ngram_gpu, mtp, draft_model, eagle and eagle3, without more settings"
    )


def _unfollowed_checkpoint(spec: ModelSpec, told: Speculation) -> str | None:
    """Why the checkpoint that is named for prediction layers is not followed: it is not known, or not the model's."""
    draft = spec.draft
    if told.model is None:
        return None
    if not isinstance(draft, ModelSpec):
        return f"the model {told.model[:80]} is not known{f': {draft.reason}' if draft else ' yet'}"
    same = replace(draft, draft=None) == replace(spec, draft=None)
    return None if same else "layers for multi-token prediction of another checkpoint are not modelled yet"


def _unfollowed_model(spec: ModelSpec, told: Speculation, version: Version) -> str | None:
    """Why the model that drafts is not followed: it is not known, or not of the kind that is."""
    reason = _unfollowed_kind(spec, told)
    layers = drafting_layers(spec, told.method) if reason is None and version < SINCE else None
    return reason if layers is None else unfollowed_on_v1(spec, layers, version)


def _unfollowed_kind(spec: ModelSpec, told: Speculation) -> str | None:
    draft = spec.draft
    if draft is None:
        return f"the draft model {(told.model or '')[:80]} is not known yet"
    if isinstance(draft, Unavailable):
        return f"the draft model is not known: {draft.reason}"
    layers = _eagle(draft, told.method)
    if told.method != DRAFT_MODEL and not isinstance(layers, Draft):
        return layers.reason if layers else f"{draft.architecture[:60]} is no drafter of {told.method} that is known"
    plain = all(isinstance(cache, _PLAIN) for cache in (*spec.caches, *draft.caches))
    if not plain or not draft.caches or draft.tower or draft.shapes_guessed or draft.runner != "generate":
        return f"drafting with the layers of {draft.architecture[:60]} for {spec.architecture[:60]} is not modelled yet"
    if told.method == EAGLE and (draft.hidden_size, draft.vocab_size) != (spec.hidden_size, spec.vocab_size):
        return "an EAGLE drafter of another width or vocabulary than the model's is not modelled"
    if told.method == EAGLE:
        known = spec.architecture in EAGLE_TARGETS
        return None if known else f"drafting by EAGLE for {spec.architecture[:60]} is not modelled yet"
    if told.method == EAGLE3:
        known = spec.architecture in EAGLE3_TARGETS
        return None if known else f"what {spec.architecture[:60]} hands to EAGLE-3 is not modelled yet"
    if draft.architecture in PREDICTS:
        return f"of {draft.architecture[:60]} vLLM takes the prediction layers to draft, which is not modelled yet"
    stored = draft.quantization
    # The draft's modules have a prefix of their own, which lists of exceptions may or may not mean.
    if stored is not None and (stored.ignored or stored.targets or stored.lm_head):
        return "a draft model that is quantized in parts is not modelled yet"
    return None


def drafter(spec: ModelSpec, args: EngineArgs) -> Draft | None:
    """The layers that draft tokens, if any."""
    return None if args.speculative_method is None else drafting_layers(spec, args.speculative_method)


def drafting_layers(spec: ModelSpec, method: str) -> Draft | None:
    """The layers that draft tokens by a method: the model's own, or those of the model that drafts for it."""
    if method == MTP and isinstance(spec.mtp, Draft):
        return spec.mtp
    if method not in NAMES_A_MODEL or not isinstance(spec.draft, ModelSpec):
        return None
    if method == DRAFT_MODEL:
        return Draft(_behind(spec.num_layers, spec.draft), streams=0)
    eagle = _eagle(spec.draft, method)
    return replace(eagle, spec=_behind(spec.num_layers, eagle.spec)) if isinstance(eagle, Draft) else None


def _eagle(draft: ModelSpec, method: str) -> Draft | Unavailable | None:
    """What a checkpoint is as a drafter by one of EAGLE's methods."""
    return draft.eagle if method == EAGLE else draft.eagle3


@lru_cache(maxsize=64)
def _behind(layers: int, draft: ModelSpec) -> ModelSpec:
    """A draft model whose caches count on from the layers of the model it drafts for."""
    caches = (replace(cache, layers=tuple(layer + layers for layer in cache.layers)) for cache in draft.caches)
    return replace(draft, caches=tuple(caches))


def cannot_draft(spec: ModelSpec, args: EngineArgs, gpu: Gpu) -> Unavailable | None:
    """Why drafting is not followed together with other arguments or on this GPU."""
    if args.speculative_method is None:
        return None
    if args.speculative_method == MTP and not isinstance(spec.mtp, Draft):
        return spec.mtp or Unavailable("this model has no layers for multi-token prediction")
    if args.speculative_method in NAMES_A_MODEL and drafter(spec, args) is None:
        return spec.draft if isinstance(spec.draft, Unavailable) else Unavailable("the draft model is not known")
    together = [words for words, is_set in _companions(args) if is_set]
    if together:
        return Unavailable(f"speculative-config together with {together[0]} is not modelled yet")
    if early_runner(spec, args, gpu.capability):
        return Unavailable(f"drafting by model runner V2 is not modelled for vLLM {args.vllm_version}")
    if gpu.vendor != "nvidia" or gpu.capability is None:
        return Unavailable(f"which graphs vLLM captures of drafted tokens is not known on {gpu.name}")
    return None


def _companions(args: EngineArgs) -> tuple[tuple[str, bool], ...]:
    """What drafting is not followed together with; a table of n-grams is indifferent to the weights."""
    layers = args.speculative_method in _HAS_LAYERS
    return (
        ("LoRA adapters", args.enable_lora),
        ("decode context parallelism", args.decode_context_parallel_size > 1),
        ("pipeline parallelism", layers and args.pipeline_parallel_size > 1),
        ("a tensor parallel size of its own", args.draft_tensor_parallel_size not in (None, args.tensor_parallel_size)),
        # Layers of one's own are not built by ``make_layers``, which moves them; those of a model are.
        ("CPU offload", args.speculative_method == DRAFT_MODEL and args.cpu_offload_gb > 0),
        ("data parallelism", args.speculative_method in NAMES_A_MODEL and args.data_parallel_size > 1),
    )


def captures_whole_steps(spec: ModelSpec, args: EngineArgs, gpu: Gpu) -> bool:
    """Whether decode steps of 1 + K tokens are certain to be captured whole, as far as that is known."""
    if args.num_speculative_tokens == 0:
        return True
    plain = all(isinstance(cache, _PLAIN) for cache in spec.caches)
    if not plain or gpu.capability is None or not _AMPERE <= gpu.capability <= _HOPPER:
        return False
    return gpu.capability == _HOPPER or _keeps_16_bits(spec, args)


def _keeps_16_bits(spec: ModelSpec, args: EngineArgs) -> bool:
    declared = spec.quantization is not None and spec.quantization.kv_cache is not None
    return args.kv_cache_dtype in _SIXTEEN_BITS and not (declared and args.kv_cache_dtype == "auto")


def drafting_slots(args: EngineArgs) -> int:
    """Tokens of a step that drafting takes for each request (``max_num_new_slots_for_drafting``)."""
    return 1 if args.speculative_method == DRAFT_MODEL else 0


def schedules_ahead(args: EngineArgs) -> bool:
    """Whether asynchronous scheduling stays on: the method ngram turns it off, whatever does the looking up."""
    return args.speculative_method != "ngram"


def drafting_state(args: EngineArgs, max_num_seqs: int, max_model_len: int, *, last_stage: bool) -> Term:
    """What drafting keeps on the GPU from before the profile run.

    All token ids, R × L × 4 B on every stage, and on the last the scores of scanned positions and R × K drafts.
    """
    rows, drafted = max_num_seqs, args.num_speculative_tokens
    amount = rows * max_model_len * TOKEN_ID + rows * drafted * DRAFT
    if last_stage:
        amount += rows * (-(-max_model_len // _scanned(max_model_len))) * SCORE + rows * drafted * DRAFT
    return Term("drafting state", amount, f"{rows:,} requests × {max_model_len:,} token ids of {TOKEN_ID} B")


def _scanned(max_model_len: int) -> int:
    found = next((block for least, block in _SCANNED if max_model_len >= least), None)
    return found if found is not None else max(_SCANNED_LEAST, 1 << (max(max_model_len, 1) - 1).bit_length())

"""How many tokens and requests one engine step may hold: the defaults by GPU class and vLLM version.

Follows ``EngineArgs.get_batch_defaults`` and ``_set_default_max_num_seqs_and_batched_tokens_args`` of
``vllm/engine/arg_utils.py`` for ``vllm serve``; V0 defaults are those of ``SchedulerConfig.__post_init__``.
"""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.budget import GIB
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Runner, model_runner

LARGE_GPU = 70 * GIB
LARGEST_GPU = 160 * GIB
A100_EXCLUDED = Version(0, 9, 0)
LARGEST_TIER = Version(0, 28, 0)
SPARK_EXCLUDED = Version(0, 33, 0)
SPARK_CAPABILITY = (12, 1)
SEQS_CAPPED_BY_TOKENS = Version(0, 10, 2)
TOKENS_CAPPED_BY_LENGTHS = Version(0, 9, 0)

# V0: chunked prefill is off by default up to this length, and then a whole prompt must fit one step.
V0_LONG_CONTEXT = 32768
V0_TOKENS = 2048
V0_SEQS = 256
V0_POOLING_TOKENS = 32768
V0_MULTIMODAL_TOKENS = 5120

ASYNC_BY_DEFAULT = Version(0, 14, 0)


@dataclass(frozen=True, slots=True)
class Batch:
    """One engine step at its largest. ``*_why`` says where each number comes from."""

    max_num_batched_tokens: int
    max_num_seqs: int
    chunked_prefill: bool
    tokens_why: str
    seqs_why: str

    @property
    def num_reqs(self) -> int:
        """Requests of the dummy batch that memory is profiled with."""
        return min(self.max_num_seqs, self.max_num_batched_tokens)


def batch(args: EngineArgs, gpu: Gpu, max_model_len: int, spec: ModelSpec) -> Batch:
    """The step limits of ``vllm serve`` for ``args`` on ``gpu``; values the user gave are kept as they are."""
    runner = model_runner(spec, args, gpu.capability)
    chunked = _chunked_prefill(args, max_model_len, spec, runner)
    default_tokens, default_seqs, why = (
        _v0_defaults(max_model_len, spec, chunked) if runner == "V0" else _defaults(args.vllm_version, gpu)
    )
    if args.performance_mode == "throughput":
        default_tokens, default_seqs, why = 2 * default_tokens, 2 * default_seqs, f"{why}, doubled for throughput"
    seqs = default_seqs if args.max_num_seqs is None else args.max_num_seqs
    tokens = args.max_num_batched_tokens
    if tokens is None:
        tokens, why = _adjusted(default_tokens, why, args.vllm_version, seqs, max_model_len, chunked)
    if args.max_num_seqs is None and args.vllm_version >= SEQS_CAPPED_BY_TOKENS:
        seqs = min(seqs, tokens)
    return Batch(
        max_num_batched_tokens=max(1, tokens),
        max_num_seqs=max(1, seqs),
        chunked_prefill=chunked,
        tokens_why="max_num_batched_tokens as set" if args.max_num_batched_tokens is not None else why,
        seqs_why="max_num_seqs as set" if args.max_num_seqs is not None else f"default for {gpu.name}",
    )


def _defaults(version: Version, gpu: Gpu) -> tuple[int, int, str]:
    """Tokens and requests of ``vllm serve`` by the memory of the device and its name."""
    if version >= LARGEST_TIER and gpu.memory_bytes >= LARGEST_GPU:
        return 16384, 1024, "default for GPUs of 160 GiB and more"
    if gpu.memory_bytes >= LARGE_GPU and not _excluded(version, gpu):
        return 8192, 1024, "default for GPUs of 70 GiB and more"
    return 2048, 256, "default for this GPU"


def _excluded(version: Version, gpu: Gpu) -> bool:
    a100 = version >= A100_EXCLUDED and "a100" in gpu.name.lower()
    return a100 or (version >= SPARK_EXCLUDED and gpu.capability == SPARK_CAPABILITY)


def _v0_defaults(max_model_len: int, spec: ModelSpec, chunked: bool) -> tuple[int, int, str]:
    tokens = V0_TOKENS if chunked else max(max_model_len, V0_TOKENS)
    why = "default of V0 with chunked prefill" if chunked else "a whole prompt in one step: chunked prefill is off"
    if spec.runner == "pooling":
        tokens = max(tokens, V0_POOLING_TOKENS)
    if spec.tower:
        tokens = max(tokens, V0_MULTIMODAL_TOKENS)
    return tokens, V0_SEQS, why


def _adjusted(tokens: int, why: str, version: Version, seqs: int, max_model_len: int, chunked: bool) -> tuple[int, str]:
    if not chunked and max_model_len > tokens:
        tokens, why = max_model_len, "a whole prompt in one step: chunked prefill is off"
    if version >= TOKENS_CAPPED_BY_LENGTHS and seqs * max_model_len < tokens:
        return seqs * max_model_len, "max_num_seqs × max_model_len"
    return tokens, why


def _chunked_prefill(args: EngineArgs, max_model_len: int, spec: ModelSpec, runner: Runner) -> bool:
    if runner != "V0":
        if args.vllm_version < Version(0, 9, 0):
            return True
        return spec.runner == "generate" if args.enable_chunked_prefill is None else args.enable_chunked_prefill
    if args.enable_chunked_prefill is not None:
        return args.enable_chunked_prefill
    return max_model_len > V0_LONG_CONTEXT and spec.runner == "generate" and not spec.tower and not spec.sliding_window

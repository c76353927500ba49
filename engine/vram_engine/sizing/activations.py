"""The peak of temporary tensors in vLLM's profile run ("peak activation" in its log).

``profile_run`` of the model runner pushes ``max_num_batched_tokens`` tokens through the model and then samples for
every request slot. The peak is the largest of these moments; they do not add up.
"""

from __future__ import annotations

from dataclasses import replace

from vram_engine.facts.constants import constant
from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term, total
from vram_engine.sizing.drafts import draft_peak
from vram_engine.sizing.encoder import encoder_peak, kept_embeddings, sees_images
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era
from vram_engine.sizing.forward import VALUE, compiled, forward_peak, shared_workspace
from vram_engine.sizing.lora import working_bytes
from vram_engine.sizing.parallelism import padded_vocab
from vram_engine.sizing.sampler import sampler_peak
from vram_engine.sizing.speculative import drafter, drafting_slots

COMBO_KERNELS_SINCE = Version(0, 12, 0)
HOPPER = (9, 0)


def activations(
    spec: ModelSpec,
    args: EngineArgs,
    batch: Batch,
    era: Era,
    gpu: Gpu,
    *,
    first_stage: bool = True,
    last_stage: bool = True,
) -> Term:
    """The activation peak of one rank, without CUDA graphs; ``because`` says which moment it is."""
    batch = _profiled(batch, args, era)
    standing = _standing(spec, args, batch, era, gpu)
    moments = [_beside(standing, forward_peak(spec, args, batch, era, gpu))]
    if last_stage and spec.runner == "generate":
        moments.append(_beside(standing, sampler_peak(spec, args, batch, era)))
    if last_stage and (draft := drafter(spec, args)) is not None:
        moments.append(_beside(standing, draft_peak(spec, draft, args, batch, era, gpu)))
    if first_stage and (tower := encoder_peak(spec, args, batch, era, gpu)) is not None:
        moments.append(tower)
    if first_stage and benchmarks_embedding(spec, args, era):
        moments.append(_beside(_waiting(spec, args, batch), compile_peak(spec, args, batch)))
    peak = max(moments, key=lambda moment: moment.bytes)
    band = (max(moment.low for moment in moments), max(moment.high for moment in moments))
    parts = [replace(peak, spread=band), _workspace(gpu)]
    if not first_stage:
        parts.append(_received(spec, batch))
    return total("activation", peak.because, *parts)


def _profiled(batch: Batch, args: EngineArgs, era: Era) -> Batch:
    """The step of the profile run, which leaves room for what a draft model adds to each request (``_dummy_run``).

    Runner V1 leaves none.
    """
    slots = drafting_slots(args) * batch.num_reqs if era.runner != "V1" else 0
    return replace(batch, max_num_batched_tokens=max(1, batch.max_num_batched_tokens - slots)) if slots else batch


def _standing(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """What stands beside every moment of the language model.

    Shared workspaces, embeddings of profiled images, what adapters work on, and hidden states handed to a drafter.
    """
    shared = shared_workspace(spec, args, batch, era, gpu)
    kept = kept_embeddings(spec, args, batch, era) + working_bytes(spec, args, batch.max_num_batched_tokens)
    draft = drafter(spec, args)
    kept += 0 if draft is None else draft.states * batch.max_num_batched_tokens * spec.hidden_size * VALUE
    return replace(shared, bytes=shared.bytes + kept, spread=(shared.low, shared.high + kept))


def _waiting(spec: ModelSpec, args: EngineArgs, batch: Batch) -> Term:
    """Hidden states that wait while the layers that draft are compiled, which read the embedding table as well."""
    draft = drafter(spec, args)
    states = 0 if draft is None else 1 + draft.states
    return Term("waiting states", states * batch.max_num_batched_tokens * spec.hidden_size * VALUE, "")


def _beside(standing: Term, moment: Term) -> Term:
    band = (moment.low + standing.low, moment.high + standing.high)
    return replace(moment, bytes=moment.bytes + standing.bytes, spread=band) if standing.bytes else moment


def benchmarks_embedding(spec: ModelSpec, args: EngineArgs, era: Era) -> bool:
    """Whether a first compilation times kernels that read the embedding table.

    Models with image or audio input look their embeddings up outside the compiled graph.
    """
    return compiled(args, era) and era.version >= COMBO_KERNELS_SINCE and not sees_images(spec, args)


def compile_peak(spec: ModelSpec, args: EngineArgs, batch: Batch) -> Term:
    """Inductor's timing of combined kernels, on random copies of their arguments: one is the embedding table.

    It happens inside the profile run and only while nothing is in the compile cache (``benchmark_combo_kernel``).
    """
    rows = padded_vocab(spec.vocab_size) // args.tensor_parallel_size
    amount = (rows + batch.max_num_batched_tokens) * spec.hidden_size * VALUE
    because = f"torch.compile tries kernels on a copy of the {rows:,} × {spec.hidden_size:,} embedding table"
    return Term("first compilation", amount, because, "modelled", spread=(0, amount + 96 * MIB))


def _workspace(gpu: Gpu) -> Term:
    row = constant("cublas_workspace_hopper" if gpu.capability == HOPPER else "cublas_workspace")
    because = "taken by the first matrix product"
    return Term("cuBLAS workspace", row.value, because, "modelled", spread=(row.low, row.high))


def _received(spec: ModelSpec, batch: Batch) -> Term:
    """Hidden states and residual that a later pipeline stage receives, kept as a buffer for T tokens."""
    amount = 2 * batch.max_num_batched_tokens * spec.hidden_size * VALUE
    return Term("received states", amount, "hidden states and residual of the stage before")

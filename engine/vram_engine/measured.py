"""What vLLM itself measured at one start-up, kept so that the same deployment is sized with it from then on."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.facts.versions import Version


@dataclass(frozen=True, slots=True)
class Measured:
    """One start-up: what was launched, and what each rank held. Bytes per rank; ``None`` where the log did not say.

    ``gpu`` is a catalogue id. ``arguments`` are the others that change these amounts, by vLLM's names, in order.
    ``non_torch_bytes`` is all that vLLM charges beside weights, activations and CUDA graphs; where a log tells only the
    sum of these three, it is ``beside_weights_bytes``.
    """

    model: str
    gpu: str
    vllm_version: Version
    tensor_parallel_size: int
    max_num_seqs: int
    max_num_batched_tokens: int
    arguments: tuple[tuple[str, str | int | float | bool], ...] = ()
    weights_bytes: int | None = None
    activation_bytes: int | None = None
    non_torch_bytes: int | None = None
    cuda_graph_bytes: int | None = None
    beside_weights_bytes: int | None = None

    @property
    def launch(self) -> Measured:
        """What was launched, without what was measured: equal for two start-ups of the same deployment."""
        return Measured(
            self.model,
            self.gpu,
            self.vllm_version,
            self.tensor_parallel_size,
            self.max_num_seqs,
            self.max_num_batched_tokens,
            tuple(sorted(self.arguments)),
        )

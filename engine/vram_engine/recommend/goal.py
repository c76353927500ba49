"""What a configuration must serve: requests of how many tokens, how many at once, and what matters beside that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vram_engine.deployment import Deployment
from vram_engine.model.length import derived_max_model_len
from vram_engine.model.spec import ModelSpec
from vram_engine.resolution import vllm_version

Mode = Literal["balanced", "throughput", "latency"]
MODES: tuple[Mode, ...] = ("balanced", "throughput", "latency")

# Below this a shorter context is no longer a deployment anyone asked for.
SHORTEST_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Asked:
    """A goal as a user sets it, over what the file says; what is None is left to the file."""

    tokens: int | None = None
    concurrency: int | None = None
    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """``concurrency`` requests of ``tokens`` tokens at once.

    ``least_tokens`` and ``least_concurrency`` are what may not be gone below: all of it where the user insists.
    ``tokens_said`` is whether anyone named a length; a default is nobody's wish, so that less of it is no loss.
    ``longest`` is the length above which vLLM refuses.
    """

    tokens: int
    concurrency: int
    mode: Mode
    least_tokens: int
    least_concurrency: int
    tokens_said: bool
    longest: int

    def shortfall(self, tokens: int, concurrency: int) -> float:
        """The share of what was asked for that is not served, 0 to 1."""
        kept = min(tokens / self.tokens, 1.0) if self.tokens_said else 1.0
        return 1.0 - kept * min(concurrency / self.concurrency, 1.0)


def goal_of(deployment: Deployment, spec: ModelSpec, asked: Asked | None = None) -> Goal:
    """The goal of a deployment: what the user insists on, else what the file says, else the model's own length."""
    asked = asked or Asked()
    native = derived_max_model_len(spec, vllm_version(deployment))
    spoken = (deployment.integer("prompt-tokens") or 0) + (deployment.integer("gen-tokens") or 0)
    written = deployment.integer("max-model-len") or 0
    said = asked.tokens or max(written, 0) or spoken
    longest = native if deployment.effective("hf-overrides") is None else max(native, said)
    tokens = max(min(said or native, longest), 1)
    requests = max(asked.concurrency or deployment.integer("concurrency") or 1, 1)
    return Goal(
        tokens=tokens,
        concurrency=requests,
        mode=asked.mode or _mode(deployment),
        least_tokens=tokens if asked.tokens else min(max(spoken, SHORTEST_CONTEXT), tokens),
        least_concurrency=requests if asked.concurrency else 1,
        tokens_said=bool(said),
        longest=longest,
    )


def _mode(deployment: Deployment) -> Mode:
    said = deployment.text("mode") or deployment.text("performance-mode")
    known: dict[str, Mode] = {"throughput": "throughput", "latency": "latency", "interactivity": "latency"}
    return known.get(said or "", "balanced")

"""The GPUs of this machine, whoever made them: NVIDIA's driver is asked first, and AMD's program where it has none."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vram_engine.ports import Detected, DetectedGpu
from vram_engine.sources.amd_smi import AmdGpus
from vram_engine.sources.nvml import NvmlGpus


class ThisMachine:
    """The GPUs that a program started here could use."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._sources = (NvmlGpus(environment), AmdGpus(environment))

    def gpus(self) -> tuple[DetectedGpu, ...]:
        """The GPUs alone; empty where there are none or no driver answers."""
        return self.detect().gpus

    def detect(self) -> Detected:
        """The first answer with GPUs in it, else the first that says what is wrong."""
        answers: list[Detected] = []
        for source in self._sources:
            answer = source.detect()
            if answer.gpus:
                return answer
            answers.append(answer)
        return next((answer for answer in answers if answer.problem is not None), Detected())

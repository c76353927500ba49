"""The name of a container image in its parts, as it is written."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.text import Span


@dataclass(frozen=True, slots=True)
class ImageName:
    """``repository:tag@digest``; tag and digest are empty where the name has none. ``span`` is where it is written."""

    repository: str
    tag: str = ""
    digest: str = ""
    span: Span | None = None

    @property
    def reference(self) -> str:
        """The whole name."""
        tagged = f"{self.repository}:{self.tag}" if self.tag else self.repository
        return f"{tagged}@{self.digest}" if self.digest else tagged


def image_name(text: str, span: Span | None = None) -> ImageName:
    """The parts of a name such as ``docker.io/vllm/vllm-openai:v0.10.0``; a port of a registry is no tag."""
    named, _, digest = text.strip().partition("@")
    repository, _, tag = named.rpartition(":") if ":" in named.rpartition("/")[2] else (named, "", "")
    return ImageName(repository, tag, digest, span)

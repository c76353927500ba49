"""vram-lsp: the shell around vram_engine. It lends the engine files, GPUs, an editor and a terminal."""

from __future__ import annotations

__version__ = "0.1.0"

"""The program: ``vram-lsp``, or ``python -m vram_lsp``."""

from __future__ import annotations

import sys

from vram_lsp.cli import main

if __name__ == "__main__":
    sys.exit(main())

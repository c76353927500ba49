"""Draws .github/picture.svg: a real Neovim with the plugin at work on an example. Needs tmux; run by hand.

``python -m tests.tools.picture``
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
PICTURE = ROOT / ".github/picture.svg"
COLUMNS, LINES = 118, 23
SESSION = "vram-lsp-picture"

SETUP = f"""
vim.cmd('filetype plugin on | syntax on | set notermguicolors background=dark shortmess+=I noruler')
vim.o.statusline = " %f %= %{{v:lua.require'vram_lsp'.statusline()}} "
vim.opt.runtimepath:append('{ROOT}/editors/nvim')
vim.lsp.config('vram_lsp', {{ cmd = {{ '{BIN}/vram-lsp', 'serve' }} }})
vim.lsp.enable('vram_lsp')
vim.diagnostic.config({{ virtual_text = true, underline = true, signs = false }})
vim.o.winborder = 'rounded'
vim.api.nvim_set_hl(0, 'DiagnosticUnderlineError', {{ undercurl = true, ctermfg = 9 }})
"""

# rich's own template fetches a font from the web.
TEMPLATE = """<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
<rect width="{terminal_width}" height="{terminal_height}" rx="8" fill="#14161b"/>
<g clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def tmux(*words: str) -> str:
    """One command to the picture's own tmux server."""
    done = subprocess.run(["tmux", "-L", SESSION, *words], capture_output=True, text=True, check=True)
    return done.stdout


def screen() -> str:
    """What Neovim shows, with its colours, once the findings and the plan are there."""
    setup = ROOT / ".venv/picture.lua"
    setup.write_text(SETUP, encoding="utf-8")
    nvim = f"{BIN}/nvim -u {setup} -i NONE -n examples/does-not-fit.yaml"
    tmux("new-session", "-d", "-s", SESSION, "-x", str(COLUMNS), "-y", str(LINES), "-c", str(ROOT), nvim)
    try:
        time.sleep(6)
        tmux("send-keys", "-t", SESSION, ":VramPlan", "Enter")
        time.sleep(2)
        return tmux("capture-pane", "-t", SESSION, "-p", "-e")
    finally:
        tmux("kill-server")


def main() -> None:
    """Capture and draw."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen()), end="")
    PICTURE.write_text(console.export_svg(title="vram-lsp", code_format=TEMPLATE), encoding="utf-8")


if __name__ == "__main__":
    main()

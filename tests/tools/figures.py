"""The figures of the documentation: every command in a ```console block is run, and what it prints put below it.

``python -m tests.tools.figures`` mends the pages; tests/docs asks whether that would change anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def mended(page: str) -> str:
    """``page`` with the output of its commands as it is now."""
    return _BLOCK.sub(lambda block: f"```console\n{_played(block[1])}```", page)


def _played(block: str) -> str:
    """A block's commands, each with what it prints; a backslash continues a command on the next line."""
    commands = re.findall(r"^\$ .*(?:(?<=\\)\n.*)*", block, re.MULTILINE)
    return "".join(f"{command}\n{_printed(command.removeprefix('$ '))}" for command in commands)


def _printed(command: str) -> str:
    """What a shell in the checkout prints, without spaces at the ends of lines."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def main() -> None:
    """Mend every page."""
    for page in PAGES:
        page.write_text(mended(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

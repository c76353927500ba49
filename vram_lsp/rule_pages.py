"""The pages of the rules: one Markdown file that ships with the package, so that links work offline."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path


@cache
def path() -> Path:
    """RULES.md as installed in the package, or as it stands in a checkout."""
    import vram_engine

    package = Path(str(resources.files(vram_engine)))
    installed = package / "RULES.md"
    return installed if installed.is_file() else package.parent / "RULES.md"


@cache
def uri(rule: str) -> str:
    """A file URI that opens the page at the rule."""
    return f"{path().as_uri()}#{rule}"

"""vramLsp.planPage: the plan of an open document as a web page, for clients that have no view of their own for it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

PLAN_PAGE = "vramLsp.planPage"


def written(document: dict[str, Any], uri: str) -> str:
    """Writes the page for a plan document into a folder that only this user can read; the page's URI."""
    from vram_lsp.report.html import plan_page

    name = Path(uri).name or "plan"
    # The name comes from a client: no part of it may lead elsewhere, and none is too long for a file.
    plain = "".join(each if each.isalnum() or each in "-_." else "_" for each in name)[:80]
    page = _folder() / f"{plain}.html"
    page.write_text(plan_page(document), encoding="utf-8")
    return page.as_uri()


@cache
def _folder() -> Path:
    """One folder for as long as the server lives."""
    folder = Path(tempfile.mkdtemp(prefix="vram-lsp-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

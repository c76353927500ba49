"""The plan as one web page that needs nothing else: the page of ``planview`` with its style, script and data inside.

Editors host the same page with their own addresses (editors/planview.md says how).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any

_PAGE = resources.files("vram_lsp") / "planview"


def plan_page(document: dict[str, Any]) -> str:
    """A page that shows ``document``, the document of ``plan --json``, as it is; it loads and sends nothing."""
    style, script = _read("planview.css"), _read("planview.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    data = f'<script type="application/json" id="document">{_inert(document)}</script>'
    filled = {
        "{{csp}}": policy,
        "{{style}}": f"<style>{style}</style>",
        "{{data}}": data,
        "{{script}}": f'<script type="module">{script}</script>',
    }
    # One pass: what a name in the data looks like is not filled in turn.
    return re.sub(r"\{\{\w+\}\}", lambda hole: filled[hole[0]], _read("index.html"))


def _inert(document: dict[str, Any]) -> str:
    """JSON that no name or message in it can end: ``<`` would start a closing tag, ``&`` an entity."""
    text = json.dumps(document, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

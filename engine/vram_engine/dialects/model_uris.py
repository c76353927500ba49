"""Models named by where they are stored: ``hf://org/name``, a volume, an object store."""

from __future__ import annotations

import re

from vram_engine.deployment import Known, Setting, Unknown
from vram_engine.dialects.container import scalar_chars
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.keyed import NONE, one, together
from vram_engine.dialects.trees import text_of
from vram_engine.dialects.words import text_site
from vram_engine.syntax.nodes import Node

_HUB = re.compile(r"(?:hf|huggingface)://(?P<name>[\w.-]+/[\w.-]+)(?:[:@](?P<revision>[\w.-]+))?/?", re.ASCII)
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_STORED = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)


def model_settings(text: str, node: Node | None, name: Node | None = None) -> EngineSettings:
    """The model of a URI; what a store holds is not known, unless ``name`` is that of a model on the hub."""
    chars = scalar_chars(text, node)
    if chars is None or not chars.text.strip():
        return NONE
    hub = _HUB.fullmatch(chars.text.strip())
    if hub is not None:
        start = chars.text.index(hub["name"])
        part = chars.slice(start, start + len(hub["name"]))
        model = one(Setting("model", Known(hub["name"]), "file", "uri", span=part.span), text_site(part))
        revision = hub["revision"]
        if not revision:
            return model
        return together(model, one(Setting("revision", Known(revision), "file", "uri", span=chars.span)))
    if _STORED.match(chars.text):
        stored = Setting("model", Unknown(f"what {chars.text} holds is not known"), "file", "uri", span=chars.span)
        return model_settings(text, name) if _HUB_NAME.fullmatch(text_of(name)) else one(stored)
    named = chars.text.strip()
    return one(Setting("model", Known(named), "file", "model", span=chars.span), text_site(chars))

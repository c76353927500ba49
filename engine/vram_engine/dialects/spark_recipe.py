"""Recipes for DGX Spark: a command with ``{placeholders}`` and their defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vram_engine.deployment import Deployment, Setting, Unknown
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.chars import Chars, hole, joined
from vram_engine.dialects.container import Given, deployment, engine_of
from vram_engine.dialects.launch import script_launches
from vram_engine.dialects.scripts import script_of_node, variables_of
from vram_engine.dialects.surroundings import around_launch, placed
from vram_engine.dialects.trees import at, span_of, text_of
from vram_engine.dialects.variables import Variables, use_of
from vram_engine.syntax.nodes import Document, Mapping, Tree, resolve

_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_]\w*)\}", re.ASCII)


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    root = resolve(document.root)
    return isinstance(root, Mapping) and root.entry("recipe_version") is not None and root.entry("command") is not None


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    text, root = tree.text, tree.documents[number].root
    script = script_of_node(text, at(root, "command"))
    if script is None:
        return ()
    defaults = variables_of(text, at(root, "defaults"), "has no default")
    filled = replace(script, chars=joined(list(_filled(script.chars, defaults))))
    # A recipe may be run on one machine or on several, each with a single GPU.
    given = Given((Setting("nodes", Unknown("a recipe may run on several machines"), "file", "recipe_version"),))
    name = at(root, "name")
    found = script_launches(filled, variables_of(text, at(root, "env"), "is set elsewhere"))
    called = text_of(name) or "recipe"
    return tuple(
        placed(
            deployment("spark-recipe", called, number, span_of(name), engine_of(text, launch, None, None), given),
            around_launch(launch),
        )
        for launch in found
    )


def _filled(chars: Chars, defaults: Variables) -> Iterator[Chars]:
    at = 0
    for match in _PLACEHOLDER.finditer(chars.text):
        yield chars.slice(at, match.start())
        at = match.end()
        use = use_of(chars, match.start(), match.end())
        value = defaults.get(match[1])
        if value is None:
            yield hole(use, f"{match[0]} has no default")
        else:
            yield value.used_at(use, shared=chars.text.count(match[0]) > 1)
    yield chars.slice(at, len(chars.text))


SPARK_RECIPE = Dialect("spark-recipe", _claims, _suits, _read)

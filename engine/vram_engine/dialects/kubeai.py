"""KubeAI: the ``Model`` resource, and the chart of models that makes such resources."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vram_engine.deployment import Deployment, JointSite, Known, Setting, Unknown
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment, image_at, item_words, scalar_chars
from vram_engine.dialects.engine_settings import Edition, EngineSettings, read_engine
from vram_engine.dialects.keyed import NONE, one, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.pods import kind_of
from vram_engine.dialects.scripts import variables_of
from vram_engine.dialects.surroundings import Surroundings, environment_of, placed
from vram_engine.dialects.trees import at, items, span_of, text_of
from vram_engine.dialects.words import text_site
from vram_engine.facts.gpus import find_gpu
from vram_engine.syntax.nodes import Document, Mapping, Node, Tree, resolve
from vram_engine.text import Span

_PROFILE = re.compile(r"(.+):([1-9]\d{0,2})", re.ASCII)


def _models(document: Document) -> Iterator[tuple[str, Span | None, Mapping]]:
    """The specs of all models that vLLM serves, with their names."""
    version, kind = kind_of(document)
    listed: list[tuple[str, Span | None, Node | None]] = []
    if version.startswith("kubeai.org/") and kind == "Model":
        called = at(document.root, "metadata", "name")
        listed.append((text_of(called) or "model", span_of(called), at(document.root, "spec")))
    catalog = resolve(at(document.root, "catalog"))
    if not version and isinstance(catalog, Mapping):
        listed += [(name, entry.key.span, entry.value) for name, entry in catalog.pairs()]
    for name, span, node in listed:
        spec = resolve(node)
        if isinstance(spec, Mapping) and text_of(spec.get("engine")) == "VLLM" and spec.entry("url") is not None:
            yield name, span, spec


def _claims(tree: Tree, number: int) -> bool:
    return any(True for _ in _models(tree.documents[number]))


def _suits(document: Document) -> bool:
    return any(True for _ in _models(document))


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    return tuple(_model(tree.text, number, *model) for model in _models(tree.documents[number]))


def _model(text: str, number: int, name: str, span: Span | None, spec: Mapping) -> Deployment:
    words = item_words(text, at(spec, "args")) or ()
    # KubeAI brings its own release of vLLM, which the resource does not name.
    engine = together(model_settings(text, at(spec, "url")), _adapters(spec), read_engine(text, words, (), Edition()))
    made = deployment("kubeai", name, number, span, engine, _profile(text, at(spec, "resourceProfile")))
    variables = environment_of(variables_of(text, spec.get("env"), "is set elsewhere"), {})
    elsewhere = "" if spec.get("envFrom") is None else "more of it is in a Secret or ConfigMap"
    return placed(made, Surroundings(image_at(spec.get("image")), variables, (), elsewhere))


def _adapters(spec: Mapping) -> EngineSettings:
    """With adapters, KubeAI starts vLLM with LoRA."""
    adapters = spec.get("adapters")
    if adapters is None or not any(True for _ in items(adapters)):
        return NONE
    return one(Setting("enable-lora", Known(True), "file", "adapters", span=adapters.span))


def _profile(text: str, node: Node | None) -> Given:
    """``nvidia-gpu-h100:8``: a card as the installation calls it, and how many."""
    chars = scalar_chars(text, node)
    profile = _PROFILE.fullmatch(chars.text) if chars is not None else None
    if chars is None or profile is None:
        return Given()
    name, number = profile.groups()
    if name.startswith("cpu"):
        return Given((Setting("gpu", Unknown("a profile without GPUs"), "file", "resourceProfile", span=chars.span),))
    known = find_gpu(name) is not None
    value = Known(name) if known else Unknown(f"what the resource profile {name} holds is set elsewhere")
    counted = chars.slice(profile.start(2), len(chars.text))
    site = text_site(counted)
    return Given(
        (
            Setting("gpu", value, "file", "resourceProfile", span=chars.span),
            Setting("gpus", Known(int(number)), "file", "resourceProfile", span=counted.span),
        ),
        {"gpus": None if site is None else JointSite((site,))},
    )


KUBEAI = Dialect("kubeai", _claims, _suits, _read)

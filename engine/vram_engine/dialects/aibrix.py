"""AIBrix: templates of model deployments, YAML in a ConfigMap. Its workloads are pods like any other."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Deployment, JointSite, Known, Setting
from vram_engine.dialects.accelerators import count
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment, item_words
from vram_engine.dialects.embedded import embedded
from vram_engine.dialects.engine_settings import Edition, read_engine
from vram_engine.dialects.keyed import Spelling, read_keyed, scalar_site, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.pods import kind_of
from vram_engine.dialects.trees import at, maps, span_of, text_of
from vram_engine.facts.gpus import find_gpu
from vram_engine.facts.versions import parse_version
from vram_engine.syntax.nodes import Document, Mapping, Node, Tree, resolve

_ENGINE = Spelling("snake")
_PARALLELISM = Spelling("", {"tp": "tensor-parallel-size", "pp": "pipeline-parallel-size", "dp": "data-parallel-size"})
_QUANTIZATION = Spelling("", {"kv_cache": "kv-cache-dtype"})


def _templates(tree: Tree, document: Document) -> Iterator[Mapping]:
    if kind_of(document)[1] != "ConfigMap":
        return
    data = resolve(at(document.root, "data"))
    for _, entry in data.pairs() if isinstance(data, Mapping) else ():
        if "engine_args" in text_of(entry.value) and "model_source" in text_of(entry.value):
            for template in maps(embedded(tree.text, entry.value)):
                if text_of(at(template, "spec", "engine", "type")) == "vllm":
                    yield template


def _claims(tree: Tree, number: int) -> bool:
    return any(True for _ in _templates(tree, tree.documents[number]))


def _suits(document: Document) -> bool:  # noqa: ARG001  # a template is only told by what is inside its text
    return False


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    return tuple(_template(tree.text, number, template) for template in _templates(tree, tree.documents[number]))


def _template(text: str, number: int, template: Mapping) -> Deployment:
    spec = at(template, "spec")
    version = parse_version(text_of(at(spec, "engine", "version")))
    words = item_words(text, at(spec, "engine", "serve_args")) or ()
    engine = together(
        model_settings(text, at(spec, "model_source", "uri")),
        read_engine(text, words, (), Edition(version)),
        read_keyed(text, at(spec, "parallelism"), _PARALLELISM),
        read_keyed(text, at(spec, "engine_args"), _ENGINE),
        read_keyed(text, at(spec, "quantization"), _QUANTIZATION),
    )
    given = _hardware(text, spec)
    if version is not None:
        shown = span_of(at(spec, "engine", "version"))
        given += Given((Setting("vllm-version", Known(str(version)), "file", "version", span=shown),))
    name = at(template, "name")
    return deployment("aibrix", text_of(name) or "template", number, span_of(name), engine, given)


def _hardware(text: str, spec: Node | None) -> Given:
    kind, number = at(spec, "accelerator", "type"), at(spec, "accelerator", "count")
    settings = []
    if find_gpu(text_of(kind)) is not None:
        settings.append(Setting("gpu", Known(text_of(kind)), "file", "type", span=span_of(kind)))
    counted = count(number)
    if counted:
        settings.append(Setting("gpus", Known(counted), "file", "count", span=span_of(number)))
    site = scalar_site(text, number) if number is not None else None
    return Given(tuple(settings), {"gpus": None if site is None else JointSite((site,))})


AIBRIX = Dialect("aibrix", _claims, _suits, _read)

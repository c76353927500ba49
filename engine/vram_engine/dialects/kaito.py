"""KAITO: a ``Workspace`` on Azure, with vLLM's settings in a ConfigMap of the same file."""

from __future__ import annotations

from vram_engine.deployment import Deployment, Known, Setting, Unknown
from vram_engine.dialects.accelerators import count
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment
from vram_engine.dialects.embedded import embedded
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.keyed import Spelling, one, read_keyed, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.pods import kind_of
from vram_engine.dialects.trees import at, span_of, text_of
from vram_engine.facts.gpus import GpuMatch, find_gpu
from vram_engine.syntax.nodes import Document, Mapping, Node, Tree, resolve

_FLAGS = Spelling("kebab")


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    version, kind = kind_of(document)
    return version.startswith("kaito.sh/") and kind == "Workspace"


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    root = tree.documents[number].root
    if text_of(at(root, "metadata", "annotations", "kaito.sh/runtime")) not in ("", "vllm"):
        return ()
    config = _config(tree, text_of(at(root, "inference", "config")))
    preset = at(root, "inference", "preset", "name")
    if config is None or not text_of(preset):
        return ()
    engine = together(_model(tree.text, preset), read_keyed(tree.text, config, _FLAGS), _added())
    name = at(root, "metadata", "name")
    return (deployment("kaito", text_of(name), number, span_of(name), engine, _hardware(root)),)


def _config(tree: Tree, name: str) -> Node | None:
    """The ``vllm:`` map of the ConfigMap of that name."""
    for document in tree.documents:
        if name and kind_of(document)[1] == "ConfigMap" and text_of(at(document.root, "metadata", "name")) == name:
            inner = embedded(tree.text, at(document.root, "data", "inference_config.yaml"))
            found = resolve(at(inner, "vllm"))
            return found if isinstance(found, Mapping) else None
    return None


def _model(text: str, preset: Node | None) -> EngineSettings:
    """Newer presets are called after the model on the hub, older ones are KAITO's own names."""
    if "/" in text_of(preset):
        return model_settings(text, preset)
    reason = f"which model the preset {text_of(preset)} is, is KAITO's to say"
    return one(Setting("model", Unknown(reason), "file", "preset", span=span_of(preset)))


def _added() -> EngineSettings:
    return one(Setting("more-arguments", Unknown("KAITO adds arguments of its own, parallel sizes among them"), "file"))


def _hardware(root: Node | None) -> Given:
    kind, machines = at(root, "resource", "instanceType"), at(root, "resource", "count")
    found = find_gpu(text_of(kind))
    if not isinstance(found, GpuMatch):
        return Given()
    nodes = count(machines) or 1
    settings = [Setting("gpu", Known(text_of(kind)), "file", "instanceType", span=span_of(kind))]
    if found.count is not None:
        settings.append(Setting("gpus", Known(found.count * nodes), "file", "instanceType", span=span_of(kind)))
    if nodes > 1:
        settings.append(Setting("nodes", Known(nodes), "file", "count", span=span_of(machines)))
    return Given(tuple(settings), {"gpus": None})


KAITO = Dialect("kaito", _claims, _suits, _read)

"""KServe's ``InferenceService`` on a serving runtime of the same file."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.deployment import Deployment
from vram_engine.dialects.accelerators import gpus_of_resources
from vram_engine.dialects.container import item_words
from vram_engine.dialects.engine_settings import Edition, read_engine
from vram_engine.dialects.keyed import together
from vram_engine.dialects.kubernetes import read_pods
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.pods import kind_of, pods
from vram_engine.dialects.trees import at, span_of, text_of
from vram_engine.syntax.nodes import Document, Node, Tree

GROUP = "serving.kserve.io/"
RUNTIMES = frozenset({"ServingRuntime", "ClusterServingRuntime"})


def runtime_of(document: Document) -> str:
    """The runtime that an ``InferenceService`` names."""
    version, kind = kind_of(document)
    if kind != "InferenceService" or not version.startswith(GROUP):
        return ""
    return text_of(at(document.root, "spec", "predictor", "model", "runtime"))


def service(tree: Tree, number: int) -> tuple[Deployment, ...]:
    """An ``InferenceService`` on a runtime of the same file: the runtime's container, with this model and resources."""
    root = tree.documents[number].root
    model = at(root, "spec", "predictor", "model")
    runtime = runtime_of(tree.documents[number])
    for other, document in enumerate(tree.documents):
        if kind_of(document)[1] in RUNTIMES and text_of(at(document.root, "metadata", "name")) == runtime:
            served = read_pods(tree, other, "kserve", pods(document.root))
            return tuple(_served(tree.text, number, root, model, each) for each in served)
    return read_pods(tree, number, "kserve", pods(root))


def _served(text: str, number: int, root: Node | None, model: Node | None, found: Deployment) -> Deployment:
    words = item_words(text, at(model, "args")) or ()
    own = together(model_settings(text, at(model, "storageUri")), read_engine(text, words, (), Edition()))
    gpus = gpus_of_resources(at(model, "resources"))
    settings = {**found.settings, **own.settings, **{each.name: (each,) for each in gpus.settings}}
    name = at(root, "metadata", "name")
    return replace(
        found,
        name=text_of(name),
        document=number,
        settings=settings,
        sites={**found.sites, **own.sites, **gpus.sites},
        remarks=(*found.remarks, *own.remarks),
        anchor=span_of(name),
    )

"""llm-d: the values of its modelservice chart, with a decode and a prefill pool."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Deployment, JointSite, Known, Setting, TextSite
from vram_engine.dialects.accelerators import count, gpu_of_labels, gpus_of_resources, selected, with_nodes
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Container, Given, container_launches, deployment, engine_of, version_setting
from vram_engine.dialects.engine_settings import Edition, EngineSettings, read_engine
from vram_engine.dialects.keyed import Spelling, read_keyed, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.pods import container_of
from vram_engine.dialects.surroundings import around_container, placed
from vram_engine.dialects.trees import at, is_false, key_span, maps, span_of, text_of
from vram_engine.facts.gpus import find_gpu
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Tree, resolve

_POOLS = ("decode", "prefill")
_PARALLELISM = Spelling(
    "",
    {"tensor": "tensor-parallel-size", "data": "data-parallel-size", "dataLocal": "data-parallel-size-local"},
)


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    root = resolve(document.root)
    if not isinstance(root, Mapping) or at(root, "modelArtifacts", "uri") is None:
        return False
    return any(isinstance(root.get(pool), Mapping) for pool in _POOLS)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    root = tree.documents[number].root
    pools = [(pool, node) for pool in _POOLS if isinstance(node := resolve(at(root, pool)), Mapping)]
    return tuple(
        found
        for pool, node in pools
        if not is_false(node.get("create"))
        for found in _pool(tree.text, number, root, pool, node)
    )


def _pool(text: str, number: int, root: Node | None, name: str, pool: Mapping) -> Iterator[Deployment]:
    for node in maps(pool.get("containers")):
        container = container_of(text, node)
        own = _engine(text, node, container) if container is not None else None
        if container is None or own is None:
            continue
        parallel = read_keyed(text, at(pool, "parallelism"), _PARALLELISM)
        model = model_settings(text, at(root, "modelArtifacts", "uri"), at(root, "modelArtifacts", "name"))
        version = version_setting(container.image, container.image_span)
        given = _gpus(pool, node) + Given(() if version is None else (version,)) + _gpu(root, pool)
        span = key_span(root, name)
        made = deployment("llm-d", name, number, span, together(model, parallel, own), given)
        yield placed(made, around_container(container, container.variables))
        return


def _engine(text: str, node: Mapping, container: Container) -> EngineSettings | None:
    """What the chart makes of ``modelCommand``: vLLM's own command by default, the image's, or one written here."""
    command = text_of(node.get("modelCommand")) or "imageDefault"
    if command == "vllmServe":
        return read_engine(text, container.words, (), Edition())
    found = container_launches(container)
    return engine_of(text, found[0], container.image, None) if found else None


def _gpus(pool: Mapping, node: Mapping) -> Given:
    """The chart asks for as many GPUs as tensor and local data parallelism need, unless the container says a number."""
    own = gpus_of_resources(node.get("resources"))
    if own.settings:
        return own
    size = at(pool, "parallelism", "tensor")
    tensor, local = count(size) or 1, count(at(pool, "parallelism", "dataLocal")) or 1
    workers = count(at(pool, "parallelism", "workers"))
    site = TextSite(size.span, size.style) if isinstance(size, Scalar) and local == 1 else None
    gpus = Setting("gpus", Known(tensor * local), "file", "parallelism", span=span_of(size))
    given = Given((gpus,), {"gpus": None if site is None else JointSite((site,))})
    return with_nodes(given, workers, None, "") if workers is not None and workers > 1 else given


def _gpu(root: Node | None, pool: Mapping) -> Given:
    labelled = gpu_of_labels(selected(pool.get("nodeSelector")))
    kind = at(root, "accelerator", "type")
    if labelled is not None:
        return Given((labelled,))
    if find_gpu(text_of(kind)) is not None:
        return Given((Setting("gpu", Known(text_of(kind)), "file", "accelerator", span=span_of(kind)),))
    return Given()


LLM_D = Dialect("llm-d", _claims, _suits, _read)

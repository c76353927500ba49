"""KServe: ``LLMInferenceService``, and serving runtimes with the ``InferenceService`` of the same file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.deployment import Deployment, Known, Setting
from vram_engine.dialects.accelerators import with_nodes
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import (
    Container,
    container_launches,
    deployment,
    engine_of,
    version_setting,
)
from vram_engine.dialects.engine_settings import Edition, EngineSettings, read_engine
from vram_engine.dialects.inference_services import GROUP, RUNTIMES, runtime_of, service
from vram_engine.dialects.keyed import NONE, Spelling, one, read_keyed, together
from vram_engine.dialects.kubernetes import read_pods
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.pod_hardware import hardware, without_default_shm
from vram_engine.dialects.pods import Pod, container_of, kind_of, pods
from vram_engine.dialects.shell import split_words
from vram_engine.dialects.surroundings import around_container, placed
from vram_engine.dialects.trees import at, items, maps, span_of, text_of
from vram_engine.dialects.variables import with_template_holes
from vram_engine.dialects.words import ScalarPart
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Tree, resolve

_LLM = frozenset({"LLMInferenceService", "LLMInferenceServiceConfig"})
_PARALLELISM = Spelling(
    "",
    {
        "tensor": "tensor-parallel-size",
        "pipeline": "pipeline-parallel-size",
        "data": "data-parallel-size",
        "dataLocal": "data-parallel-size-local",
        "expert": "enable-expert-parallel",
    },
)
_LORA = Spelling("", {"maxRank": "max-lora-rank", "maxAdapters": "max-loras", "maxCpuAdapters": "max-cpu-loras"})


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and bool(_read(tree, number))


def _suits(document: Document) -> bool:
    return kind_of(document)[0].startswith(GROUP)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    _, kind = kind_of(tree.documents[number])
    if kind in _LLM:
        return tuple(_llm(tree, number))
    if kind in RUNTIMES:
        named = text_of(at(tree.documents[number].root, "metadata", "name"))
        if any(runtime_of(document) == named for document in tree.documents):
            return ()
    if kind == "InferenceService":
        return service(tree, number)
    return read_pods(tree, number, "kserve", pods(tree.documents[number].root))


def _llm(tree: Tree, number: int) -> Iterator[Deployment]:
    """The engine of an ``LLMInferenceService``, and that of its prefill pool."""
    root = tree.documents[number].root
    spec = at(root, "spec")
    name = text_of(at(root, "metadata", "name")) or "LLMInferenceService"
    prefill = at(spec, "prefill")
    for role, section in (("", spec), ("prefill", prefill)):
        for pod in pods(at(section, "template")):
            if text_of(pod.container.get("name")) in ("main", ""):
                found = _pool(tree.text, number, pod, spec, section)
                if found is not None:
                    suffix = role if role or prefill is None else "decode"
                    yield replace(found, name=f"{name}/{suffix}" if suffix else name)


def _pool(text: str, number: int, pod: Pod, spec: Node | None, section: Node | None) -> Deployment | None:
    container = container_of(text, pod.container)
    own = _own_command(text, container) if container is not None else None
    if container is None or own is None:
        return None
    model = model_settings(text, at(spec, "model", "uri"), at(spec, "model", "name"))
    parallel = read_keyed(text, at(section, "parallelism"), _PARALLELISM)
    engine = together(model, _lora(text, spec), parallel, own, _additional(text, pod.container, container))
    if not engine.settings:
        return None
    given = without_default_shm(hardware(pod, container))
    nodes = _nodes(parallel)
    if nodes is not None:
        given = with_nodes(given, nodes, None, "")
    made = deployment("kserve", "", number, span_of(at(spec, "model", "uri")), engine, given)
    return placed(made, around_container(container, container.variables))


def _own_command(text: str, container: Container) -> EngineSettings | None:
    """The controller writes the command, unless the container has its own; None where that is something else."""
    if not container.words:
        return NONE
    found = container_launches(container)
    if found:
        return engine_of(text, found[0], container.image, version_setting(container.image, None))
    return None if container.replaces_entrypoint else read_engine(text, container.words, (), Edition())


def _additional(text: str, node: Mapping, container: Container) -> EngineSettings:
    """The flags in VLLM_ADDITIONAL_ARGS, which the controller hands to vLLM split like shell words."""
    chars = container.variables.get("VLLM_ADDITIONAL_ARGS")
    for each in maps(node.get("env")):
        value = resolve(each.get("value"))
        if text_of(each.get("name")) == "VLLM_ADDITIONAL_ARGS" and isinstance(value, Scalar) and chars is not None:
            words = split_words(with_template_holes(chars), ScalarPart(value, False))
            return read_engine(text, words, (), Edition())
    return NONE


def _lora(text: str, spec: Node | None) -> EngineSettings:
    lora = at(spec, "model", "lora")
    adapters = at(lora, "adapters")
    listed = len(list(items(adapters)))
    if adapters is None or listed == 0:
        return NONE
    enabled = one(Setting("enable-lora", Known(True), "file", "adapters", span=adapters.span))
    defaults = together(
        one(Setting("max-loras", Known(listed), "file", "adapters", span=adapters.span)),
        one(Setting("max-lora-rank", Known(64), "file", "adapters", span=adapters.span)),
    )
    return together(enabled, defaults, read_keyed(text, lora, _LORA))


def _nodes(parallel: EngineSettings) -> int | None:
    """Machines over which the data-parallel ranks are spread."""
    values = {name: found[-1].value for name, found in parallel.settings.items()}
    everywhere, here = values.get("data-parallel-size"), values.get("data-parallel-size-local")
    if not isinstance(everywhere, Known) or not isinstance(here, Known):
        return None
    if not isinstance(everywhere.value, int) or not isinstance(here.value, int) or here.value < 1:
        return None
    return everywhere.value // here.value if everywhere.value > here.value else None


KSERVE = Dialect("kserve", _claims, _suits, _read)

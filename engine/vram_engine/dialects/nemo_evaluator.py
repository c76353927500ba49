"""NeMo Evaluator: runs whose ``deployment:`` is served by vLLM."""

from __future__ import annotations

from vram_engine.deployment import Deployment, Setting, Unknown
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment, image_at, scalar_chars, version_setting
from vram_engine.dialects.engine_settings import Edition, EngineSettings, read_engine
from vram_engine.dialects.image import read_image
from vram_engine.dialects.keyed import NONE, Spelling, one, read_keyed, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.shell import split_words
from vram_engine.dialects.surroundings import Surroundings, placed
from vram_engine.dialects.trees import at, items, key_span, span_of, text_of
from vram_engine.dialects.words import ScalarPart
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Tree, resolve

_KEYS = Spelling(
    "",
    {
        "tensor_parallel_size": "tensor-parallel-size",
        "pipeline_parallel_size": "pipeline-parallel-size",
        "data_parallel_size": "data-parallel-size",
        "gpu_memory_utilization": "gpu-memory-utilization",
        "served_model_name": "served-model-name",
    },
)
_MODEL_KEYS = ("hf_model_handle", "checkpoint_path")


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number])


def _suits(document: Document) -> bool:
    deployed = resolve(at(document.root, "deployment"))
    if not isinstance(deployed, Mapping) or not any(deployed.entry(key) for key in _MODEL_KEYS):
        return False
    chosen = any(text_of(at(item, "deployment")) == "vllm" for item in items(at(document.root, "defaults")))
    return chosen or text_of(deployed.get("type")) == "vllm"


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    text, root = tree.text, tree.documents[number].root
    deployed = at(root, "deployment")
    named = next((at(deployed, key) for key in _MODEL_KEYS if _is_said(at(deployed, key))), None)
    engine = together(
        model_settings(text, named) if named is not None else NONE,
        read_keyed(text, deployed, _KEYS),
        _extra(text, at(deployed, "extra_args")),
        one(Setting("more-arguments", Unknown("the launcher's own defaults apply where nothing is said"), "file")),
    )
    image = at(deployed, "image")
    version = version_setting(read_image(text_of(image)), span_of(image))
    given = Given(() if version is None else (version,))
    made = deployment("nemo-evaluator", "deployment", number, key_span(root, "deployment"), engine, given)
    return (placed(made, Surroundings(image_at(image))),)


def _is_said(node: Node | None) -> bool:
    scalar = resolve(node)
    return isinstance(scalar, Scalar) and scalar.value is not None and scalar.text != "???" and "${" not in scalar.text


def _extra(text: str, node: Node | None) -> EngineSettings:
    scalar, chars = resolve(node), scalar_chars(text, node)
    if chars is None or not isinstance(scalar, Scalar):
        return NONE
    return read_engine(text, split_words(chars, ScalarPart(scalar, node is not scalar)), (), Edition())


NEMO_EVALUATOR = Dialect("nemo-evaluator", _claims, _suits, _read)

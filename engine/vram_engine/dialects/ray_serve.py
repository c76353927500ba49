"""Ray Serve LLM: the ``llm_configs`` of an application, in a file of their own or inside a ``RayService``."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.deployment import Deployment, JointSite, Known, Setting
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment
from vram_engine.dialects.embedded import embedded
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.keyed import Spelling, read_keyed, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.pods import kind_of
from vram_engine.dialects.scripts import variables_of
from vram_engine.dialects.surroundings import Surroundings, environment_of, placed
from vram_engine.dialects.trees import at, maps, span_of, text_of
from vram_engine.syntax.nodes import Document, Mapping, Node, Tree

_ENGINE = Spelling("snake")
# Ray's names for accelerators: an A100 without a size may be either.
_RAY_NAMES = {"A100-40G": "A100 40GB", "A100-80G": "A100 80GB"}


def _applications(tree: Tree, document: Document) -> Iterator[Mapping]:
    version, kind = kind_of(document)
    root: Node | None = document.root
    if version.startswith("ray.io/") and kind == "RayService":
        root = embedded(tree.text, at(root, "spec", "serveConfigV2"))
    return maps(at(root, "applications"))


def _configs(tree: Tree, document: Document) -> Iterator[Mapping]:
    for application in _applications(tree, document):
        for config in maps(at(application, "args", "llm_configs")):
            if config.entry("model_loading_config") is not None:
                yield config


def _claims(tree: Tree, number: int) -> bool:
    return any(True for _ in _configs(tree, tree.documents[number]))


def _suits(document: Document) -> bool:
    return kind_of(document)[1] == "RayService" or any(True for _ in maps(at(document.root, "applications")))


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    return tuple(_config(tree.text, number, config) for config in _configs(tree, tree.documents[number]))


def _config(text: str, number: int, config: Mapping) -> Deployment:
    """One model. Ray gives each engine as many GPUs as its parallel sizes need, wherever in the cluster they are."""
    loading = at(config, "model_loading_config")
    source, name = at(loading, "model_source"), at(loading, "model_id")
    model = model_settings(text, source if text_of(source) else name)
    engine = together(model, read_keyed(text, at(config, "engine_kwargs"), _ENGINE))
    accelerator = at(config, "accelerator_type")
    settings = [Setting("gpus", Known(_size(engine)), "file", "engine_kwargs")] if _size(engine) else []
    kind = text_of(accelerator)
    if kind:
        settings.append(
            Setting("gpu", Known(_RAY_NAMES.get(kind, kind)), "file", "accelerator_type", span=span_of(accelerator))
        )
    given = Given(tuple(settings), {"gpus": JointSite(())})
    made = deployment("ray-serve", text_of(name) or "llm", number, span_of(name), engine, given)
    variables = variables_of(text, at(config, "runtime_env", "env_vars"), "is set elsewhere")
    return placed(made, Surroundings(environment=environment_of(variables, {})))


def _size(engine: EngineSettings) -> int:
    """The GPUs that Ray reserves for the engine; 0 where the parallel sizes cannot be told."""
    size = 1
    for name in ("tensor-parallel-size", "pipeline-parallel-size"):
        for setting in engine.settings.get(name, ())[-1:]:
            value = setting.value.value if isinstance(setting.value, Known) else 0
            size *= value if isinstance(value, int) else 0
    return size


RAY_SERVE = Dialect("ray-serve", _claims, _suits, _read)

"""AMD Inference Microservice (AIM) profiles: a map of vLLM's options, for so many of one GPU."""

from __future__ import annotations

from vram_engine.deployment import Deployment, JointSite, Known, Setting
from vram_engine.dialects.accelerators import count
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment
from vram_engine.dialects.engine_settings import EngineSettings
from vram_engine.dialects.flag_map import flag_of_key
from vram_engine.dialects.keyed import Spelling, read_keyed, scalar_site, together
from vram_engine.dialects.model_uris import model_settings
from vram_engine.dialects.trees import at, key_span, span_of, text_of
from vram_engine.facts.flags import Flag
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Tree, resolve

_ARGUMENTS = Spelling("kebab")
_COUNTS = ("gpu_count", "accelerator_count")


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number]) and _gpu(tree.documents[number].root) is not None


def _suits(document: Document) -> bool:
    root = resolve(document.root)
    if not isinstance(root, Mapping) or root.get("apiVersion") is not None:
        return False
    return text_of(at(root, "metadata", "engine")) == "vllm" and isinstance(root.get("engine_args"), Mapping)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    # AIM hands each option to vLLM on the command line (aim_common/engine_args.py of amd-enterprise-ai/aim-build).
    text, root = tree.text, tree.documents[number].root
    engine = together(model_settings(text, at(root, "model_id")), _arguments(text, at(root, "engine_args")))
    name = text_of(at(root, "aim_id")) or text_of(at(root, "model_id")) or "profile"
    return (deployment("aim-profile", name, number, key_span(root, "engine_args"), engine, _gpus(text, root)),)


def _arguments(text: str, node: Node | None) -> EngineSettings:
    """Options as AIM writes them: a switch without a value or with true is given, with false it is left out."""
    read = read_keyed(text, node, _ARGUMENTS)
    holder = resolve(node)
    for key, entry in holder.pairs() if isinstance(holder, Mapping) else ():
        found, negated = flag_of_key(key)
        value = resolve(entry.value)
        if not isinstance(found, Flag) or found.type != "bool" or not isinstance(value, Scalar):
            continue
        read.settings.pop(found.name, None)
        if value.value is not False:
            said = Setting(found.name, Known(not negated), "file", key, span=entry.key.span)
            read.settings[found.name] = (said,)
        read.sites[found.name] = None
    return read


def _gpus(text: str, root: Node | None) -> Given:
    """The GPU and the number of them that the profile is for, which later profiles say twice."""
    name = _gpu(root)
    gpu = Setting("gpu", Known(text_of(name)), "file", "gpu", span=span_of(name))
    counts = [node for key in _COUNTS if (node := at(root, "metadata", key)) is not None]
    number = count(counts[0]) if counts else None
    if not number:
        return Given((gpu,), {"gpus": None})
    sites = tuple(site for node in counts if (site := scalar_site(text, node)) is not None)
    gpus = Setting("gpus", Known(number), "file", "gpu_count", span=span_of(counts[0]))
    return Given((gpu, gpus), {"gpus": JointSite(sites) if len(sites) == len(counts) else None})


def _gpu(root: Node | None) -> Node | None:
    """The name of the GPU; a profile for another kind of chip has none."""
    gpu = at(root, "metadata", "gpu")
    if gpu is None and text_of(at(root, "metadata", "accelerator_type")) == "gpu":
        gpu = at(root, "metadata", "accelerator_model")
    return gpu if text_of(gpu) else None


AIM_PROFILE = Dialect("aim-profile", _claims, _suits, _read)

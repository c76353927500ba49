"""vLLM production-stack: the chart's values (``servingEngineSpec.modelSpec``) and the ``VLLMRuntime`` resource."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.deployment import Deployment, JointSite, Known, Setting, TextSite, Unknown
from vram_engine.dialects.accelerators import count, gpu_of_labels, required
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.container import Given, deployment, image_at, item_words, version_setting, written_image
from vram_engine.dialects.engine_settings import Edition, EngineSettings, read_engine
from vram_engine.dialects.image import read_image
from vram_engine.dialects.keyed import Spelling, read_keyed, together, twice
from vram_engine.dialects.pods import environment, kind_of
from vram_engine.dialects.surroundings import Surroundings, environment_of, placed
from vram_engine.dialects.trees import at, is_true, maps, span_of, text_of
from vram_engine.syntax.nodes import Document, Mapping, Node, Scalar, Tree, resolve

# The keys of vllmConfig that the chart turns into flags; of any other it takes no notice.
_ENGINE = Spelling(
    "",
    {
        "enablePrefixCaching": "enable-prefix-caching",
        "enableChunkedPrefill": "enable-chunked-prefill",
        "maxModelLen": "max-model-len",
        "dtype": "dtype",
        "tensorParallelSize": "tensor-parallel-size",
        "pipelineParallelSize": "pipeline-parallel-size",
        "maxNumSeqs": "max-num-seqs",
        "gpuMemoryUtilization": "gpu-memory-utilization",
        "maxLoras": "max-loras",
        "runner": "runner",
        "convert": "convert",
    },
)
_MODEL = Spelling("", {"modelURL": "model", "modelRevision": "revision", "enableLoRA": "enable-lora"})
_RUNTIME_MODEL = Spelling(
    "", {**_MODEL.own, "maxModelLen": "max-model-len", "dtype": "dtype", "maxNumSeqs": "max-num-seqs"}
)
_WHOLE_GPUS = ("", "nvidia.com/gpu", "amd.com/gpu")


def _specs(document: Document) -> list[Mapping]:
    listed = maps(at(document.root, "servingEngineSpec", "modelSpec"))
    return [spec for spec in listed if spec.entry("modelURL") is not None or spec.entry("vllmConfig") is not None]


def _is_runtime(document: Document) -> bool:
    version, kind = kind_of(document)
    return version.startswith("production-stack.vllm.ai/") and kind == "VLLMRuntime"


def _claims(tree: Tree, number: int) -> bool:
    return _suits(tree.documents[number])


def _suits(document: Document) -> bool:
    return bool(_specs(document)) or _is_runtime(document)


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    document = tree.documents[number]
    if _is_runtime(document):
        return (_runtime(tree.text, number, document.root),)
    return tuple(_model(tree.text, number, spec) for spec in _specs(document))


def _model(text: str, number: int, spec: Mapping) -> Deployment:
    """One model of the chart: keys first, then ``extraArgs``, which the chart puts behind them and which so win."""
    image = read_image(f"{text_of(spec.get('repository'))}:{text_of(spec.get('tag'))}")
    keys = read_keyed(text, at(spec, "vllmConfig"), _ENGINE)
    words = item_words(text, at(spec, "vllmConfig", "extraArgs")) or ()
    extra = read_engine(text, words, (), Edition(image.version, exact=image.official and image.version is not None))
    engine = together(read_keyed(text, spec, _MODEL), keys, extra)
    engine = replace(engine, remarks=(*engine.remarks, *twice(keys, extra)))
    facts = (version_setting(image, span_of(spec.get("tag"))), _lmcache(spec), _gpu(spec))
    given = _spread(spec, keys, _gpus(spec)) + Given(tuple(fact for fact in facts if fact is not None))
    name = spec.get("name")
    made = deployment("production-stack", text_of(name) or "model", number, span_of(name), engine, given)
    return placed(made, _around(text, spec))


def _around(text: str, spec: Mapping) -> Surroundings:
    """The image in two keys, and ``env`` as in a pod."""
    repository, tag = spec.get("repository"), spec.get("tag")
    written = ":".join(part for part in (text_of(repository), text_of(tag)) if part)
    image = written_image(written, span_of(tag) or span_of(repository)) if text_of(repository) else None
    elsewhere = "more of it is in a Secret" if text_of(at(spec, "envFromSecret", "name")) else ""
    return Surroundings(image, environment_of(*environment(text, spec)), (), elsewhere)


def _lmcache(spec: Mapping) -> Setting | None:
    """LMCache is switched on by a key of its own; the chart then passes on a connector."""
    enabled = at(spec, "lmcacheConfig", "enabled")
    if not is_true(enabled):
        return None
    connector = Known('{"kv_connector": "LMCacheConnectorV1"}')
    return Setting("kv-transfer-config", connector, "file", "lmcacheConfig", span=span_of(enabled))


def _gpus(spec: Mapping) -> Given:
    """``requestGPU`` whole GPUs, unless it counts slices or a part of their memory is asked for."""
    kind = text_of(spec.get("requestGPUType"))
    if kind not in _WHOLE_GPUS:
        return _unknown("requestGPUType", spec, f"{kind} is not a whole GPU")
    for key in ("requestGPUMem", "requestGPUMemPercentage", "requestGPUCores"):
        if text_of(spec.get(key)):
            return _unknown(key, spec, f"{key} asks for a share of a GPU")
    return counted(spec.get("requestGPU"), "requestGPU")


def _unknown(key: str, spec: Mapping, reason: str) -> Given:
    return Given((Setting("gpu", Unknown(reason), "file", key, span=span_of(spec.get(key))),))


def counted(node: Node | None, key: str) -> Given:
    """A number of GPUs that is one scalar."""
    scalar, number = resolve(node), count(node)
    if not isinstance(scalar, Scalar) or not number:
        return Given()
    gpus = Setting("gpus", Known(number), "file", key, span=scalar.span)
    return Given((gpus,), {"gpus": JointSite((TextSite(scalar.span, scalar.style),))})


def _spread(spec: Mapping, keys: EngineSettings, given: Given) -> Given:
    """With ``raySpec`` the engine is spread over a head and workers, one for each pipeline stage."""
    if not is_true(at(spec, "raySpec", "enabled")):
        return given
    head = count(at(spec, "raySpec", "headNode", "requestGPU"))
    workers = count(spec.get("requestGPU"))
    stages = keys.settings.get("pipeline-parallel-size", ())[-1:]
    number = stages[0].value.value if stages and isinstance(stages[0].value, Known) else None
    if head is None or workers is None or not isinstance(number, int):
        return given + Given((Setting("nodes", Unknown("Ray may add machines"), "file", "raySpec"),))
    kept = tuple(setting for setting in given.settings if setting.name != "gpus")
    total = Known(head + workers * (number - 1))
    gpus = Setting("gpus", total, "file", "requestGPU", span=span_of(spec.get("requestGPU")))
    return Given((*kept, gpus, Setting("nodes", Known(number), "file", "raySpec")), {"gpus": None})


def _gpu(spec: Mapping) -> Setting | None:
    return gpu_of_labels(label for term in required(spec.get("nodeSelectorTerms")) for label in term)


def _runtime(text: str, number: int, root: Node | None) -> Deployment:
    """A ``VLLMRuntime``: model, engine and resources each in a section of its own."""
    model = read_keyed(text, at(root, "spec", "model"), _RUNTIME_MODEL)
    engine = together(model, read_keyed(text, at(root, "spec", "vllmConfig"), _ENGINE))
    resources = at(root, "spec", "deploymentConfig", "resources")
    whole = text_of(at(resources, "gpuType")) in _WHOLE_GPUS
    image = at(root, "spec", "deploymentConfig", "image", "name")
    version = version_setting(read_image(text_of(image)), span_of(image))
    given = counted(at(resources, "gpu"), "gpu") if whole else Given()
    name = at(root, "metadata", "name")
    given += Given(() if version is None else (version,))
    called = text_of(name) or "VLLMRuntime"
    made = deployment("production-stack", called, number, span_of(name), engine, given)
    return placed(made, Surroundings(image_at(image)))


PRODUCTION_STACK = Dialect("production-stack", _claims, _suits, _read)

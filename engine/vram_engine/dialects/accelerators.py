"""GPUs as schedulers name and count them: labels, node selectors, affinities, resource limits, quantities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vram_engine.deployment import JointSite, Known, Setting, TextSite, Unknown
from vram_engine.dialects.container import Given
from vram_engine.dialects.trees import items, scalars
from vram_engine.facts.gpus import GpuMatch, find_gpu
from vram_engine.syntax.nodes import Alias, Mapping, Node, Scalar, resolve
from vram_engine.text import Span

# Labels whose value names the card or the machine type, likeliest first.
_LABELS = (
    "nvidia.com/gpu.product",
    "cloud.google.com/gke-accelerator",
    "gpu.nvidia.com/model",
    "amd.com/gpu.product-name",
    "karpenter.k8s.aws/instance-gpu-name",
    "k8s.amazonaws.com/accelerator",
    "machine.cluster.vke.volcengine.com/gpu-name",
    "aliyun.accelerator/nvidia_name",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
)
_NAMES_HARDWARE = re.compile(r"gpu|accelerator|instance-type|machine-type|node-?type|hardware", re.IGNORECASE)
_OTHER_CHIPS = {
    "cloud.google.com/gke-tpu": "a TPU, which is not sized",
    "google.com/tpu": "a TPU, which is not sized",
    "habana.ai/gaudi": "a Gaudi, which is not sized",
    "huawei.com/ascend": "an Ascend NPU, which is not sized",
    "aws.amazon.com/neuron": "a Neuron device, which is not sized",
}
_COUNTED = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/xe", "gpu.intel.com/i915")
_SHARES = re.compile(
    r"nvidia\.com/(?:gpumem|gpucores|gpu\.shared)|(?:aliyun|tencent|volcengine)\.com/.*gpu-?(?:mem|core)"
)
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([kMGTP]|[KMGTP]i)?", re.ASCII)
_DOCKER_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgtKMGT])?(?:i?[bB])?", re.ASCII)
_MOST_GPUS = 4096


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label that a node must have, and the scalar that says so."""

    key: str
    value: Scalar


def selected(node: Node | None) -> Iterator[Labelled]:
    """The labels of a ``nodeSelector``."""
    return (Labelled(key, value) for key, value in scalars(node))


def required(terms: Node | None) -> Iterator[tuple[Labelled, ...]]:
    """The labels of ``nodeSelectorTerms``, of which any one will do: values of ``In``, each an alternative."""
    for term in items(terms):
        expressions = term.get("matchExpressions") if isinstance(term, Mapping) else None
        yield tuple(_expressed(expressions))


def _expressed(expressions: Node | None) -> Iterator[Labelled]:
    for expression in items(expressions):
        if not isinstance(expression, Mapping):
            continue
        key, operator = expression.get("key"), expression.get("operator")
        if isinstance(key, Scalar) and isinstance(operator, Scalar) and operator.text == "In":
            yield from (
                Labelled(key.text, value) for value in items(expression.get("values")) if isinstance(value, Scalar)
            )


def gpu_of_labels(labels: Iterable[Labelled]) -> Setting | None:
    """The GPU that labels name. Several different ones are never chosen between."""
    named: dict[str, Labelled] = {}
    for label in labels:
        chip = other_chip(label.key)
        if chip is not None:
            return Setting("gpu", Unknown(chip), "file", label.key, span=label.value.span)
        if _names_a_gpu(label):
            named.setdefault(label.value.text, label)
    if not named:
        return None
    by_rank = sorted(named.values(), key=lambda label: _LABELS.index(label.key) if label.key in _LABELS else 99)
    best = by_rank[0]
    meant = {_gpu_id(label.value.text) for label in by_rank}
    if len(meant) > 1:
        # Labels of one key are a choice; those of several must all hold, and contradict each other.
        any_of = tuple(named) if len({label.key for label in by_rank}) == 1 else ()
        unknown = Unknown(f"any of {', '.join(named)} may be used", any_of)
        return Setting("gpu", unknown, "file", best.key, span=best.value.span)
    return Setting("gpu", gpu_value(best.value.text), "file", best.key, span=best.value.span)


def _names_a_gpu(label: Labelled) -> bool:
    if label.key in _LABELS[:-2]:
        return True
    return _NAMES_HARDWARE.search(label.key) is not None and find_gpu(label.value.text) is not None


def gpu_value(text: str) -> Known | Unknown:
    """A GPU's name as a value; a share of a GPU is not one."""
    if text.upper().endswith("-SHARED"):
        return Unknown(f"{text} is shared with other containers; how much of it this one gets is not known")
    return Known(text)


def _gpu_id(text: str) -> str:
    found = find_gpu(text)
    return found.gpu.id if isinstance(found, GpuMatch) else text


def other_chip(key: str) -> str | None:
    """What a resource or label stands for that is no GPU."""
    lowered = key.lower()
    return next((reason for prefix, reason in _OTHER_CHIPS.items() if lowered.startswith(prefix)), None)


def gpus_of_resources(resources: Node | None, *, extra: str = "") -> Given:
    """The GPUs of a container's ``limits`` and ``requests``; ``extra`` is one more name that counts whole GPUs."""
    counted: list[tuple[str, Scalar, bool]] = []
    for section in ("limits", "requests"):
        holder = resolve(resources)
        entry = holder.entry(section) if isinstance(holder, Mapping) else None
        if entry is None:
            continue
        shared = isinstance(entry.value, Alias) or isinstance(resources, Alias)
        for key, value in scalars(entry.value):
            special = _special(key, value)
            if special is not None:
                return special
            if key in _COUNTED or (extra and key == extra):
                counted.append((key, value, shared))
    return _counted(counted)


def _special(key: str, value: Scalar) -> Given | None:
    """Resources that are no whole GPUs."""
    reason = other_chip(key)
    if key.startswith("nvidia.com/mig-"):
        reason = f"{key} is a slice of a GPU; its memory is not known"
    elif _SHARES.match(key):
        reason = f"{key} is a share of a GPU"
    if reason is None or count(value) == 0:
        return None
    return Given((Setting("gpu", Unknown(reason), "file", key, span=value.span),))


def _counted(counted: list[tuple[str, Scalar, bool]]) -> Given:
    if not counted:
        return Given()
    key, value, _ = counted[0]
    number = count(value)
    if number == 0:
        return Given()
    known = Known(number) if number is not None else Unknown(f"{key}: {value.text!r} is not a number")
    sites = tuple(TextSite(each.span, each.style) for _, each, _ in counted)
    writable = number is not None and not any(shared for _, _, shared in counted)
    return Given(
        (Setting("gpus", known, "file", key, span=value.span),), {"gpus": JointSite(sites) if writable else None}
    )


def count(node: Node | None) -> int | None:
    """A number of GPUs, written with or without quotes; None when it is none."""
    scalar = resolve(node)
    text = scalar.text.strip() if isinstance(scalar, Scalar) else ""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else -1
    return number if 0 <= number <= _MOST_GPUS else None


def quantity(text: str) -> int | None:
    """Bytes of a Kubernetes quantity such as ``16Gi`` or ``10G``; None for anything else."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        return None
    number, unit = match.groups()
    power = "kmgtp".index(unit[0].lower()) + 1 if unit else 0
    return int(float(number) * (1024 if unit and unit.endswith("i") else 1000) ** power)


def docker_size(text: str) -> int | None:
    """Bytes of a size as Docker reads it: ``16gb``, ``16g`` and ``16G`` are all 16 GiB; None for anything else."""
    match = _DOCKER_SIZE.fullmatch(text.strip())
    if match is None:
        return None
    number, unit = match.groups()
    return int(float(number) * 1024 ** ("kmgt".index(unit.lower()) + 1 if unit else 0))


def with_nodes(given: Given, nodes: int | None, span: Span | None, reason: str) -> Given:
    """An engine over several machines of equal GPUs: its GPUs are those of all of them.

    ``nodes`` is None where more than one take part and nothing says how many; ``reason`` says so.
    """
    value = Known(nodes) if nodes is not None else Unknown(reason)
    settings = [Setting("nodes", value, "file", "nodes", span=span)]
    for setting in given.settings:
        if setting.name == "gpus" and isinstance(setting.value, Known) and isinstance(setting.value.value, int):
            total = Known(setting.value.value * nodes) if nodes is not None else setting.value
            settings.append(Setting("gpus", total, "file", setting.spelling, span=setting.span))
        else:
            settings.append(setting)
    return Given(tuple(settings), {**given.sites, "gpus": None})

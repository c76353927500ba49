"""The GPUs of a compose service: reservations, ``gpus:``, device ids, and what CUDA_VISIBLE_DEVICES leaves of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vram_engine.deployment import GrowSite, JointSite, Known, Setting, TextSite, Unknown
from vram_engine.dialects.chars import Chars
from vram_engine.dialects.compose_services import Part, Service, merged
from vram_engine.dialects.container import Given, item_words, scalar_chars
from vram_engine.dialects.trees import items
from vram_engine.dialects.variables import Variables, interpolated
from vram_engine.dialects.words import Word, append_site, text_site
from vram_engine.syntax.nodes import Alias, Mapping, Node, Scalar, resolve
from vram_engine.text import Span

_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_MOST_GPUS = 64


@dataclass(frozen=True, slots=True)
class Devices:
    """Physical GPUs in the order a program sees them.

    ``names`` is None where it sees all that the machine has. ``site`` says how to have more of them.
    """

    names: tuple[str, ...] | None
    span: Span | None
    site: TextSite | GrowSite | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceGpus:
    """What a service has: as settings, and as physical devices (None where nothing says which)."""

    given: Given
    devices: Devices | None


def gpus_of_service(text: str, service: Service, variables: Variables) -> ServiceGpus:
    """The GPUs that a service may use."""
    reserved = next(_reserved(text, service), None) or _by_runtime(service, variables)
    narrowed = visible_devices(variables)
    devices = reserved if narrowed is None else _narrowed(reserved, narrowed)
    return ServiceGpus(_given(devices), devices)


def visible_devices(variables: Variables) -> Devices | None:
    """The devices that a program's environment names; None where it names none."""
    return next((found for name in _VISIBLE if (found := _visible(variables.get(name))) is not None), None)


def _given(devices: Devices | None) -> Given:
    if devices is None or (devices.names is None and devices.reason is None):
        return Given()
    value = Known(len(devices.names)) if devices.names is not None else Unknown(devices.reason or "")
    site = None if devices.site is None else JointSite((devices.site,))
    return Given((Setting("gpus", value, "file", "devices", span=devices.span),), {"gpus": site})


def _reserved(text: str, service: Service) -> Iterator[Devices]:
    """Every reservation of GPUs, in the two places where compose has them."""
    for part in (
        _inside(service.parts.get("deploy"), "resources", "reservations", "devices"),
        service.parts.get("gpus"),
    ):
        node = resolve(part.value) if part is not None else None
        if part is None or node is None:
            continue
        if isinstance(node, Scalar):
            yield _counted(text, node, part.shared)
        for device in items(node):
            if isinstance(device, Mapping) and _is_gpu(device):
                yield _reservation(text, device, part.shared)


def _inside(part: Part | None, *keys: str) -> Part | None:
    """The value behind some keys, with whether it is shared."""
    for key in keys:
        node = resolve(part.value) if part is not None else None
        found = merged(node).get(key) if isinstance(node, Mapping) else None
        if part is None or found is None:
            return None
        part = Part(found.value, part.shared or found.shared or isinstance(part.value, Alias))
    return part


def _is_gpu(device: Mapping) -> bool:
    driver = device.get("driver")
    capabilities = [item.text for item in items(device.get("capabilities")) if isinstance(item, Scalar)]
    names = {"nvidia", "amd", "cdi"}
    return (isinstance(driver, Scalar) and driver.text in names) or "gpu" in capabilities or driver is None


def _reservation(text: str, device: Mapping, shared: bool) -> Devices:
    ids = device.entry("device_ids")
    if ids is not None:
        return _listed(text, ids.value, shared)
    number = device.get("count")
    if isinstance(number, Scalar):
        return _counted(text, number, shared or _is_alias(device, "count"))
    return Devices(None, device.span)


def _is_alias(holder: Mapping, key: str) -> bool:
    entry = holder.entry(key)
    return entry is not None and isinstance(entry.value, Alias)


def _counted(text: str, node: Scalar, shared: bool) -> Devices:
    """A number of GPUs, of which Docker takes the first ones, or ``all``."""
    chars = scalar_chars(text, node, shared=shared)
    value = interpolated(chars) if chars is not None else None
    if value is None or value.hole is not None:
        return Devices(None, node.span, reason=value.hole if value is not None else "the number of GPUs is not known")
    if value.text.strip().lower() in ("all", "-1"):
        return Devices(None, node.span)
    if not value.text.isascii() or not value.text.isdigit() or not 0 < int(value.text[:6]) <= _MOST_GPUS:
        return Devices(None, node.span, reason=f"{value.text} is no number of GPUs")
    return Devices(tuple(map(str, range(int(value.text)))), value.span, text_site(value))


def _listed(text: str, node: Node, shared: bool) -> Devices:
    """``device_ids``: indices or UUIDs."""
    words = item_words(text, node, shared=shared)
    if not words:
        return Devices(None, node.span, reason="device_ids is empty")
    read = [Word(interpolated(word.chars), word.raw, word.home) for word in words]
    reason = next((word.hole for word in read if word.hole is not None), None)
    span = Span(read[0].raw.start, read[-1].raw.end)
    if reason is not None:
        return Devices(None, span, reason=reason)
    names = tuple(name.strip() for word in read for name in word.text.split(","))
    if names == ("all",):
        return Devices(None, span)
    site = append_site(text, read) if all(text_site(word.chars) is not None for word in read) else None
    following = _following(names)
    grow = None
    if site is not None and following is not None and len(names) == len(read):
        grow = GrowSite(site.at, site.lead, _style(text, read[-1]), len(names), following)
    return Devices(names, span, grow)


def _style(text: str, word: Word) -> str:
    quote = text[word.raw.start : word.raw.start + 1]
    return quote if quote in ("'", '"') else ""


def _following(names: tuple[str, ...]) -> int | None:
    """The index behind consecutive ones; None for UUIDs and gaps."""
    numbers = [int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 4]
    if len(numbers) != len(names) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    return numbers[-1] + 1


def _by_runtime(service: Service, variables: Variables) -> Devices | None:
    """A service that gets every GPU, or those of NVIDIA_VISIBLE_DEVICES."""
    named = _visible(variables.get("NVIDIA_VISIBLE_DEVICES"))
    if named is not None:
        return named
    runtime = service.node("runtime")
    if isinstance(runtime, Scalar) and runtime.text == "nvidia":
        return Devices(None, runtime.span)
    return None


def _visible(chars: Chars | None) -> Devices | None:
    """The devices that a variable names."""
    if chars is None or (chars.hole is None and not chars.text.strip()):
        return None
    if chars.hole is not None:
        return Devices(None, chars.span, reason=chars.hole)
    names = tuple(name.strip() for name in chars.text.split(","))
    if names[0] in ("all", "none", "void"):
        return Devices(None, chars.span)
    following = _following(names)
    site = text_site(chars)
    grow = GrowSite(chars.ends[-1], ",", "", len(names), following) if site and following is not None else None
    return Devices(names, chars.span, grow)


def _narrowed(reserved: Devices | None, visible: Devices) -> Devices:
    """What is left of the reserved devices: CUDA counts them anew from 0."""
    if reserved is None or reserved.names is None or visible.names is None:
        return visible if visible.names is not None or reserved is None else reserved
    numbers = [int(name) for name in visible.names if name.isascii() and name.isdigit() and len(name) < 4]
    names = tuple(reserved.names[number] for number in numbers if number < len(reserved.names))
    if len(names) != len(visible.names):
        return Devices(visible.names, visible.span)
    return Devices(names, visible.span)

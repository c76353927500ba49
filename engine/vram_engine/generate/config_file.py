"""vLLM's own configuration file, for ``vllm serve --config``."""

from __future__ import annotations

from vram_engine.deployment import Scalar
from vram_engine.facts.flags import Flag
from vram_engine.facts.versions import Version
from vram_engine.generate.arguments import values_of
from vram_engine.generate.order import Order, Refused
from vram_engine.generate.wording import header
from vram_engine.generate.yaml_text import Because, yaml_text

# Before it a list became one word, Python's own spelling of it (vllm/utils, FlexibleArgumentParser, load_config_file).
_LISTS_SINCE = Version(0, 10, 2)
_WHY_NO = "Off is written this way because a value of false reaches vLLM in some releases only."


def config_file(order: Order) -> str | Refused:
    """The file's text."""
    data: dict[str, object] = {} if order.model is None else {"model": order.model}
    explained = False
    for each, value in order.flags:
        entry = flag_entry(each, value)
        if entry is None:
            continue
        key, written = entry
        if isinstance(written, list) and order.version < _LISTS_SINCE:
            return Refused(f"vLLM {order.version} takes no list for {each.name} from a file")
        if key.startswith("no-") and not explained:
            written, explained = Because(written, _WHY_NO), True
        data[key] = written
    if not data:
        return Refused("there is no setting to write")
    return yaml_text(data, header(order))


def flag_entry(known: Flag, value: Scalar) -> tuple[str, object] | None:
    """A flag as a key and its value; None for an empty list, which says nothing.

    JSON stays text: older releases would pass a map on in Python's spelling.
    """
    if known.type == "bool":
        return (known.name, True) if value is True else (f"no-{known.name}", True)
    if not known.type.startswith("list"):
        return known.name, value
    values = values_of(known, value)
    if not values:
        return None
    return known.name, values[0] if len(values) == 1 else list(values)

"""vLLM's own ``vllm serve --config`` file: a flat map of long flags, kebab-case or snake_case."""

from __future__ import annotations

from vram_engine.deployment import Deployment
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.flag_map import flag_of_key, read_flag_map
from vram_engine.facts.flags import Flag, flag, suggest_flags
from vram_engine.syntax.nodes import Document, Entry, Mapping, Scalar, Tree, resolve

# With this many flags that only vLLM has, one misspelt neighbour is a misspelling and not another program's key.
_ENOUGH_TO_FORGIVE = 3
# More abbreviated or unknown keys than this and it is not worth asking what they begin.
_MOST_BEGINNINGS = 8


def _claims(tree: Tree, number: int) -> bool:
    """A flat map of flags, enough of which are vLLM's alone.

    Only whole names are evidence: ``gpu`` begins a flag of vLLM and is a key of a thousand other programs. Beside
    enough of them a beginning is what argparse makes of it.
    """
    root = resolve(tree.documents[number].root)
    if not isinstance(root, Mapping) or not root.entries or not _is_model(root):
        return False
    core = 0
    others: list[tuple[str, Entry]] = []
    for key, entry in root.merged_pairs():
        row = _whole(key)
        core += row is not None and row.core
        if row is None:
            others.append((key, entry))
        if len(others) > _MOST_BEGINNINGS:
            return False
    wanted = 1 if root.get("model") is not None else 2
    if core < wanted:
        return False
    strange = [key for key, entry in others if flag_of_key(key)[0] is None and not _is_being_typed(entry)]
    return not strange or (core >= _ENOUGH_TO_FORGIVE and len(strange) == 1 and _is_near_miss(strange[0]))


def _whole(key: str) -> Flag | None:
    """The flag a key names in full, or in its ``no-`` form."""
    name = key.partition(".")[0].replace("_", "-")
    return flag(name) or (flag(name.removeprefix("no-")) if name.startswith("no-") else None)


def _suits(document: Document) -> bool:
    """Nothing yet, or a map in which vLLM's own keys are not outnumbered by finished keys of something else."""
    root = resolve(document.root)
    if not isinstance(root, Mapping):
        return root is None or (isinstance(root, Scalar) and root.style == "")
    if not _is_model(root):
        return False
    pairs = list(root.merged_pairs())
    foreign = sum(_whole(key) is None and not _is_being_typed(entry) for key, entry in pairs)
    return foreign <= max(len(pairs) - foreign, 1)


def _is_model(root: Mapping) -> bool:
    """``model`` is absent, or a name."""
    value = root.get("model")
    return value is None or isinstance(value, Scalar)


def _is_being_typed(entry: Entry) -> bool:
    """A key that has no value yet: perhaps the start of a flag."""
    value = resolve(entry.value)
    return isinstance(value, Scalar) and value.text == "" and value.style == ""


def _is_near_miss(key: str) -> bool:
    return bool(suggest_flags(key.replace("_", "-")))


def _read(tree: Tree, number: int) -> tuple[Deployment, ...]:
    flags = read_flag_map(tree.documents[number].root, number, ())
    model = flags.settings.get("model")
    name = str(getattr(model[-1].value, "value", "")) if model else ""
    return (Deployment("serve-config", name or "vllm serve", number, flags.settings, flags.sites, flags.remarks),)


SERVE_CONFIG = Dialect("serve-config", _claims, _suits, _read)

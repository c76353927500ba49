"""vLLM's own ``vllm serve --config`` file: a flat map of long flags, kebab-case or snake_case."""

from __future__ import annotations

from vram_engine.deployment import Deployment
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.flag_map import flag_of_key, read_flag_map
from vram_engine.facts.flags import Ambiguous, Flag, suggest_flags
from vram_engine.syntax.nodes import Document, Entry, Mapping, Scalar, Tree, resolve

# With this many flags that only vLLM has, one misspelt neighbour is a misspelling and not another program's key.
_ENOUGH_TO_FORGIVE = 3


def _claims(tree: Tree, number: int) -> bool:
    """A flat map in which every key is a flag of vLLM and enough of them are flags of nothing else."""
    root = resolve(tree.documents[number].root)
    if not isinstance(root, Mapping) or not root.entries or not _is_model(root):
        return False
    strange: list[str] = []
    core = 0
    for key, entry in _keys(root):
        flag, _ = flag_of_key(key)
        if isinstance(flag, Flag):
            core += flag.core
        elif not (isinstance(flag, Ambiguous) or _is_being_typed(entry)):
            strange.append(key)
    wanted = 1 if root.entry("model") is not None else 2
    if strange:
        return core >= _ENOUGH_TO_FORGIVE and len(strange) == 1 and _is_near_miss(strange[0])
    return core >= wanted


def _suits(document: Document) -> bool:
    root = resolve(document.root)
    if isinstance(root, Mapping):
        return _is_model(root) and len(list(_keys(root))) == len(root.entries)
    return root is None or (isinstance(root, Scalar) and root.style == "")


def _is_model(root: Mapping) -> bool:
    """``model`` is absent, or a name."""
    entry = root.entry("model")
    return entry is None or isinstance(resolve(entry.value), Scalar)


def _keys(root: Mapping) -> list[tuple[str, Entry]]:
    return list(root.pairs())


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

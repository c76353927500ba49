"""The Hugging Face cache on disk: what vLLM would load without a network. Reads files, opens no socket.

Layout: ``models--org--name/refs/REVISION`` holds a commit, ``models--org--name/snapshots/COMMIT`` the files, as links.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.model.spec import Unavailable
from vram_engine.sources.local import read_directory
from vram_engine.sources.model_files import CONFIG
from vram_engine.sources.names import is_cache_id, is_commit, is_revision, shown

_LONGEST_REF = 200
_TRUE = frozenset({"1", "on", "yes", "true"})


class HuggingFaceCache:
    """Snapshots of models, where ``HF_HOME`` and its relatives put them."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | Unanswered | None:  # noqa: ARG002  # the cache is where it is
        """The model's snapshot, None when there is none of that revision with a config.json."""
        if not is_cache_id(ref.name):
            return None
        if uses_modelscope(self._environment):
            return Unanswered(
                f"VLLM_USE_MODELSCOPE is set, and ModelScope is not read: {shown(ref.name)} may differ there"
            )
        snapshot = snapshot_directory(cache_directory(self._environment), ref)
        return None if snapshot is None else read_directory(snapshot, "cache", snapshot.name)


def uses_modelscope(environment: Mapping[str, str]) -> bool:
    """Whether vLLM would take models from ModelScope in this environment (vllm/envs.py)."""
    return environment.get("VLLM_USE_MODELSCOPE", "").lower() in ("1", "true")


def is_set(environment: Mapping[str, str], name: str) -> bool:
    """Whether a switch is on, as huggingface_hub reads it."""
    return environment.get(name, "").lower() in _TRUE


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps its cache (huggingface_hub/constants.py)."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return _expanded(environment[name])
    if environment.get("HF_HOME"):
        return _expanded(environment["HF_HOME"]) / "hub"
    return _expanded(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(os.path.expanduser(text)))


def snapshot_directory(cache: Path, ref: ModelRef, inside: str = CONFIG) -> Path | None:
    """The folder of the files of ``ref``, if it is there with the file that describes it."""
    revision = ref.revision or "main"
    if not is_revision(revision):
        return None
    model = cache / ("models--" + ref.name.replace("/", "--"))
    commit = revision if is_commit(revision) else _commit_of(model / "refs" / revision)
    if commit is None:
        return None
    snapshot = model / "snapshots" / commit
    try:
        return snapshot if (snapshot / inside).is_file() else None
    except OSError:
        return None


def _commit_of(ref: Path) -> str | None:
    try:
        if not ref.is_file():
            return None
        with ref.open("rb") as file:
            text = file.read(_LONGEST_REF).decode("ascii", "replace").strip()
    except OSError:
        return None
    return text if is_commit(text) else None

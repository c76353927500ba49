"""What a model's name can be: a path, a hub's id, or the address of a store that is not read."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_ID = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)

# Prefixes of addresses that vLLM or people write, and what is behind them.
_ELSEWHERE = (
    (("modelscope:", "ms:"), "a ModelScope id"),
    (("https://modelscope.", "https://www.modelscope.", "http://modelscope."), "a ModelScope address"),
    (("s3://", "gs://", "az://", "oss://"), "an address in an object store"),
    (("https://", "http://"), "a web address"),
    (("hf://",), "an address of another tool"),
)
# How people and vLLM name one of a repository's GGUF files: by its quantization, or by the file itself.
_GGUF = re.compile(
    r"[^:\s]+/[^:\s]+:(?:UD-)?(?:I?Q[1-8]|TQ[12]|B?F16|F32|MXFP4)(?:_[A-Z0-9]+)*|\S+\.gguf", re.IGNORECASE
)
GGUF_READ = "and GGUF is not sized: vLLM reads it up to 0.22, later only with a plug-in"
_INSTEAD = "is not read: give a Hugging Face id such as org/name, or a directory"


def is_hub_id(name: str) -> bool:
    """Whether ``name`` has the shape ``org/name`` that a look-up on the hub needs."""
    organisation, slash, model = name.partition("/")
    return bool(slash) and _is_word(organisation) and _is_word(model)


def is_cache_id(name: str) -> bool:
    """Whether ``name`` may be in the Hugging Face cache: ``org/name``, or an old model's bare name."""
    return is_hub_id(name) or _is_word(name)


def _is_word(text: str) -> bool:
    return bool(_ID.fullmatch(text)) and "--" not in text and ".." not in text and not text.endswith(".git")


def is_revision(text: str) -> bool:
    """Whether ``text`` can name a branch, a tag or a commit, and nothing outside a folder of them."""
    return bool(_REVISION.fullmatch(text)) and ".." not in text and "//" not in text


def is_commit(text: str) -> bool:
    """Whether ``text`` is a full commit hash, which never comes to mean anything else."""
    return bool(_COMMIT.fullmatch(text))


def elsewhere(name: str) -> str | None:
    """Why a name that is an address of another kind of store has no answer; None for all other names."""
    lowered = name[:200].lower()
    for prefixes, kind in _ELSEWHERE:
        if lowered.startswith(prefixes):
            return f"{shown(name)} is {kind}, which {_INSTEAD}"
    return None


def names_gguf(name: str) -> bool:
    """Whether ``name`` has the shape of one GGUF file: ``org/name:Q4_K_M`` or a path that ends in .gguf."""
    return len(name) <= 1024 and bool(_GGUF.fullmatch(name))


def host_of(address: str) -> str | None:
    """The host of a web address, None for anything else."""
    try:
        parts = urlsplit(address)
        return parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:
        return None


def without_login(address: str) -> str:
    """An address without a user's name and password, as it may be shown and stored."""
    scheme, mark, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def shown(text: str) -> str:
    """A text from outside as it may stand in a sentence: on one line, printable, and not too long."""
    clean = "".join(character if character.isprintable() else "?" for character in text[:100])
    return clean if len(text) <= 100 else f"{clean}..."

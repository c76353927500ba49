"""Takes apart what people write for a GPU: how many, of which size, and the name that is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST = 120
_LARGEST_COUNT = 999

_QUOTES = "\"'` "
_KEY = re.compile(r"(?:[\w./-]+\s*(?::\s+|=\s*)|(?:accelerators?|gpus?|nvidia|amd|runpod|modal):)(?=\S)", re.IGNORECASE)
_COUNTS = (
    re.compile(r"(?P<card>.+?)\s*:\s*(?P<count>\d{1,9})", re.ASCII),
    re.compile(r"(?:gpu_)?(?P<count>\d{1,9})\s*[x*]\s*_?(?P<card>.+)", re.ASCII | re.IGNORECASE),
    re.compile(r"(?P<card>.+?)\s*(?<![a-z])[x*]\s*(?P<count>\d{1,2})", re.ASCII | re.IGNORECASE),
    re.compile(r"(?P<count>\d{1,2})\s+(?P<card>[a-z].*)", re.ASCII | re.IGNORECASE),
)
_SIZE = re.compile(r"(?<![a-z0-9.])(\d{1,4})\s*g(?:i?b)?(?![a-z0-9])", re.ASCII | re.IGNORECASE)
_SLICE = re.compile(r"(?<![a-z])mig(?![a-z])|(?<![a-z0-9])\d{1,2}g\.\d{1,3}gb", re.IGNORECASE)

# Words that makers, drivers and label conventions put around a name and that tell no two cards apart.
_BEFORE = ("nvidia", "amd", "intel", "geforce", "radeon", "instinct", "tesla", "hgx", "gpu", "rtx", "rx")
_AFTER = ("generation", "graphics", "blackwell", "edition", "shared", "gpus", "gpu")


@dataclass(frozen=True, slots=True)
class CardText:
    """A card as written, its name without the size, the size in GB as sold, and the number of cards.

    ``memory_gb`` and ``count`` are ``None`` where the text leaves them out.
    """

    text: str
    name: str
    memory_gb: int | None = None
    count: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The whole of it in the forms that names are kept in, likeliest first."""
        wholes = [self.text] if self.memory_gb is None else [self.text, f"{self.name} {self.memory_gb}gb"]
        return tuple(key for whole in map(normal, wholes) for key in (whole, bare(whole)))


def forms(text: str) -> Iterator[str]:
    """``text`` without quotes and trademark signs, then also without a leading ``gpu: `` or the like."""
    if len(text) > _LONGEST:
        return
    plain = re.sub(r"\((?:r|tm)\)", "", text.strip(_QUOTES), flags=re.IGNORECASE).replace("×", "x")
    yield plain
    key = _KEY.match(plain)
    if key:
        yield plain[key.end() :].strip(_QUOTES)


def normal(text: str) -> str:
    """The letters and digits of ``text``: what is compared."""
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def bare(key: str) -> str:
    """A normal form without the words that tell no two cards apart: ``nvidiageforcertx4090`` is ``4090``."""
    for word in _BEFORE:
        key = key.removeprefix(word) or key
    for word in _AFTER:
        key = key.removesuffix(word) or key
    return key


def is_slice(text: str) -> bool:
    """Whether a text names a part of a card (multi-instance GPU)."""
    return _SLICE.search(text) is not None


def card_texts(text: str) -> Iterator[CardText]:
    """The ways to read a text, likeliest first: with the count it states, then as a name alone."""
    for pattern in _COUNTS:
        match = pattern.fullmatch(text)
        if match and 0 < int(match["count"]) <= _LARGEST_COUNT:
            yield _with_size(match["card"], int(match["count"]))
    yield _with_size(text, None)


def _with_size(text: str, count: int | None) -> CardText:
    size = _SIZE.search(text)
    if size is None:
        return CardText(text, text, None, count)
    name = f"{text[: size.start()]} {text[size.end() :]}".strip(" :-_")
    return CardText(text, name, int(size[1]), count)

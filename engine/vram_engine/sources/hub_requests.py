"""Requests to the model hub: through huggingface_hub's session, with limits, time and redirects in our own hands.

The session brings proxies, certificates and mirrors as the user set them up. Answers are asked for uncompressed and
read no further than agreed, and the token goes to the configured endpoint alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from vram_engine.model.reference import Unanswered
from vram_engine.sources.hub_reasons import Asked, refused, unreachable

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_SILENCE_S = 5.0
_CHUNK = 2**16
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class HubError(Exception):
    """The hub gave no usable answer; ``unanswered`` says why."""

    def __init__(self, unanswered: Unanswered) -> None:
        super().__init__(unanswered.reason)
        self.unanswered = unanswered


@dataclass(frozen=True, slots=True)
class Piece:
    """The beginning of a file, and the size of the whole in bytes."""

    data: bytes
    file_bytes: int


@dataclass(frozen=True, slots=True)
class HubRequests:
    """Requests about one model, all to be done by ``until`` (monotonic seconds)."""

    asked: Asked
    token: str | None
    agent: str
    until: float

    def whole(self, path: str, limit: int) -> bytes:
        """A file or document of at most ``limit`` bytes; raises HubError."""
        with self._answer(path, {}) as (_, headers, chunks):
            declared = _length(headers)
            if declared is not None and declared > limit:
                raise self._unusable(f"sends {declared:,} bytes where a description is expected")
            data = self._read(chunks, limit + 1)
        if len(data) > limit:
            raise self._unusable(f"sends more than {limit:,} bytes where a description is expected")
        if declared is not None and declared != len(data):
            raise self._unusable("broke off its answer")
        return data

    def beginning(self, path: str, length: int) -> Piece:
        """The first ``length`` bytes of a file, fewer where it is shorter; raises HubError."""
        with self._answer(path, {"Range": f"bytes=0-{length - 1}"}) as (status, headers, chunks):
            file_bytes = self._file_bytes(status, headers)
            data = self._read(chunks, min(length, file_bytes))
        if len(data) < min(length, file_bytes):
            raise self._unusable("broke off its answer")
        return Piece(data, file_bytes)

    def _file_bytes(self, status: int, headers: Mapping[str, str]) -> int:
        """The size of the whole file; a server that ignores ranges sends all of it from the start."""
        if status == 206:
            found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
            if found is None or int(found[1]) != 0 or int(found[2]) >= int(found[3]):
                raise self._unusable("sends another part of a file than it was asked for")
            return int(found[3])
        declared = _length(headers)
        if declared is None:
            raise self._unusable("does not say how large a file is")
        return declared

    @contextmanager
    def _answer(self, path: str, extra: dict[str, str]) -> Iterator[tuple[int, dict[str, str], Iterator[bytes]]]:
        """A successful answer, redirects followed; raises HubError for any other."""
        try:
            url = self.asked.endpoint + path
            for _ in range(_MOST_REDIRECTS):
                with _opened(url, self._headers(url) | extra, self._patience()) as (status, headers, chunks):
                    if status not in _REDIRECTS:
                        yield self._accepted(status, headers), headers, chunks
                        return
                    url = self._next(url, headers.get("location", ""))
            raise self._unusable("sends from one address to the next without end")
        except HubError:
            raise
        except Exception as error:  # the HTTP library below huggingface_hub has changed twice, with all its exceptions
            raise HubError(unreachable(self.asked.host, error)) from None

    def _headers(self, url: str) -> dict[str, str]:
        headers = {"User-Agent": self.agent, "Accept-Encoding": "identity"}
        if self.token is not None and _origin(urlsplit(url)) == _origin(urlsplit(self.asked.endpoint)):
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _accepted(self, status: int, headers: Mapping[str, str]) -> int:
        if status not in (200, 206):
            raise HubError(refused(self.asked, status, headers))
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise self._unusable("sends compressed what it was asked to send as it is")
        return status

    def _next(self, url: str, location: str) -> str:
        following = urljoin(url, location[:4096])
        schemes = urlsplit(url).scheme, urlsplit(following).scheme
        if not location or schemes[1] not in _DEFAULT_PORTS or schemes == ("https", "http"):
            raise self._unusable("sends to an address that is not followed")
        return following

    def _read(self, chunks: Iterator[bytes], limit: int) -> bytes:
        held = bytearray()
        for chunk in chunks:
            held += chunk
            if len(held) >= limit:
                break
            self._patience()
        return bytes(held[:limit])

    def _patience(self) -> float:
        """Seconds that the next step may take; raises TimeoutError where the time is up."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, _LONGEST_SILENCE_S)

    def _unusable(self, what: str) -> HubError:
        return HubError(Unanswered(f"{self.asked.host} {what}"))


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


@contextmanager
def _opened(
    url: str, headers: dict[str, str], patience: float
) -> Iterator[tuple[int, dict[str, str], Iterator[bytes]]]:
    """One request with undecoded chunks: huggingface_hub has an httpx client since 1.0, a requests session before."""
    from huggingface_hub import get_session

    session: Any = get_session()
    if callable(getattr(session, "stream", None)):
        with session.stream("GET", url, headers=headers, timeout=patience, follow_redirects=False) as answer:
            yield answer.status_code, _lowered(answer.headers), answer.iter_raw()
    else:
        with session.get(url, headers=headers, timeout=patience, stream=True, allow_redirects=False) as answer:
            yield answer.status_code, _lowered(answer.headers), answer.raw.stream(_CHUNK, decode_content=False)


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}

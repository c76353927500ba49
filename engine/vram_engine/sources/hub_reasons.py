"""Why the hub did not answer, as clauses that say what to do. Nothing that the hub itself wrote is repeated."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vram_engine.model.reference import Unanswered
from vram_engine.sources.names import shown, without_login

_LONGEST_PATIENCE_S = 3600.0
_GET_TOKEN = "set HF_TOKEN or run hf auth login"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom: the endpoint's address and host, the model, its revision, and whether with a token."""

    endpoint: str
    host: str
    model: str
    revision: str | None
    has_token: bool


def refused(asked: Asked, status: int, headers: Mapping[str, str]) -> Unanswered:
    """The meaning of an HTTP status that is not success. ``headers`` are by lower-case names."""
    code = headers.get("x-error-code", "")
    if status in (401, 403) and code == "GatedRepo":
        return _gated(asked)
    if status == 401 or (status == 403 and code == "RepoNotFound"):
        return _unauthorized(asked, code)
    if status == 403:
        return Unanswered(
            f"{asked.host} does not let this token read {shown(asked.model)}: {_GET_TOKEN} with one that may"
        )
    if status == 404:
        return _not_found(asked, code)
    if status == 429:
        seconds = _seconds(headers.get("retry-after", ""))
        when = f"in {seconds:.0f} s" if seconds is not None else "later"
        return Unanswered(f"{asked.host} limits requests for now and is asked again {when}", seconds, for_all=True)
    if status >= 500:
        return Unanswered(
            f"{asked.host} has an error of its own (status {status}) and is asked again later", for_all=True
        )
    return Unanswered(f"{asked.host} answered with status {status}, which a model hub should not: check HF_ENDPOINT")


def _gated(asked: Asked) -> Unanswered:
    page = f"{without_login(asked.endpoint)}/{asked.model}"
    if asked.has_token:
        return Unanswered(
            f"{shown(asked.model)} is gated and the account of your token has no access: accept its terms at {page}"
        )
    return Unanswered(f"{shown(asked.model)} is gated: accept its terms at {page}, then {_GET_TOKEN}")


def _unauthorized(asked: Asked, code: str) -> Unanswered:
    model = shown(asked.model)
    if not asked.has_token:
        return Unanswered(
            f"{asked.host} has no public model {model}: check its spelling, or if it is private {_GET_TOKEN}"
        )
    if code == "RepoNotFound":
        return Unanswered(f"{asked.host} has no model {model} that your token may see: check its spelling")
    return Unanswered(f"{asked.host} does not accept your token: renew it ({_GET_TOKEN})", for_all=True)


def _not_found(asked: Asked, code: str) -> Unanswered:
    if code == "RevisionNotFound" and asked.revision is not None:
        return Unanswered(f"{shown(asked.model)} has no revision {shown(asked.revision)} on {asked.host}")
    return Unanswered(f"{asked.host} has no model {shown(asked.model)}: check its spelling")


def _seconds(text: str) -> float | None:
    return min(float(text), _LONGEST_PATIENCE_S) if text.isdecimal() and len(text) < 9 else None


def unreachable(host: str, error: BaseException) -> Unanswered:
    """The meaning of an exception from whichever HTTP library is below huggingface_hub, by what caused it."""
    causes = tuple(_causes(error))
    names = " ".join(type(cause).__name__.lower() for cause in causes)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        reason = f"{host} cannot be found by its name: check the network, the proxy or HF_ENDPOINT"
    elif any(isinstance(cause, ssl.SSLError) for cause in causes):
        reason = f"{host} offers no connection that is trusted here: check the proxy's certificates (SSL_CERT_FILE)"
    elif "timeout" in names or "timedout" in names:
        reason = f"{host} did not answer in time"
    elif "proxyerror" in names:
        reason = f"the proxy on the way to {host} does not answer: check HTTPS_PROXY"
    elif any(isinstance(cause, ConnectionRefusedError) for cause in causes) or "connecterror" in names:
        reason = f"{host} takes no connections: check the network, the proxy or HF_ENDPOINT"
    elif any(word in names for word in ("protocolerror", "incompleteread", "connectionreset", "readerror")):
        reason = f"{host} broke off its answer"
    else:
        reason = f"{host} could not be asked ({type(error).__name__})"
    return Unanswered(reason, for_all=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # requests hands the cause on as an argument, urllib3 as an attribute, httpx by chaining.
        inner = getattr(current, "reason", None) or next(iter(current.args), None)
        current = inner if isinstance(inner, BaseException) else current.__cause__ or current.__context__

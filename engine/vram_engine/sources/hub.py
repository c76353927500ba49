"""Models on the Hugging Face hub or a mirror: descriptions and headers of tensors, never weights.

Asked only when somebody allowed it. huggingface_hub is imported when asked, so that nobody waits for it otherwise.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from vram_engine.adapters import CONFIG as ADAPTER
from vram_engine.model.reference import CheckpointFacts, ModelRef, Unanswered
from vram_engine.model.spec import Unavailable
from vram_engine.sources.cache import is_set, uses_modelscope
from vram_engine.sources.checkpoint import (
    INDEX,
    LONGEST_INDEX,
    MOST_HEADER_BYTES,
    PREFIX_BYTES,
    Header,
    MalformedError,
    checkpoint_facts,
    header_length,
    is_one_set,
    weight_files,
)
from vram_engine.sources.deadline import in_parallel, within
from vram_engine.sources.files import LONGEST_FILE
from vram_engine.sources.hub_reasons import Asked
from vram_engine.sources.hub_requests import HubError, HubRequests
from vram_engine.sources.hub_siblings import quantized_on_hub
from vram_engine.sources.model_files import (
    CONFIG,
    LONGEST_JSON,
    MODULES,
    QUANT_CONFIG,
    ModelFiles,
    json_object,
)
from vram_engine.sources.names import host_of, is_commit, is_hub_id, is_revision, shown
from vram_engine.sources.quantize_files import quantize_files

_T = TypeVar("_T")

DEFAULT_ENDPOINT = "https://huggingface.co"

# All requests about one model together.
_BUDGET_S = 15.0
_AT_ONCE = 6
# Holds the header of most shards, so that one request is enough.
_FIRST_BYTES = 2**17


class HuggingFaceHub:
    """The hub that ``HF_ENDPOINT`` names, asked with ``HF_TOKEN`` or the token of ``hf auth login``."""

    def __init__(self, agent: str, environment: Mapping[str, str] = os.environ, budget_s: float = _BUDGET_S) -> None:
        self._agent = agent
        self._environment = environment
        self._budget_s = budget_s

    @property
    def endpoint(self) -> str:
        """The address that is asked, without a slash at its end."""
        return hub_endpoint(self._environment)

    def fetch(self, ref: ModelRef) -> ModelFiles | Unanswered:
        """The files of a model as they are on the hub now, or why there is no answer."""
        return self._answered(ref, lambda requests: _Repository.listed(requests).files())

    def fetch_adapter(self, ref: ModelRef) -> ModelFiles | Unanswered:
        """The adapter_config.json of a LoRA adapter, in the place of a model's config.json."""
        return self._answered(ref, lambda requests: _Repository.listed(requests).adapter())

    def quantized(self, ref: ModelRef) -> tuple[str, ...] | Unanswered:
        """Ids of repositories that hold the model in fewer bits, or why there is no answer."""
        return self._answered(ref, quantized_on_hub)

    def _answered(self, ref: ModelRef, ask: Callable[[HubRequests], _T]) -> _T | Unanswered:
        never = self._never_asked(ref)
        if never is not None:
            return never
        host = host_of(self.endpoint)
        if host is None:
            return Unanswered("HF_ENDPOINT is not a web address")
        try:
            return within(self._budget_s, partial(self._asked, ref, host, time.monotonic() + self._budget_s, ask))
        except TimeoutError:
            return Unanswered(f"{host} did not answer in time", for_all=True)

    def _never_asked(self, ref: ModelRef) -> Unanswered | None:
        if not is_hub_id(ref.name):
            return Unanswered(f"{shown(ref.name)} is not an id of the hub, which looks like org/name")
        if ref.revision is not None and not is_revision(ref.revision):
            return Unanswered(f"{shown(ref.revision)} is not a revision")
        if is_set(self._environment, "HF_HUB_OFFLINE") or is_set(self._environment, "TRANSFORMERS_OFFLINE"):
            return Unanswered("HF_HUB_OFFLINE is set, so the hub is not asked")
        if uses_modelscope(self._environment):
            return Unanswered("VLLM_USE_MODELSCOPE is set, and ModelScope is not read")
        return None

    def _asked(self, ref: ModelRef, host: str, until: float, ask: Callable[[HubRequests], _T]) -> _T | Unanswered:
        try:
            token = _token()
        except Exception:  # an exchange or refresh of credentials failed; its text may hold some
            return Unanswered("your Hugging Face token cannot be read: run hf auth login again", for_all=True)
        asked = Asked(self.endpoint, host, ref.name, ref.revision, token is not None)
        try:
            return ask(HubRequests(asked, token, self._agent, until))
        except HubError as error:
            return error.unanswered


def hub_endpoint(environment: Mapping[str, str]) -> str:
    """The configured hub, as huggingface_hub reads it."""
    return (environment.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def _token() -> str | None:
    from huggingface_hub import constants, get_token

    return None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()


@dataclass(slots=True)
class _Repository:
    """One commit of a model on the hub, with the names of its files."""

    requests: HubRequests
    commit: str
    names: frozenset[str]
    _header_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def listed(cls, requests: HubRequests) -> _Repository:
        asked = requests.asked
        path = f"/api/models/{asked.model}/revision/{quote(asked.revision or 'main', safe='')}"
        listing = json_object(requests.whole(path, LONGEST_JSON), "the list of files")
        if isinstance(listing, Unavailable):
            raise _lying(asked)
        commit, siblings = listing.get("sha"), listing.get("siblings")
        if not isinstance(commit, str) or not is_commit(commit) or not isinstance(siblings, list):
            raise _lying(asked)
        names = (each.get("rfilename") for each in siblings if isinstance(each, dict))
        return cls(requests, commit, frozenset(name for name in names if isinstance(name, str) and name.isprintable()))

    def files(self) -> ModelFiles:
        asked = self.requests.asked
        if CONFIG not in self.names:
            raise HubError(
                Unanswered(f"{shown(asked.model)} has no config.json on {asked.host}, which vLLM reads first")
            )
        config = self._json(CONFIG, LONGEST_JSON)
        quant_config = self._json(QUANT_CONFIG, LONGEST_JSON) if QUANT_CONFIG in self.names else None
        # Newer repositories repeat in config.json what these say, and vLLM reads that first.
        apart = () if "quantization_config" in config else quantize_files(self.names - {QUANT_CONFIG})
        quantized = {name: self._json(name, LONGEST_JSON) for name in apart}
        checkpoint, notes = self._checkpoint()
        return ModelFiles(config, quant_config, MODULES in self.names, checkpoint, self.commit, notes, quantized)

    def adapter(self) -> ModelFiles:
        if ADAPTER not in self.names:
            asked = self.requests.asked
            raise HubError(Unanswered(f"{shown(asked.model)} has no {ADAPTER} on {asked.host}"))
        return ModelFiles(self._json(ADAPTER, LONGEST_FILE), commit=self.commit)

    def _json(self, name: str, limit: int) -> dict[str, object]:
        value = json_object(self.requests.whole(self._path(name), limit), name)
        if isinstance(value, Unavailable):
            asked = self.requests.asked
            raise HubError(Unanswered(f"{value.reason} as {asked.host} sends it for {shown(asked.model)}"))
        return value

    def _checkpoint(self) -> tuple[CheckpointFacts | None, tuple[str, ...]]:
        """What the safetensors files hold; where that cannot be told, the model is known all the same."""
        try:
            files = weight_files(self.names, None)
            if INDEX in self.names and not is_one_set(files):
                files = weight_files(self.names, self.requests.whole(self._path(INDEX), LONGEST_INDEX))
            headers = in_parallel([partial(self._header, name) for name in files], _AT_ONCE, self.requests.until)
            return (checkpoint_facts(headers) if files else None), ()
        except HubError as error:
            reason = error.unanswered.reason
        except MalformedError as error:
            reason = str(error)
        except TimeoutError:
            reason = f"{self.requests.asked.host} did not answer in time"
        return None, (f"the sizes of its tensors are not known: {reason}",)

    def _header(self, name: str) -> Header:
        path, file = self._path(name), shown(name)
        piece = self.requests.beginning(path, _FIRST_BYTES)
        length = header_length(piece.data[:PREFIX_BYTES], file, piece.file_bytes)
        with self._lock:
            self._header_bytes += length
            if self._header_bytes > MOST_HEADER_BYTES:
                raise MalformedError("the headers of the checkpoint are longer than is read")
        end = PREFIX_BYTES + length
        if len(piece.data) < end:
            piece = self.requests.beginning(path, end)
        if len(piece.data) < end:
            raise MalformedError(f"{file} changed while it was read")
        return Header(file, piece.data[PREFIX_BYTES:end], piece.file_bytes - end)

    def _path(self, name: str) -> str:
        return f"/{self.requests.asked.model}/resolve/{self.commit}/{quote(name)}"


def _lying(asked: Asked) -> HubError:
    return HubError(Unanswered(f"{asked.host} does not describe {shown(asked.model)} as a hub does: check HF_ENDPOINT"))

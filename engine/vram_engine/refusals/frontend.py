"""Refusals about the server around the engine: tools, logs, transfer of KV caches, loading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.facts.flags import flag
from vram_engine.facts.versions import Version
from vram_engine.refusals.case import Case, in_vllms_words, word
from vram_engine.refusals.quantization import removed

_ROLES = frozenset({"kv_producer", "kv_consumer", "kv_both"})
_STORES = re.compile(r"(?:s3|gs|az)://", re.ASCII)
_STREAMING = frozenset({"auto", "modelexpress", "runai_streamer", "runai_streamer_sharded"})

# First releases without a way of loading (``LoadFormats``).
LOADERS_GONE: Mapping[str, Version] = MappingProxyType({"gguf": Version(0, 24, 0), "bitsandbytes": Version(0, 28, 0)})


def tools_without_parser(case: Case) -> str | None:
    """``validate_parsed_serve_args``."""
    if case.switch("enable-auto-tool-choice") is not True or case.says("tool-call-parser") or case.hides_settings:
        return None
    return "vLLM refuses enable-auto-tool-choice without tool-call-parser"


def outputs_without_requests(case: Case) -> str | None:
    """``validate_parsed_serve_args``."""
    if case.switch("enable-log-outputs") is not True or case.switch("enable-log-requests") is not False:
        return None
    return "vLLM refuses enable-log-outputs without enable-log-requests"


def transfer_without_role(case: Case) -> str | None:
    """vllm/config/kv_transfer.py."""
    config = case.mapping("kv-transfer-config") or {}
    role = word(config, "kv_role")
    if role is not None and role not in _ROLES:
        return f"vLLM refuses kv_role {role[:40]}: it can be {', '.join(sorted(_ROLES))}"
    if "kv_connector" not in config or "kv_role" in config:
        return None
    return "vLLM refuses kv-transfer-config with a kv_connector and no kv_role"


def store_without_streaming(case: Case) -> str | None:
    """vllm/config/vllm.py: weights in an object store are streamed."""
    model, loader = case.deployment.text("model"), case.text("load-format", "auto")
    if model is None or loader is None or _STORES.match(model) is None or loader in _STREAMING:
        return None
    return f"vLLM refuses load-format {loader} for a model in an object store: it needs runai_streamer"


def loader_gone(case: Case) -> str | None:
    """A way of loading that the release no longer has."""
    loader = case.text("load-format")
    gone = LOADERS_GONE.get(loader or "")
    if gone is None or case.version < gone or removed(case) is not None:
        return None
    return f"vLLM {case.version} no longer has load-format {loader}"


def option_not_there_yet(case: Case) -> str | None:
    """An option of a newer release, which the parser does not recognize."""
    name = first_option_not_there_yet(case)
    return None if name is None else f"vLLM {case.version} does not have the option {name} yet"


def first_option_not_there_yet(case: Case) -> str | None:
    """The first such option of the file."""
    for name in case.deployment.settings:
        row, setting = flag(name), case.deployment.effective(name)
        if row is None or setting is None or row.since is None or row.positional:
            continue
        if case.version >= row.since or row.accepted_by(case.version) is not False:
            continue
        if setting.origin in ("file", "argument") and in_vllms_words(setting):
            return name
    return None


def sharded_sampling(case: Case) -> str | None:
    """vllm/config/vllm.py, ``_validate_batch_sharded_sampling``."""
    if case.switch("enable-batch-sharded-sampling") is not True:
        return None
    tensor, requests = case.integer("tensor-parallel-size", 1), case.integer("max-num-seqs")
    if tensor == 1:
        return "vLLM refuses enable-batch-sharded-sampling with tensor-parallel-size 1: there is nothing to share out"
    if tensor is not None and requests is not None and requests < tensor:
        return f"vLLM refuses enable-batch-sharded-sampling with max-num-seqs {requests} below {tensor} ranks"
    if case.integer("max-logprobs", 20) == -1:
        return "vLLM refuses enable-batch-sharded-sampling with max-logprobs -1"
    return None

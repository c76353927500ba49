"""A hub, an environment that leads to it alone, and a cache of models of its own for every test."""

from __future__ import annotations

import importlib

import huggingface_hub
import pytest

from tests.hub.loopback import LoopbackHub
from vram_engine.sources.hub import HuggingFaceHub
from vram_lsp.model_cache import ModelCache

VARIABLES = (
    *("HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HOME"),
    *("HF_OIDC_RESOURCE", "VLLM_USE_MODELSCOPE", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"),
    *("ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
)


def close_sessions():
    """Drop huggingface_hub's connections, which remember the environment they were made in."""
    close = getattr(huggingface_hub, "close_session", None)
    (close or importlib.import_module("huggingface_hub.utils._http").reset_sessions)()


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing of this machine's own tokens, proxies and caches."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "hf/token"))


@pytest.fixture(scope="package", autouse=True)
def closed_sessions():
    """Making a session reads all certificates, so that tests share one."""
    close_sessions()
    yield
    close_sessions()


@pytest.fixture
def new_sessions():
    """Sessions for this test alone; call it when the environment is as it should be."""
    yield close_sessions
    close_sessions()


@pytest.fixture
def hub(monkeypatch):
    """A hub without models, and HF_ENDPOINT for it."""
    hub = LoopbackHub()
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    yield hub
    hub.close()


@pytest.fixture
def other_host():
    """Another server, of another origin."""
    other = LoopbackHub()
    yield other
    other.close()


@pytest.fixture
def client():
    """The adapter, with less patience than a user has."""
    return HuggingFaceHub("vram-lsp/test", budget_s=5.0)


@pytest.fixture
def cache(tmp_path):
    """A cache of models on disk."""
    return ModelCache(tmp_path / "models")

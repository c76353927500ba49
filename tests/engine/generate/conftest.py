"""What the tests of artifacts share: deployments made of settings alone, and files read as deployments."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context, deployments_of
from vram_engine.deployment import Deployment, Known, Setting
from vram_engine.syntax.parse import parse


@pytest.fixture
def deployment():
    """A function that makes a deployment of settings, every one of them said by a file."""

    def deployment(settings, *, name="chat", dialect="serve-config"):
        given = {key: (Setting(key, Known(value), "file", key),) for key, value in settings.items()}
        return Deployment(dialect, name, 0, given, {})

    return deployment


@pytest.fixture
def read():
    """A function that reads the deployments of a text."""

    def read(text):
        return deployments_of(parse(text), Context())

    return read

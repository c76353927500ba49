"""What the tests of dialects share: a text read as its deployments, before anything is sized."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context, deployments_of
from vram_engine.deployment import Known
from vram_engine.syntax.parse import parse


@pytest.fixture
def deployments():
    """A function from a text to its deployments."""
    return lambda text: deployments_of(parse(text), Context())


@pytest.fixture
def said(deployments):
    """A function from a text to the settings of its only deployment: values, and reasons for what is unknown."""

    def said(text):
        (deployment,) = deployments(text)
        values = {}
        for name in deployment.settings:
            value = deployment.effective(name).value
            values[name] = value.value if isinstance(value, Known) else f"? {value.reason}"
        return values

    return said

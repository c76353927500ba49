"""The JSON Schemas accept the examples and refuse what the readers refuse."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROFILE = json.loads((ROOT / "editors/schemas/vram-profile.schema.json").read_text())
CONFIG = json.loads((ROOT / "editors/schemas/vllm-config.schema.json").read_text())


def valid(schema, text):
    """Whether a text is valid under a schema, read as YAML."""
    return jsonschema.Draft7Validator(schema).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("name", "schema"), [("profile", PROFILE), ("rough", PROFILE), ("fits", CONFIG), ("does-not-fit", CONFIG)]
)
def test_the_examples_are_valid(name, schema):
    """What the reader reads without a remark, the schema accepts."""
    assert valid(schema, (ROOT / f"examples/{name}.yaml").read_text())


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (CONFIG, "max-model-lenn: 5"),
        (CONFIG, "dtype: bfloat"),
        (CONFIG, "max-num-seqs: 0"),
        (CONFIG, "gpu-memory-utilization: 90"),
        (CONFIG, "enforce-eager: 'true'"),
        (PROFILE, "profile_version: 2"),
        (PROFILE, "profile_version: 1\nmodel: {dtype: fp17}"),
        (PROFILE, "profile_version: 1\nhardware: {gpsu: 1}"),
    ],
)
def test_mistakes_are_refused(schema, text):
    """What vLLM or the profile refuses, the schema refuses."""
    assert not valid(schema, text)


def test_both_spellings_and_words_for_numbers_are_valid():
    """vLLM takes kebab and snake, 32k for a length, and a quoted number."""
    assert valid(
        CONFIG, "max_model_len: 32k\nmax-num-seqs: '64'\nno-enable-prefix-caching: true\noptimization-level: 2"
    )

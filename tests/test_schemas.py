"""The JSON Schemas accept the examples and refuse what the readers refuse."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from vram_lsp.config import Config, read_config
from vram_lsp.generated import package_json

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


SETTINGS = json.loads((ROOT / "editors/schemas/settings.json").read_text())


@pytest.mark.parametrize(
    ("settings", "fine"),
    [
        ({"vramLsp.vllmVersion": "0.32.0", "vramLsp.hardware.gpu": "h100", "vramLsp.hardware.count": 8}, True),
        ({"vramLsp.estimator": "closed_form", "vramLsp.hub": "cache", "vramLsp.rules": {"tight-memory": "off"}}, True),
        ({"vramLsp.server.path": "/usr/bin/vram-lsp", "vramLsp.trace.server": "verbose", "editor.fontSize": 12}, True),
        ({"vramLsp.hardware.count": 0}, False),
        ({"vramLsp.estimator": "guess"}, False),
        ({"vramLsp.hub": "always"}, False),
        ({"vramLsp.rules": {"no-such-rule": "off"}}, False),
        ({"vramLsp.rules": {"tight-memory": "loud"}}, False),
        ({"vramLsp.workload.promptTokens": "many"}, False),
    ],
)
def test_the_settings_schema_knows_every_setting(settings, fine):
    """Under the whole names that VS Code keeps them by; other extensions' settings are none of its business."""
    assert jsonschema.Draft7Validator(SETTINGS).is_valid(settings) is fine


def test_defaults_of_the_schema_change_nothing():
    """What an editor sends when nobody set anything is read without a remark and gives no setting."""
    sent: dict = {}
    for name, schema in SETTINGS["properties"].items():
        assert jsonschema.Draft7Validator(schema).is_valid(schema["default"])
        *parents, last = name.removeprefix("vramLsp.").split(".")
        place = sent
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = schema["default"]
    assert read_config(sent, "settings", "vramLsp") == Config()


def test_the_manifest_of_an_extension_gets_the_settings():
    """Everything else in it stays, a second run changes nothing, and where there is none, none is made."""
    manifest = json.dumps({"name": "vram-lsp", "contributes": {"commands": [], "configuration": {"old": 1}}})
    once = package_json(manifest)
    assert json.loads(once)["name"] == "vram-lsp"
    assert json.loads(once)["contributes"]["commands"] == []
    assert json.loads(once)["contributes"]["configuration"]["properties"] == SETTINGS["properties"]
    assert package_json(once) == once
    assert package_json("") == ""


def test_what_the_extension_alone_reads_is_no_mistake():
    """The whole section is sent to the server; in a project file the same keys are none."""
    values = {"trace": {"server": "verbose"}, "server": {"path": "vram-lsp"}}
    assert read_config(values, "settings", "vramLsp").problems == ()
    assert len(read_config(values, "project", "vram-lsp.toml").problems) == 2

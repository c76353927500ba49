"""The file behind --config: found through mounts, merged beneath the command line, never edited."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context, analyse, deployments_of
from vram_engine.deployment import Known
from vram_engine.fixing import edits_of
from vram_engine.lent import FileRef, LentFile, Unlent
from vram_engine.rules.base import ChangeSettings, Fix
from vram_engine.syntax.edits import apply
from vram_engine.syntax.parse import parse

SCRIPT = "resources: {accelerators: H100}\nrun: vllm serve %s --config serve.yaml %s\n"


def service(path="/etc/vllm/serve.yaml", volume="./conf:/etc/vllm:ro", tag="v0.32.0", more=""):
    """A compose file whose service takes its settings from a file."""
    return (
        f"# vram: gpu=h100\nservices:\n  vllm:\n    image: vllm/vllm-openai:{tag}\n"
        f"    command: --config {path} --max-num-seqs 16\n    volumes:\n      - {volume}\n{more}"
    )


def lent(path, text):
    """A context in which one file is known."""
    return Context(files={FileRef(path): LentFile(text, "/srv/file.yaml")})


def values(text, context):
    """The settings of the only deployment: values, and reasons for what is unknown."""
    (deployment,) = deployments_of(parse(text), context)
    found = {}
    for name in deployment.settings:
        value = deployment.effective(name).value
        found[name] = value.value if isinstance(value, Known) else f"? {value.reason}"
    return found


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (SCRIPT % ("m", ""), "serve.yaml"),
        (service(), "./conf/serve.yaml"),
        (service(volume="${CONF:-./conf}:/etc/vllm"), "./conf/serve.yaml"),
        (service(volume="./serve.yaml:/etc/vllm/serve.yaml"), "./serve.yaml"),
        (service(volume="{type: bind, source: ./conf, target: /etc/vllm/}"), "./conf/serve.yaml"),
        (service("/etc/../etc/vllm/a/serve.yaml"), "./conf/a/serve.yaml"),
        (service("serve.yaml", more="    working_dir: /etc/vllm\n"), "./conf/serve.yaml"),
        (service("/c.yaml", more="    configs: [c.yaml]\nconfigs: {c.yaml: {file: conf/c.yml}}\n"), "./conf/c.yml"),
        ("cmd: docker run -v ./conf:/c vllm/vllm-openai:v0.32.0 --model m --config /c/a.yml", None),
    ],
)
def test_the_file_is_asked_for_by_its_path_outside(text, path):
    """A script's path as it is, a container's through what is mounted there."""
    wants = {each.path for each in analyse(text).wants if isinstance(each, FileRef)}
    assert wants == ({path} if path else set())


@pytest.mark.parametrize(
    "text",
    [
        service(volume="conf:/etc/vllm"),
        service(volume="~/conf:/etc/vllm"),
        service(volume="$CONF:/etc/vllm"),
        service(volume="/srv/conf:/etc/vllm"),
        service(volume="./conf:/etc/vll"),
        service(volume="./:/etc\n      - cache:/etc/vllm"),
        service("serve.yaml"),
        service("/etc/vllm/serve.json"),
        SCRIPT % ("m", "--config other.yaml"),
        SCRIPT.replace("serve.yaml", "$FILE") % ("m", ""),
    ],
)
def test_what_cannot_be_told_is_not_asked_for(text):
    """A volume's name, a home, another machine's path, what another mount covers, two files: settings stay hidden."""
    assert not [each for each in analyse(text).wants if isinstance(each, FileRef)]
    assert "more-arguments" in values(text, Context())


def test_an_absolute_mount_counts_inside_the_workspace():
    """A node's path is this machine's only where it leads into the folders of the text."""
    context = Context(folders=("/srv",))
    wants = analyse(service(volume="/srv/conf:/etc/vllm"), context).wants
    assert FileRef("/srv/conf/serve.yaml") in wants
    assert not analyse(service(volume="/srv/../etc/vllm:/etc/vllm"), context).wants


def test_the_command_line_wins_over_the_file():
    """The file's options come first, the model of the command line stays, and nothing is hidden any more."""
    text = "model: other\nmax-num-seqs: 512\nmax_model_len: 4k\nenable-prefix-caching: false\nconfig: x.yaml\n"
    assert values(SCRIPT % ("m", "--max-num-seqs 16"), lent("serve.yaml", text)) == {
        "model": "m",
        "max-num-seqs": 16,
        "max-model-len": 4000,
        "enable-prefix-caching": False,
        "config": "serve.yaml",
        "gpu": "H100",
        "gpus": 1,
    }
    assert values(SCRIPT % ("", ""), lent("serve.yaml", text))["model"] == "other"


def test_the_release_may_be_said_in_a_comment():
    """What the file means depends on it all the same."""
    text = "# vram: vllm=0.27.1\n" + SCRIPT % ("m", "")
    assert "enable-prefix-caching" not in values(text, lent("serve.yaml", "enable-prefix-caching: false\n"))


@pytest.mark.parametrize(("tag", "value"), [("v0.28.0", False), ("v0.27.1", None)])
def test_false_counts_from_0_28_on(tag, value):
    """Before, vLLM dropped every false of such a file, and that is said."""
    context = lent("./conf/serve.yaml", "model: m\nenable-prefix-caching: false\n")
    assert values(service(tag=tag), context).get("enable-prefix-caching") is value
    said = [each.rule for each in analyse(service(tag=tag), context).findings]
    assert ("boolean-has-no-effect" in said) is (value is None)


def test_maps_are_read_from_0_16_on():
    """An older vLLM gets the map as Python's text for it, which is no JSON."""
    context = lent("./conf/serve.yaml", "model: m\nspeculative-config: {method: ngram}\n")
    assert values(service(), context)["speculative-config"] == '{"method": "ngram"}'
    assert values(service(tag="v0.14.1"), context)["speculative-config"].startswith("? /etc/vllm/serve.yaml gives")


@pytest.mark.parametrize(
    "text",
    ["", "- a\n", "text", "a: [\n", "a: 1\n---\nb: 1\n", "nnodes: 2\n", "max-num-seqs: 1\nmax_num_seqs: 2\n"],
)
def test_a_file_that_is_no_map_of_options_says_nothing(text):
    """Broken, several documents, more machines than are counted: settings stay hidden, with the reason."""
    hidden = values(SCRIPT % ("m", ""), lent("serve.yaml", text))["more-arguments"]
    assert hidden.startswith("? serve.yaml ")


def test_a_file_that_is_not_lent_says_why():
    """The reason for what is hidden is the source's."""
    context = Context(files={FileRef("serve.yaml"): Unlent("which cannot be read")})
    hidden = values(SCRIPT % ("m", ""), context)["more-arguments"]
    assert hidden == "? more settings are in serve.yaml, which cannot be read"


def test_findings_stand_at_the_option_and_name_the_file():
    """What the file says wrongly is shown where it is named, and no fix is offered for another file."""
    text = service()
    analysis = analyse(text, lent("./conf/serve.yaml", "model: m\ngpu-memory-utilization: 1.5\nmax-nun-seqs: 2\n"))
    found = {each.rule: each for each in analysis.findings}
    for rule in ("gpu-memory-utilization-out-of-range", "unknown-key"):
        span = analysis.span(found[rule].where)
        assert text[span.start : span.end] == "/etc/vllm/serve.yaml"
        assert "/etc/vllm/serve.yaml" in found[rule].message
    assert found["unknown-key"].fixes == ()


def test_a_fix_of_such_a_setting_is_written_on_the_command_line():
    """The command line wins, so that is where another value goes."""
    text, context = service(), lent("./conf/serve.yaml", "model: m\nmax-model-len: 4096\n")
    edits = edits_of(analyse(text, context), Fix("", ChangeSettings(0, {"max-model-len": 2048})), context)
    after = apply(text, edits)
    assert "--max-num-seqs 16 --max-model-len 2048\n" in after
    assert values(after, context)["max-model-len"] == 2048


CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  serve.yaml: |
    model: m
    max-model-len: 4096
  other: "1"
---
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.32.0
      args: [--config, /etc/vllm/serve.yaml]
      volumeMounts: [{name: settings, mountPath: %s}]
  volumes: [{name: settings, configMap: {name: %s}}]
"""
INLINE = """\
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    command: --config /etc/vllm/serve.yaml
    configs: [{source: settings, target: /etc/vllm/serve.yaml}]
configs:
  settings:
    content: |
      model: m
      max-model-len: %s
"""


@pytest.mark.parametrize(
    ("text", "length"),
    [
        (CONFIG_MAP + POD % ("/etc/vllm", "settings"), 4096),
        (CONFIG_MAP + POD % ("/etc/vllm/serve.yaml, subPath: serve.yaml", "settings"), 4096),
        (CONFIG_MAP + POD % ("/etc/vllm", "settings, items: [{key: serve.yaml, path: serve.yaml}]"), 4096),
        (CONFIG_MAP + POD % ("/etc/vllm", "settings, items: [{key: other, path: serve.yaml}]"), None),
        (CONFIG_MAP + POD % ("/etc/vllm", "others"), None),
        (CONFIG_MAP + POD % ("/etc/other", "settings"), None),
        (CONFIG_MAP.replace("4096", "{{ .length }}") + POD % ("/etc/vllm", "settings"), None),
        (INLINE % "4096", 4096),
        (INLINE % "$LENGTH", None),
    ],
)
def test_a_file_may_stand_in_the_same_file(text, length):
    """A config map of the same file, or a config with its content, is read where it is mounted."""
    found = [each for each in deployments_of(parse(text), Context()) if each.dialect in ("kubernetes", "compose")]
    assert [each.value("max-model-len") for each in found] == [length]
    assert [each.effective("more-arguments") is None for each in found] == [length is not None]
    assert not [each for each in analyse(text).wants if isinstance(each, FileRef)]

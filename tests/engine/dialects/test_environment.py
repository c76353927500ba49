"""The image and the environment of an engine, in every format that has them."""

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.deployment import Known
from vram_engine.images import image_name
from vram_engine.lent import FileRef, LentFile, Unlent

COMPOSE = """\
services:
  vllm:
    image: vllm/vllm-openai:v0.19.1
    command: --model m --max-model-len 1024
    environment: ENVIRONMENT
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: c
    image: vllm/vllm-openai:v0.19.1
    args: [--model, m, --max-model-len, '1024']
    env: [{name: VLLM_A, value: "1"}, {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}]
"""


def the(text, files=None):
    """The only deployment of a text."""
    (plan,) = analyse(text, Context(files=files or {})).plans
    return plan.deployment


def environment(text, files=None):
    """Its variables: their values, or None for what is not known."""
    found = the(text, files).environment
    return {name: each.value.value if isinstance(each.value, Known) else None for name, each in found.items()}


SKYPILOT = """\
resources: {accelerators: H100:1, image_id: "docker:me/vllm:1"}
envs: {VLLM_A: "1"}
run: |
  export VLLM_B=2
  VLLM_D=4
  VLLM_C=3 vllm serve m --max-model-len 1024
"""
DOCKER = """\
resources: {accelerators: H100:1}
envs: {VLLM_A: "1"}
run: |
  docker run --gpus all -e VLLM_B=2 --env=VLLM_C=3 -e HF_TOKEN vllm/vllm-openai:v0.19.1 --model m --max-model-len 1024
"""
LLAMA_SWAP = """\
models:
  one:
    cmd: vllm serve m --max-model-len 1024
    env: [VLLM_A=1]
"""
KUBEAI = """\
apiVersion: kubeai.org/v1
kind: Model
metadata: {name: m}
spec:
  engine: VLLM
  url: hf://m/n
  resourceProfile: nvidia-gpu-l4:1
  env: {VLLM_A: "1"}
"""
CHART = """\
servingEngineSpec:
  modelSpec:
    - name: m
      repository: lmcache/vllm-openai
      tag: v1
      modelURL: m/n
      env: [{name: VLLM_A, value: "1"}]
"""
RAY = """\
applications:
  - args:
      llm_configs:
        - model_loading_config: {model_id: m/n}
          runtime_env: {env_vars: {VLLM_A: "1"}}
"""


@pytest.mark.parametrize(
    ("text", "image", "expected"),
    [
        (COMPOSE.replace("ENVIRONMENT", "{VLLM_A: 1, B: }"), "vllm/vllm-openai:v0.19.1", {"VLLM_A": "1", "B": None}),
        (COMPOSE.replace("ENVIRONMENT", "[VLLM_A=1, B]"), "vllm/vllm-openai:v0.19.1", {"VLLM_A": "1", "B": None}),
        (COMPOSE.replace("ENVIRONMENT", "{A: '${X:-1}'}"), "vllm/vllm-openai:v0.19.1", {"A": "1"}),
        (COMPOSE.replace("ENVIRONMENT", "{A: '${X}'}"), "vllm/vllm-openai:v0.19.1", {"A": None}),
        (POD, "vllm/vllm-openai:v0.19.1", {"VLLM_A": "1", "TOKEN": None}),
        (SKYPILOT, "me/vllm:1", {"VLLM_A": "1", "VLLM_B": "2", "VLLM_C": "3"}),
        (DOCKER, "vllm/vllm-openai:v0.19.1", {"VLLM_B": "2", "VLLM_C": "3", "HF_TOKEN": None}),
        (LLAMA_SWAP, None, {"VLLM_A": "1"}),
        (KUBEAI, None, {"VLLM_A": "1"}),
        (CHART, "lmcache/vllm-openai:v1", {"VLLM_A": "1"}),
        (RAY, None, {"VLLM_A": "1"}),
    ],
)
def test_every_format_tells_image_and_environment(text, image, expected):
    """Values that the file holds are known, those that come from elsewhere are not, and none is left out."""
    found = the(text).image
    assert (None if found is None else found.reference) == image
    told = environment(text)
    assert {name: told.get(name) for name in expected} == expected
    assert expected.keys() <= told.keys()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("vllm/vllm-openai:v0.9.1", ("vllm/vllm-openai", "v0.9.1", "")),
        ("host:5000/a/vllm", ("host:5000/a/vllm", "", "")),
        ("Host:5000/a/vllm:T@sha256:0", ("Host:5000/a/vllm", "T", "sha256:0")),
    ],
)
def test_an_image_is_kept_as_written(text, parts):
    """Repository, tag and digest; a colon before a slash is a port."""
    named = image_name(text)
    assert (named.repository, named.tag, named.digest) == parts
    assert named.reference == text


def test_a_script_keeps_to_itself_what_it_does_not_export():
    """An assignment alone reaches no program, an export with it or behind it does."""
    assert "VLLM_D" not in environment(SKYPILOT)
    assert environment(SKYPILOT.replace("VLLM_D=4", "VLLM_D=4; export VLLM_D"))["VLLM_D"] == "4"


def test_an_image_that_something_else_fills_in_is_not_known():
    """A tag out of a variable without a default is no image."""
    text = COMPOSE.replace("v0.19.1", "${TAG}").replace("command: ", "command: vllm serve ")
    assert the(text.replace("ENVIRONMENT", "{}")).image is None


WITH_FILE = COMPOSE.replace("ENVIRONMENT", "{VLLM_A: 1}\n    env_file: [one.env, {path: ./two.env}]")
ONE, TWO = FileRef("./one.env"), FileRef("./two.env")


def test_files_of_the_environment_are_asked_for_and_lie_beneath_the_list():
    """The service's own list wins, and the later file over the earlier one; comments and quotes are no values."""
    assert analyse(WITH_FILE).wants >= {ONE, TWO}
    files = {
        ONE: LentFile("# VLLM_Z=1\nVLLM_A=7\nVLLM_B=7 # why\nVLLM_D=$X\n", "/one.env"),
        TWO: LentFile("export VLLM_B='8'\nVLLM_C=\"9\"\nHF_TOKEN=hf_abc\nVLLM_API_KEY=k\n", "/two.env"),
    }
    found = environment(WITH_FILE, files)
    assert found == {
        "VLLM_A": "1",
        "VLLM_B": "8",
        "VLLM_C": "9",
        "VLLM_D": None,
        "HF_TOKEN": None,
        "VLLM_API_KEY": None,
    }
    assert the(WITH_FILE, files).environment_elsewhere == ""


def test_an_environment_that_is_not_read_may_hold_anything():
    """A file that is missing, or was not asked for yet, leaves open what else is set."""
    assert "one.env" in the(WITH_FILE, {ONE: Unlent("is missing"), TWO: LentFile("", "/two")}).environment_elsewhere
    assert the(WITH_FILE).environment_elsewhere


def test_config_maps_of_the_same_file_are_read():
    """``envFrom`` takes whole maps, beneath the container's own list; a Secret stays unknown."""
    source = "    envFrom: [{configMapRef: {name: c}, prefix: VLLM_}]\n"
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {A: '2', B: '3'}\n---\n" + POD + source
    assert environment(text) == {"VLLM_A": "1", "VLLM_B": "3", "TOKEN": None}
    assert the(text).environment_elsewhere == ""
    assert the(POD + "    envFrom: [{secretRef: {name: s}}]\n").environment_elsewhere


@pytest.mark.parametrize(
    "line", ["A" * 60_000, "A" + " " * 60_000, "export" + " " * 60_000, "VLLM_A='" + "\\'" * 9_000]
)
def test_odd_lines_of_a_file_are_no_error(line):
    """A line without a value says nothing, and one without an end is not known."""
    files = {ONE: LentFile(f"{line}x\nVLLM_B= {' ' * 60_000}1\n", "/one"), TWO: LentFile("", "/two")}
    assert environment(WITH_FILE, files) == {"VLLM_A": "1", "VLLM_B": "1"}


@pytest.mark.parametrize("given", ["3", "[[1], {a: b}]", "{path: {a: b}}", "[~/x.env]", "'${X}'"])
def test_odd_environment_files_are_no_error(given):
    """Whatever stands there is read without complaint, and nothing is asked for by a name that is not told."""
    text = COMPOSE.replace("ENVIRONMENT", "{}\n    env_file: " + given)
    assert all(not isinstance(each, FileRef) or "$" not in each.path for each in analyse(text).wants)

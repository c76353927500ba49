"""What is generated reads as the deployment it came from: every form, generated settings, examples and real files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vram_engine.analysis import Context, deployments_of
from vram_engine.deployment import Deployment, Known, Setting
from vram_engine.facts.flags import all_flags, flag
from vram_engine.facts.versions import Version
from vram_engine.generate import KINDS, Artifact, generate
from vram_engine.hardware import Node
from vram_engine.resolution import node, vllm_version
from vram_engine.syntax.parse import parse

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("VRAM_LSP_SHARED") or ROOT.parent / "shared")
SAMPLES = sorted((SHARED / "data/samples").glob("*/*.yaml"))
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

# The release whose flags are drawn: one that no flag is too new or too old for.
RELEASE = "0.32.0"
CURRENT = [
    known
    for known in all_flags()
    if not known.positional
    and known.gone_in is None
    and known.accepted_by(Version(0, 32, 0)) is not False
    and known.name not in ("model", "config", "api-key", "hf-token", "headless", "nnodes", "node-rank", "port")
    and not known.name.startswith(("data-parallel", "master", "tensor-parallel", "pipeline-parallel", "distributed"))
]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=20)
PLAIN = st.text("abcXYZ019 _-./:,'\"\\=#&*!|>%@`~^()[]{}<>;?é🦙", min_size=1, max_size=16)


def value_of(known):
    """Values that a flag takes."""
    if known.type == "bool":
        return st.booleans()
    if known.choices:
        return st.sampled_from([int(each) if known.type == "int" else each for each in known.choices])
    if known.type == "int":
        return st.integers(int(known.ge or 1), 2**31)
    if known.type == "float":
        return st.floats(float(known.ge or 0.01), 1e6, allow_nan=False)
    if known.type.startswith("list"):
        item = st.integers(1, 99).map(str) if known.type == "list[int]" else PLAIN
        return st.lists(item, min_size=2, max_size=3).map(lambda items: json.dumps(items))
    if "json" in known.type:
        return st.dictionaries(PLAIN, PLAIN, max_size=2).map(lambda value: json.dumps(value))
    return PLAIN


@st.composite
def deployments(draw):
    """Deployments with a model, some flags, GPUs and a release."""
    flags = draw(st.lists(st.sampled_from(CURRENT), max_size=5, unique_by=lambda known: known.name))
    values = {known.name: draw(value_of(known)) for known in flags}
    values |= {"model": draw(st.sampled_from(["org/name", "/models/a b", "./m", "org/8bit"])), "max-model-len": 4096}
    values["tensor-parallel-size"] = draw(st.sampled_from([1, 2, 8]))
    gpu = st.sampled_from(["l4", "h100-sxm-80", "mi300x", "v100-pcie-16"])
    values |= {"gpu": draw(gpu), "gpus": draw(st.integers(1, 8))}
    values |= {"vllm-version": RELEASE, "concurrency": draw(st.integers(1, 99))}
    given = {name: (Setting(name, Known(value), "file", name),) for name, value in values.items()}
    return Deployment("serve-config", draw(TEXT), 0, given, {})


def meant(settings, name):
    """What a value means: lists by their words, JSON by its contents."""
    setting = settings[name][-1].value
    value = setting.value if isinstance(setting, Known) else None
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return {"half": "float16", "float": "float32"}.get(value, value) if name == "dtype" else value


def flags_of(deployment):
    """Every flag by its meaning; a switch that is off by itself and has no other way to be is left out."""
    found = {}
    for name in deployment.settings:
        known = flag(name)
        off = known is not None and known.type == "bool" and not known.has_no_form
        value = meant(deployment.settings, name)
        if known is not None and known.name not in ("api-key", "hf-token") and value != [] and not (off and not value):
            found[name] = [str(value)] if known.type.startswith("list") and not isinstance(value, list) else value
    return found


def read_back(made):
    """The deployment that an artifact is read as; a script is read as the task of a scheduler."""
    is_script = made.text.startswith("#!")
    text = f"resources: {{}}\nrun: {json.dumps(made.text, ensure_ascii=False)}\n" if is_script else made.text
    (found,) = deployments_of(parse(text), Context())
    return found


def assert_same(deployment, made):
    """Flags, model, release, GPU and count of what is read are those of the deployment."""
    found, wanted = read_back(made), flags_of(deployment)
    got = flags_of(found)
    if made.kind == "profile":
        wanted.setdefault("gpu-memory-utilization", got["gpu-memory-utilization"])
    assert got == wanted
    assert vllm_version(found) == vllm_version(deployment)
    before, after = node(deployment), node(found)
    if made.kind not in ("serve", "docker") and isinstance(before, Node):
        assert isinstance(after, Node)
        assert after.gpu == before.gpu
        assert deployment.integer("gpus") in (None, after.count)
        assert before.count in (None, after.count)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(deployment=deployments())
def test_generated_deployments_come_back(kind, deployment):
    """Any flags with any values: every form says the same, or that argparse could not be told so."""
    made = generate(deployment, kind)
    if isinstance(made, Artifact):
        assert_same(deployment, made)
    else:
        assert "begins with a dash" in made.reason


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_come_back_in_every_form(path):
    """Each deployment of the examples, in each form, unless no model is named."""
    for deployment in deployments_of(parse(path.read_text()), Context()):
        for kind in KINDS:
            made = generate(deployment, kind)
            if isinstance(made, Artifact):
                assert_same(deployment, made)
            else:
                assert deployment.value("model") is None, made.reason


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_real_files_come_back_in_every_form(path):
    """Each deployment of a real file, in each form that can be given; the others have a reason."""
    for deployment in deployments_of(parse(path.read_bytes().decode("utf-8")), Context()):
        for kind in KINDS:
            made = generate(deployment, kind)
            if isinstance(made, Artifact):
                assert_same(deployment, made)
            else:
                assert "would not say the same" not in made.reason
                assert len(made.reason) > 10


def test_many_real_files_can_be_given():
    """Two in five engines of the real files, where those stand beside the checkout; the others have a reason."""
    if not SAMPLES:
        pytest.skip("no samples: set VRAM_LSP_SHARED to the folder that holds data/samples")
    found = [each for path in SAMPLES for each in deployments_of(parse(path.read_bytes().decode("utf-8")), Context())]
    made = [isinstance(generate(each, kind), Artifact) for each in found for kind in KINDS]
    assert sum(made) / len(made) > 0.4

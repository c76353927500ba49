"""Which documents are ours: never another program's, and ours for as long as they are being typed."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.dialects import recognise
from vram_engine.syntax.parse import parse


def dialect(text, known_as=None):
    """What the first document of a text is recognised as."""
    tree = parse(text)
    found = recognise(tree, 0, known_as=known_as, ours=bool(tree.documents[0].comments))
    return found.name if found is not None else None


OURS = {
    "kebab-case": ("model: org/name\nmax-model-len: 8192\n", "serve-config"),
    "snake_case": ("model: org/name\ngpu_memory_utilization: 0.9\n", "serve-config"),
    "mixed": ("max-model-len: 8192\ngpu_memory_utilization: 0.9\nhost: 0.0.0.0\n", "serve-config"),
    "without a model": (
        "kv-cache-dtype: fp8\nno-enable-prefix-caching: true\nmax-num-batched-tokens: 8192\n",
        "serve-config",
    ),
    "one misspelling among three": (
        "max-model-len: 1\ngpu-memory-utilisation: 0.9\nmax-num-seqs: 4\nkv-cache-dtype: fp8\n",
        "serve-config",
    ),
    "a profile": ("profile_version: 1\nmodel:\n  id: org/name\n", "profile"),
    "a profile just begun": ("profile_version: 1\n", "profile"),
    "a directive": ("# vram: gpu=l4\nmodel: org/name\n", "serve-config"),
}


@pytest.mark.parametrize(("text", "expected"), OURS.values(), ids=OURS)
def test_deployments_are_recognised(text, expected):
    """vLLM's config file and the profile are known by their keys."""
    assert dialect(text) == expected


NOT_OURS = {
    "nothing": "",
    "text": "hello",
    "a list": "- model: a\n- max-model-len: 1\n",
    "a training config": "model: org/name\nlearning_rate: 1e-4\nmax_model_len: 4096\ndtype: bfloat16\n",
    "a small app's config": "model: gpt-4\nhost: 0.0.0.0\nport: 8000\napi-key: x\nseed: 1\n",
    "a model as a map": "model:\n  name: org/name\nmax_model_len: 4096\ngpu_memory_utilization: 0.9\n",
    "compose": "services:\n  web:\n    image: nginx\n",
    "kubernetes": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n",
    "a workflow": "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n",
    "one flag": "max-model-len: 4096\n",
    "flags and another key": "max-model-len: 1\ngpu-memory-utilization: 0.9\nmax-num-seqs: 2\nreplicas: 3\n",
    "abbreviations of flags": "model: resnet50\ngpu: 2\nseed: 42\n",
    "a switch that begins like a flag": "model: whisper\nlanguage: en\n",
    "a pipeline's config": "model: bert\npipeline: text-classification\nperformance: high\n",
    "a remark about video memory": "# vram: at least 24 GB\napp: foo\nreplicas: 3\n",
    "another profile": "profile_version: 1\nmetadata: {}\nengine: x\nargs: []\n",
}


@pytest.mark.parametrize("text", NOT_OURS.values(), ids=NOT_OURS)
def test_other_files_get_nothing(text):
    """A file of another kind has no deployment, no finding and no wish."""
    analysis = analyse(text)
    assert (analysis.plans, analysis.findings, analysis.wants) == ((), (), frozenset())


FINISHED = "# a server\nmodel: org/name\nmax-model-len: 8192\ngpu-memory-utilization: 0.9\ndtype: auto\n"


def test_a_file_being_typed_keeps_its_dialect():
    """Whatever the next line has grown to, the file stays what it was."""
    for typed in ("m", "max", "max-num", "max-num-seqs", "max-num-seqs:", "max-num-seqs: ", "x: 1", '"', "- ", "\t"):
        assert dialect(FINISHED + typed, known_as="serve-config") == "serve-config", typed


def test_half_a_line_does_not_disturb_the_other_findings():
    """While a line is being typed, what is said about the lines above stays the same."""
    text = FINISHED.replace("0.9", "90")
    whole = analyse(text)
    for length in range(1, len("max-num-seqs: 16") + 1):
        typed = text + "max-num-seqs: 16"[:length]
        analysis = analyse(typed, Context(dialects=whole.dialects))
        above = [each for each in analysis.findings if analysis.span(each.where).start < len(text)]
        assert [each.message for each in above] == [each.message for each in whole.findings], typed


def test_a_dialect_is_not_kept_against_the_evidence():
    """When a file becomes something else, what it was before the edit does not hold it."""
    assert dialect("services:\n  web:\n    image: nginx\nversion: '3'\n", known_as="serve-config") is None
    assert dialect("apiVersion: v1\nkind: Pod\nmetadata: {}\n", known_as="serve-config") is None


def test_comments_above_the_first_marker_belong_to_its_document():
    """A directive in front of --- speaks for the document behind it."""
    analysis = analyse("# vram: gpu=l4\n---\nmodel: org/name\nmax-model-len: 8192\n")
    assert analysis.dialects == ("serve-config",)
    assert analysis.plans[0].deployment.value("gpu") == "l4"


def test_a_directive_makes_a_half_typed_file_ours():
    """With a comment to us, even a broken first key belongs to a deployment."""
    assert dialect("# vram: gpu=l4\nmod") == "serve-config"


def test_documents_of_one_file_are_told_apart():
    """Each document of a file is recognised by itself."""
    text = "a: 1\n---\nmodel: org/name\nmax-model-len: 8192\n---\nprofile_version: 1\n"
    assert analyse(text).dialects == (None, "serve-config", "profile")

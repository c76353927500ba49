"""Arguments are read as vLLM's own parser reads them, and what it would refuse is remarked where it is written."""

from __future__ import annotations

import pytest

FILE = """\
services:
  vllm:
    image: vllm/vllm-openai:{tag}
    ipc: host
    command:
      - --model=m
      - --max-model-len=1024
{items}
"""


def text_of(*items, tag="v0.32.0"):
    """A compose file whose launch ends with these items."""
    return FILE.format(tag=tag, items="\n".join(f"      - {item}" for item in items))


@pytest.mark.parametrize(
    ("items", "name", "value"),
    [
        (["--max-num-seqs", '"16"'], "max-num-seqs", 16),
        (["--max_num_seqs=16"], "max-num-seqs", 16),
        (["--max-num-seq", '"16"'], "max-num-seqs", 16),
        (["--max-num-batched-token=1k"], "max-num-batched-tokens", 1000),
        (["-tp", '"4"'], "tensor-parallel-size", 4),
        (["-tp=4"], "tensor-parallel-size", 4),
        (["-q", "fp8"], "quantization", "fp8"),
        (["-O3"], "optimization-level", 3),
        (["-O=1"], "optimization-level", 1),
        (["-O", '"0"'], "optimization-level", 0),
        (["--max-model-len", "auto"], "max-model-len", -1),
        (["--max-model-len", '"-1"'], "max-model-len", -1),
        (["--enforce-eager"], "enforce-eager", True),
        (["--no-enable-prefix-caching"], "enable-prefix-caching", False),
        (["--no_enable_prefix_caching"], "enable-prefix-caching", False),
        (["--served-model-name", "a", "b"], "served-model-name", '["a", "b"]'),
        (["--limit-mm-per-prompt.image", '"4"'], "limit-mm-per-prompt", '{"image": 4}'),
        (["--compilation-config.mode=3", "-cc.a.b=x"], "compilation-config", '{"mode": 3, "a": {"b": "x"}}'),
        (["--compilation-config.sizes+", '"1,2"'], "compilation-config", '{"sizes": ["1", "2"]}'),
        (["--speculative-config", '\'{"method": "ngram"}\''], "speculative-config", '{"method": "ngram"}'),
        (["--max-model-len=2048"], "max-model-len", 2048),
    ],
)
def test_every_form_of_an_option_is_understood(items, name, value, said):
    """Long, glued, underscored, abbreviated, short, negated, several words, dotted; the last one counts."""
    assert said(text_of(*items))[name] == value


def test_before_0_12_the_level_was_the_compilation_config(said):
    """-O3 meant another option in older releases."""
    assert said(text_of("-O3", tag="v0.9.2"))["compilation-config"] == "3"


def remarks(deployments, text):
    """What is remarked: the kind, and the text it is shown at."""
    (deployment,) = deployments(text)
    return [(each.kind, text[each.place.start : each.place.end]) for each in deployment.remarks]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["--max-num-seq=4"], []),
        (["--gpu-memory-utilisation=0.9"], [("unknown-key", "--gpu-memory-utilisation")]),
        (["--max=4"], [("unknown-key", "--max")]),
        (["--max-num-seqs=many"], [("invalid-value", "many")]),
        (["--max-num-seqs"], [("invalid-value", "--max-num-seqs")]),
        (["--max-num-seqs", "--enforce-eager"], [("invalid-value", "--max-num-seqs")]),
        (["--dtype=bfloat"], [("invalid-value", "bfloat")]),
        (["--enforce-eager=true"], [("boolean-with-value", "true")]),
        (["--enforce-eager", '"true"'], [("boolean-with-value", "true")]),
        (["--enforce-eager false"], [("boolean-with-value", "false")]),
        (["--max-num-seqs 4"], [("flag-and-value-in-one-item", "--max-num-seqs 4")]),
        (["--max-model-len=2048"], [("setting-given-twice", "1024")]),
        (["--max-model-len=1024"], []),
        (["--config=a.yaml"], [("config-file-not-expanded", "--config=a.yaml")]),
        (["--config", "a.yaml"], []),
        (["--swap-space=4"], [("removed-flag", "--swap-space")]),
        (["--some-new-option=4"], []),
        (["-v", "/a:/b"], []),
    ],
)
def test_what_vllm_refuses_is_shown_where_it_is_written(items, expected, deployments):
    """Each mistake has its own name and place; abbreviations and options of later releases are none."""
    assert remarks(deployments, text_of(*items)) == expected


@pytest.mark.parametrize(
    ("tag", "item", "expected"),
    [
        ("v0.8.5", "--swap-space=4", []),
        ("latest", "--swap-space=4", []),
        ("v0.8.5", "--max-cudagraph-capture-size=4", ["unknown-key"]),
        ("latest", "--max-cudagraph-capture-size=4", []),
        ("v0.8.4", "--enable-chunked-prefill=false", []),
        ("v0.8.5", "--enable-chunked-prefill=false", ["boolean-with-value"]),
    ],
)
def test_options_are_those_of_the_pinned_release(tag, item, expected, deployments):
    """What a release has not yet, or no longer, is only said where the image pins it."""
    assert [kind for kind, _ in remarks(deployments, text_of(item, tag=tag))] == expected


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("$EXTRA", "$EXTRA is set outside this file"),
        ("${EXTRA:?}", "$EXTRA is set outside this file"),
        ("--some-new-option", "vllm serve has no option --some-new-option"),
    ],
)
def test_arguments_that_cannot_be_read_hide_others(item, reason, said):
    """An option left out is then unknown and not its default."""
    assert said(text_of(item))["more-arguments"] == f"? {reason}"


def test_a_config_file_hides_settings(said):
    """What stands in a file that is not read may be anything."""
    values = said(text_of("--config", "a.yaml"))
    assert values["config"] == "a.yaml"
    assert "a.yaml" in values["more-arguments"]
    assert "more-arguments" not in said(text_of("--config=a.yaml"))


def test_an_unknown_value_is_no_default(said):
    """A variable set elsewhere makes its own setting unknown, and hides no others."""
    values = said(text_of("--max-num-seqs=$SEQS"))
    assert values["max-num-seqs"] == "? max-num-seqs: $SEQS is set outside this file"
    assert "more-arguments" not in values


def test_the_first_word_is_the_model(said):
    """vllm serve takes the model without an option."""
    text = "services:\n  a:\n    image: vllm/vllm-openai\n    command: org/name --max-num-seqs 4 --enforce-eager\n"
    assert said(text)["model"] == "org/name"


FIXES = {
    "--gpu-memory-utilisation=0.9": "--gpu-memory-utilization=0.9",
    "--dtype=bfloat": "--dtype=bfloat16",
    "--enforce-eager=true": "--enforce-eager",
    "--enable-prefix-caching=false": "--no-enable-prefix-caching",
    "'--enable-prefix-caching=false'": "'--no-enable-prefix-caching'",
    "--max-num-seqs 4": "--max-num-seqs=4",
    "--config=a.yaml": "--config\n      - a.yaml",
    "--swap-space=4": None,
    "--enforce-eager\n      - 'true'": "--enforce-eager",
}


@pytest.mark.parametrize(("item", "fixed"), FIXES.items(), ids=FIXES)
def test_a_mistake_is_mended_in_its_own_style(item, fixed, analysed):
    """The fix of the finding changes the item, or takes it out."""
    from vram_engine.analysis import Context
    from vram_engine.fixing import edits_of
    from vram_engine.syntax.edits import apply

    text = text_of(item)
    analysis = analysed(text)
    (fix,) = [fix for finding in analysis.findings if finding.severity != "information" for fix in finding.fixes]
    wanted = text_of(fixed) if fixed else FILE.format(tag="v0.32.0", items="").rstrip("\n") + "\n"
    assert apply(text, edits_of(analysis, fix, Context())) == wanted

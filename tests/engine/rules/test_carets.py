"""Findings drawn under the text: a line of carets marks the exact range, severity, rule and start of message."""

from __future__ import annotations

import re

import pytest

CARETS = re.compile(r"^(?P<lead>#? *)(?P<carets>\^+) (?P<severity>\w+)\[(?P<rule>[\w-]+)\](?:: (?P<message>.*))?$")


def expectations(fixture):
    """The text without its caret lines, and what they say: (line, start, end, severity, rule, start of message)."""
    lines, expected = [], []
    for line in fixture.splitlines():
        match = CARETS.match(line)
        if match is None:
            lines.append(line)
            continue
        start = len(match["lead"])
        span = (len(lines) - 1, start, start + len(match["carets"]))
        expected.append((*span, match["severity"], match["rule"], match["message"] or ""))
    return "\n".join(lines) + "\n", sorted(expected)


def check(fixture, analysed):
    """Every finding is drawn, and every drawing is found."""
    text, expected = expectations(fixture)
    analysis = analysed(text)
    found = []
    for finding in analysis.findings:
        span = analysis.span(finding.where)
        start, end = (analysis.tree.lines.position(at, "utf-32") for at in (span.start, span.end))
        assert start.line == end.line
        found.append((start.line, start.character, end.character, finding.severity, finding.rule, finding.message))
    found.sort()
    assert [each[:5] for each in found] == [each[:5] for each in expected]
    for (*_, message), (*_, beginning) in zip(found, expected, strict=True):
        assert message.startswith(beginning)


FIXTURES = {
    "the value of a key": """\
# vram: gpu=l4
model: meta-llama/Llama-3.1-8B-Instruct
max-model-len: 131072
#              ^^^^^^ error[max-model-len-does-not-fit]: vLLM will not start: one request of 131,072 tokens needs 16.00
#              ^^^^^^ hint[kv-cache-pressure]
""",
    "the model where nothing sets the length": """\
# vram: gpu=a10g
model: meta-llama/Llama-3.1-8B-Instruct
#      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error[max-model-len-does-not-fit]: vLLM will not start
gpu-memory-utilization: 0.9
""",
    "a key, quoted": """\
# vram: gpu=h100
model: meta-llama/Llama-3.1-8B-Instruct
max-model-len: 8192
"max-num-sequences": 8
^^^^^^^^^^^^^^^^^^^ error[unknown-key]: vLLM has no option max-num-sequences
kv-cache-dtype: auto
gpu-memory-utilization: 0.9
""",
    "inside a comment": """\
# vram: gpu=h100 conc=8
#                ^^^^ warning[invalid-directive]: conc is not a key of a vram directive; did you mean concurrency?
model: meta-llama/Llama-3.1-8B-Instruct
max-model-len: 8192
""",
    "two mistakes in a profile": """\
# vram: gpu=h100
profile_version: 1
model: {id: meta-llama/Llama-3.1-8B-Instruct, max_model_len: 8192, dtype: fp8}
#                                                                         ^^^ error[invalid-value]: model.dtype
policy:
# indented
  gpu_memory_utilization: 95
#                         ^^ error[gpu-memory-utilization-out-of-range]: gpu-memory-utilization is a share
""",
    "a broken line between good ones": """\
# vram: gpu=l4
model: meta-llama/Llama-3.1-70B-Instruct
#      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error[out-of-memory]: vLLM will not start
max-model-len: 8192
max-num
^^^^^^^ error[yaml-syntax]: not YAML
""",
    "a model nobody knows, and no GPU": """\
model: our/own-model
#      ^^^^^^^^^^^^^ information[model-unknown]: no verdict
max-model-len: 8192
""",
    "an ambiguous GPU": """\
# vram: gpu=a100
#       ^^^^^^^^ information[gpu-unknown]: no verdict
model: meta-llama/Llama-3.1-8B-Instruct
max-model-len: 8192
""",
    "more GPUs than there are": """\
# vram: gpu=h100 gpus=2
model: meta-llama/Llama-3.1-8B-Instruct
tensor-parallel-size: 4
#                     ^ error[tensor-parallel-exceeds-gpus]: tensor-parallel-size 4 needs 4 GPUs and there are 2
max-model-len: 8192
""",
    "characters of every width": """\
# vram: gpu=h100 # é🦙
"served-model-name": "é🦙"
model: meta-llama/Llama-3.1-8B-Instruct
max-model-len: 8192
dtype: bfloat
#      ^^^^^^ error[invalid-value]: dtype: vLLM knows no 'bfloat'; did you mean bfloat16?
""",
}


@pytest.mark.parametrize("fixture", FIXTURES.values(), ids=FIXTURES)
def test_findings_are_where_they_are_drawn(fixture, analysed):
    """Range, severity, rule and the start of the message are as drawn, and nothing else is found."""
    check(fixture, analysed)

"""Deployments that may run on one of several kinds of GPU: sized on each, and the worst decides."""

from __future__ import annotations

import pytest

SKY = "resources: {accelerators: %s}\nrun: vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len %s\n"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
          - matchExpressions: [{key: nvidia.com/gpu.product, operator: In, values: [NVIDIA-L4, NVIDIA-H100-NVL]}]
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.32.0
      args: [--model, meta-llama/Llama-3.1-8B-Instruct, --max-model-len, "131072"]
      resources: {limits: {nvidia.com/gpu: "1"}}
"""
DSTACK = """\
type: service
commands: [vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len 131072]
resources: {gpu: %s}
"""


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        # 131,072 tokens take 16 GiB beside 15 GiB of weights.
        (SKY % ("{L4: 1, H100: 1}", 131072), ["infeasible", "fits"]),
        (SKY % ("{H100: 1, L4: 1}", 131072), ["fits", "infeasible"]),
        (SKY % ("[L4, H100]", 8192), ["fits", "fits"]),
        (SKY % ("[L4, Nonsense]", 8192), ["fits", "unknown"]),
        (SKY % ("[L4, Nonsense]", 131072), ["infeasible", "unknown"]),
        ("# vram: gpu=h100\n" + SKY % ("[L4, H100]", 131072), []),
        (POD, ["infeasible", "fits"]),
        (DSTACK % "'L4,H100'", ["infeasible", "fits"]),
        (DSTACK % "{name: [L4, H100], count: 1}", ["infeasible", "fits"]),
    ],
)
def test_each_choice_has_its_verdict_and_the_worst_decides(text, verdicts, analysed):
    """A GPU that a comment names leaves no choice."""
    (plan,) = analysed(text).plans
    assert [each.verdict for each in plan.choices] == verdicts
    order = ["infeasible", "unknown", "at-risk", "fits"]
    assert plan.verdict == (min(verdicts, key=order.index) if verdicts else "fits")


def test_labels_that_contradict_each_other_are_no_choice(analysed):
    """Both must hold, and no GPU is both."""
    other = "{key: cloud.google.com/gke-accelerator, operator: In, values: [nvidia-l4]}"
    text = POD.replace("values: [NVIDIA-L4, NVIDIA-H100-NVL]}", f"values: [NVIDIA-H100-NVL]}}, {other}")
    (plan,) = analysed(text).plans
    assert (plan.verdict, plan.choices) == ("unknown", ())


def test_the_finding_names_the_gpus(analysed):
    """It says on which of them vLLM will not start, and on which it does."""
    analysis = analysed(SKY % ("{H100: 1, L4: 1}", 131072))
    (error,) = (each for each in analysis.findings if each.severity == "error")
    assert error.message.endswith("does not fit on 1 x L4; fits on 1 x H100 SXM5 80GB")


def test_counts_that_differ_belong_to_their_gpu(analysed):
    """A size that is right for two cards is one too many for a single one."""
    text = "resources: {any_of: [{accelerators: L4:2}, {accelerators: H100}]}\nrun: vllm serve Qwen/Qwen3-8B -tp 2\n"
    (error,) = (each for each in analysed(text).findings if each.severity == "error")
    assert error.rule == "tensor-parallel-exceeds-gpus"
    assert "does not fit on 1 x H100" in error.message


def test_many_choices_stay_unknown(analysed):
    """Nobody waits for twenty sizings."""
    names = ", ".join(f"L4:{number}" for number in range(1, 21))
    (plan,) = analysed(SKY % (f"[{names}]", 8192)).plans
    assert plan.choices == ()
    assert plan.verdict == "unknown"

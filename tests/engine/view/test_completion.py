"""Completions at a cursor, which is a bar in the text: in whole files, in half-typed ones, and in none of ours."""

from __future__ import annotations

import re

import pytest

from vram_engine.facts.catalogue import catalogue
from vram_engine.facts.gpus import all_gpus
from vram_engine.syntax.edits import TextEdit, apply
from vram_engine.view.completion_docs import key_documentation, rule_documentation, value_documentation

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SERVED = f"# vram: gpu=l4 gpus=4\nmodel: {LLAMA}\nmax-model-len: 8192\n"
COMPOSE = f"""\
# vram: gpu=l4 gpus=4
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    command:
      - --model
      - {LLAMA}
"""
PROFILE = f"profile_version: 1\nmodel:\n  id: {LLAMA}\n"

# The ten ways in which a line is half typed, each at the place where the next word would be asked for.
HALF_TYPED = {
    "a key without a colon": f"{SERVED}max-num|\n",
    "before a line without a space": f"{SERVED}max-num|\nblock-size:32\n",
    "before a quote left open": f'{SERVED}max-num|\ntokenizer: "open\n',
    "behind a quote left open": f'{SERVED}tokenizer: "open\nmax-num|\n',
    "before a list left open": f"{SERVED}max-num|\nserved-model-name: [a, b\n",
    "behind a map left open": f"{SERVED}hf-overrides: {{rope_type: yarn, factor:\nmax-num|\n",
    "beside a bad indent": f"{SERVED}max-num|\n   block-size: 16\n",
    "behind a tab": f"{SERVED}\tblock-size: 16\nmax-num|\n",
    "before an alias of nothing": f"{SERVED}max-num|\nseed: *\n",
    "at the end of the text": f"{SERVED}max-num|",
}


@pytest.mark.parametrize("text", HALF_TYPED.values(), ids=HALF_TYPED)
def test_keys_come_in_half_typed_files(completed, text):
    """Whatever else is broken, a key that is being typed is completed, and only with keys that are not there yet."""
    found, whole = completed(text, "serve-config")
    by_label = {each.label: each for each in found}
    assert "max-num-seqs" in by_label
    assert not {"model", "max-model-len"} & set(by_label)
    chosen = by_label["max-num-seqs"]
    assert whole[chosen.span.start : chosen.span.end] == "max-num"
    assert "\nmax-num-seqs: " in apply(whole, (TextEdit(chosen.span, chosen.text),))


def test_keys_are_spelled_as_the_file_spells_them(labels):
    """In a file of snake_case, keys are offered in snake_case."""
    assert "max_num_seqs" in labels(f"model: {LLAMA}\nmax_model_len: 8192\ntensor_|\n")
    assert "max-num-seqs" in labels(f"model: {LLAMA}\nmax-model-len: 8192\ntensor|\n")


def test_a_key_that_has_its_colon_gets_no_second_one(completed):
    """Renaming a key leaves what follows it alone."""
    found, _ = completed(f"model: {LLAMA}\nmax-model-len: 8192\nmax-num|: 4\n")
    assert next(each.text for each in found if each.label == "max-num-seqs") == "max-num-seqs"


def test_keys_are_those_of_the_release(labels):
    """A flag that 0.32 no longer has is offered to 0.8, and not to 0.32."""
    text = "# vram: vllm={}\n" + f"model: {LLAMA}\nmax-model-len: 8192\nnum-|\n"
    assert "num-lookahead-slots" in labels(text.format("0.8.5"))
    assert "num-lookahead-slots" not in labels(text.format("0.32.0"))


def test_what_changes_memory_comes_first(labels):
    """The keys most people come for stand before those that only the frontend reads."""
    found = labels(f"{SERVED}|\n")
    assert found.index("gpu-memory-utilization") < found.index("port")


def test_tensor_parallel_sizes_say_what_they_cost(completed):
    """As many as there are GPUs, each with its verdict; Llama 8B in 16 bits needs more than one L4 leaves for it."""
    found, _ = completed(f"{SERVED}tensor-parallel-size: |\n")
    assert [each.label for each in found] == ["1", "2", "4"]
    assert all(
        re.match(r"(fits|at risk)  \d+\.\d of 20\.3 GiB  KV [\d,]+ tokens  \d+\.\dx$", each.detail) for each in found
    )
    tokens = [int(re.search(r"KV ([\d,]+)", each.detail)[1].replace(",", "")) for each in found]
    # Halving the weights and the bytes per token more than doubles what fits.
    assert tokens[1] > 2 * tokens[0]
    assert tokens[2] > 2 * tokens[1]


def test_sizes_that_the_model_refuses_are_left_out(labels):
    """Three ranks cannot share 32 heads."""
    text = f"# vram: gpu=l4 gpus=3\nmodel: {LLAMA}\nmax-model-len: 8192\ntensor-parallel-size: |\n"
    assert labels(text) == ["1", "2"]


def test_lengths_end_with_the_model_and_the_memory(completed):
    """The longest that fits comes first, then the model's own and powers of two below it, each with its verdict."""
    found, _ = completed(f"# vram: gpu=l4\nmodel: {LLAMA}\nmax-model-len: |\n")
    lengths = [int(each.label) for each in found]
    assert lengths[1:] == [131072, 65536, 32768, 16384, 8192, 4096, 2048]
    assert lengths[0] % 16 == 0
    details = {int(each.label): each.detail for each in found}
    assert details[131072].startswith("does not fit")
    assert not details[lengths[0]].startswith("does not fit")


def test_values_of_a_flag_are_its_choices(labels):
    """Choices that the parser insists on, and on or off for a switch."""
    assert labels(f"{SERVED}dtype: b|\n") == ["auto", "bfloat16", "float", "float16", "float32", "half"]
    assert labels(f"{SERVED}enforce-eager: |\n") == ["true", "false"]
    assert labels(f'{SERVED}kv-cache-dtype: "f|"\n')[:2] == ["auto", "bfloat16"]
    assert labels(f"{SERVED}port: |\n") == []


def test_models_come_from_the_catalogue(completed):
    """Every id of the catalogue, replacing the whole id that stands there."""
    found, text = completed("model: meta-llama/|Llama\nmax-model-len: 8192\nkv-cache-dtype: fp8\n")
    assert {each.label for each in found} >= set(catalogue())
    assert text[found[0].span.start : found[0].span.end] == "meta-llama/Llama"
    llama = next(each for each in found if each.label == LLAMA)
    assert llama.detail == "8.0 B parameters"


def test_a_directive_is_completed_in_any_file(labels):
    """Keys, GPUs and rules in a comment to us, in our files and in others; keys already given are left out."""
    for rest in (f"model: {LLAMA}\n", "services:\n  web:\n    image: nginx\n", ""):
        assert labels(f"# vram: |\n{rest}")[0] == "gpu"
        keys = labels(f"# vram: gpu=l4 con| vllm=0.32.0\n{rest}")
        assert "concurrency" in keys
        assert not {"gpu", "vllm"} & set(keys)
        assert labels(f"# vram: gpu=|\n{rest}") == [gpu.id for gpu in all_gpus()]
        assert labels(f"# vram: gpu=l4 estimator=c|\n{rest}") == ["startup", "closed_form"]
        rules = labels(f"# vram: ignore[tight-memory, |]\n{rest}")
        assert "out-of-memory" in rules
        assert "tight-memory" not in rules


def test_a_directive_key_brings_its_sign(completed):
    """What is written ends where the value begins, and a sign that is there is not written twice."""
    for typed, after in (("gp|", "gpu="), ("gp|=l4", "gpu=l4"), ("|gpu=l4", "gpu=l4")):
        found, text = completed(f"# vram: {typed}\n")
        assert apply(text, (TextEdit(found[0].span, found[0].text),)) == f"# vram: {after}\n"


OTHERS = {
    "another program's settings": "listen: 80\nmax-|\n",
    "a compose file without vLLM": 'services:\n  web:\n    image: nginx\n    command: ["--|"]\n',
    "prose in a comment of ours": f"{SERVED}# max-|\n",
    "a remark behind a directive": f"# vram: gpu=l4 # so|\nmodel: {LLAMA}\n",
    "a comment behind a value": f"{SERVED}seed: 1 # d|\n",
    "a neighbour of vLLM": f'{COMPOSE}  web:\n    image: nginx\n    command: ["--|"]\n',
    "a map inside a flag": f"{SERVED}hf-overrides:\n  max|\n",
    "an empty file": "|",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_nothing_is_offered_where_nothing_is_ours(labels, text):
    """What another program reads, and what people write to each other, is left alone."""
    assert labels(text) == []


ARGUMENTS = {
    "an item": f"{COMPOSE}      - --tensor|\n",
    "an item in quotes": f'{COMPOSE}      - "--tensor|"\n',
    "an item just begun": f"{COMPOSE}      - |\n",
    "an item behind a switch": f"{COMPOSE}      - --enforce-eager\n      - |\n",
    "a word of a command": f"services:\n  a:\n    image: vllm/vllm-openai:v0.32.0\n    command: --model {LLAMA} --t|\n",
    "a word on a line of its own": f"""\
services:
  a:
    image: vllm/vllm-openai:v0.32.0
    command: >
      --model {LLAMA}
      --t|
""",
    "a word of a flow list": f"""\
apiVersion: v1
kind: Pod
metadata: {{name: a}}
spec:
  containers:
    - name: a
      image: vllm/vllm-openai:v0.32.0
      args: ["--model", "{LLAMA}", "--t|"]
""",
}


@pytest.mark.parametrize("text", ARGUMENTS.values(), ids=ARGUMENTS)
def test_options_come_where_a_deployment_has_its_arguments(labels, text):
    """In lists and commands of every form, without those that are given already."""
    found = labels(text)
    assert "--tensor-parallel-size" in found
    assert "--model" not in found


VALUES = {
    "behind a sign": f"{COMPOSE}      - --tensor-parallel-size=|\n",
    "the next item": f"{COMPOSE}      - --tensor-parallel-size\n      - |\n",
    "the next item in quotes": f'{COMPOSE}      - --tensor-parallel-size\n      - "|"\n',
    "the next item of a flow list": f"""\
# vram: gpu=l4 gpus=4
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    command: ["--model", "{LLAMA}", "--tensor-parallel-size", "|"]
""",
    "the next word of a command": f"""\
# vram: gpu=l4 gpus=4
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    command: --model {LLAMA} --tensor-parallel-size |
""",
}


@pytest.mark.parametrize("text", VALUES.values(), ids=VALUES)
def test_option_values_come_with_their_verdicts(completed, text):
    """The value of an option is completed wherever it stands, and sized."""
    found, _ = completed(text)
    assert [each.label for each in found] == ["1", "2", "4"]
    assert found[0].detail.startswith(("fits", "at risk", "does not fit"))


def test_a_profile_is_completed_by_its_schema(labels):
    """Sections, the keys of a section, the words of a key, and vLLM's flags where they are passed on."""
    assert labels("profile_version: 1\n|\n", "profile") == ["model", "hardware", "workload", "policy", "outputs"]
    assert labels(f"{PROFILE}  |\nhardware:\n  gpus: 2\n") == [
        *("revision", "dtype", "quantization", "kv_cache_dtype", "max_model_len", "params_b")
    ]
    assert labels(f"{PROFILE}  quantization: |\n") == ["none", "awq", "gptq", "int8", "fp8"]
    assert labels(f"{PROFILE}policy:\n  estimator: |\n") == ["startup", "closed_form"]
    assert labels(f"{PROFILE}workload:\n  streaming: |\n") == ["true", "false"]
    assert "h100-sxm-80" in labels(f"{PROFILE}hardware:\n  gpu: |\n")
    assert "max-num-seqs" in labels(f"{PROFILE}outputs:\n  vllm_args:\n    max|\n")


def test_a_key_is_documented_by_what_is_known_of_its_flag():
    """Description, default, choices and releases; settings of ours by what they mean."""
    text = key_documentation("max-num-seqs")
    assert "Most requests in one step." in text
    assert "Default: 256; 1024 on GPUs from 70 GiB" in text
    assert key_documentation("concurrency") == "requests served at once"
    assert key_documentation("nothing-of-ours") == ""
    assert "Why" in rule_documentation("out-of-memory")


def test_a_value_is_documented_by_what_it_would_do(analysed):
    """A GPU by its memory and the verdict there; without a deployment, by its memory alone."""
    analysis = analysed(SERVED)
    there = value_documentation(analysis, "gpu", "h100-sxm-80", 0)
    assert there.startswith("H100 SXM5 80GB, 79.18 GiB")
    assert "With gpu h100-sxm-80: **fits " in there
    assert "**" not in value_documentation(analysis, "gpu", "h100-sxm-80", 7)
    assert "**" not in value_documentation(None, "gpu", "h100-sxm-80", 0)
    assert "8,030,261,248 parameters" in value_documentation(analysis, "model", LLAMA, 0)

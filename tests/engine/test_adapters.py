"""LoRA adapters that are loaded at the start: refused for their rank where their description is at hand."""

from __future__ import annotations

import json

import pytest

from vram_engine.adapters import rank_of
from vram_engine.analysis import Context, analyse
from vram_engine.facts.versions import Version
from vram_engine.lent import FileRef, LentFile, Unlent
from vram_engine.sources.files import lend

HEAD = "# vram: gpu=h100-sxm-80\nmodel: Qwen/Qwen2.5-7B-Instruct\nmax-model-len: 4096\nenable-lora: true\n"
RULE = "adapter-rank-exceeds-limit"


def adapter(folder, rank, **more):
    """A folder with an adapter's description, as PEFT writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"], **more}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def refused(analysis):
    """What is said of adapters."""
    return [each.message for each in analysis.findings if each.rule == RULE]


@pytest.mark.parametrize(
    "modules",
    [
        "lora-modules:\n  - small=./small\n  - sql=./sql\n",
        'lora-modules: \'{"name": "sql", "path": "./sql", "base_model_name": "x"}\'\n',
        "lora-modules: sql=./sql\n",
    ],
)
def test_an_adapter_of_a_larger_rank_is_refused_before_memory(analysed, tmp_path, modules):
    """16 is the limit unless another is given; the fix is the smallest rank that vLLM takes."""
    adapter(tmp_path / "small", 8)
    adapter(tmp_path / "sql", 48)
    found = analysed(HEAD + modules, tmp_path)
    assert refused(found) == ["vLLM refuses the adapter sql: it is of rank 48, and max-lora-rank is 16"]
    (plan,) = found.plans
    assert plan.verdict == "infeasible"
    (finding,) = [each for each in found.findings if each.rule == RULE]
    assert [fix.title for fix in finding.fixes] == ["Set max-lora-rank to 64"]
    assert refused(analysed(f"{HEAD}max-lora-rank: 64\n{modules}", tmp_path)) == []


@pytest.mark.parametrize(
    "text",
    [
        HEAD.replace("enable-lora: true\n", "") + "lora-modules: sql=./sql\n",
        HEAD + "max-lora-rank: ${RANK}\nlora-modules: sql=./sql\n",
        HEAD + "lora-modules: sql=./elsewhere\n",
        HEAD + "lora-modules: sql\n",
        HEAD + "lora-modules: '[[[['\n",
    ],
)
def test_what_is_not_certain_is_not_refused(analysed, tmp_path, text):
    """LoRA that is off, a limit that is not known, adapters that are not there or not named by a path."""
    adapter(tmp_path / "sql", 48)
    assert refused(analysed(text, tmp_path)) == []


def test_a_mounted_adapter_is_found(analysed, tmp_path):
    """A path in the container is followed to the folder that is mounted there."""
    adapter(tmp_path / "adapters/sql", 32)
    text = (
        "# vram: gpu=h100-sxm-80\nservices:\n  v:\n    image: vllm/vllm-openai:v0.30.0\n"
        "    volumes: ['./adapters:/adapters']\n    command: --model Qwen/Qwen2.5-7B-Instruct --enable-lora"
        " --lora-modules sql=/adapters/sql --max-model-len 4096\n"
    )
    context = Context(folders=(tmp_path.as_posix(),))
    assert refused(analysed(text, tmp_path, context)) == [
        "vLLM refuses the adapter sql: it is of rank 32, and max-lora-rank is 16"
    ]


def test_an_adapter_by_its_id_is_looked_for_in_the_cache(tmp_path, monkeypatch):
    """Hugging Face's cache is read for an adapter's description, and for no other file."""
    commit = "c" * 40
    home = tmp_path / "hub/models--org--sql"
    adapter(home / "snapshots" / commit, 32)
    (home / "snapshots" / commit / "secrets.yaml").write_text("x: 1\n")
    (home / "refs").mkdir()
    (home / "refs/main").write_text(commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (wanted,) = (ref for ref in analyse(f"{HEAD}lora-modules: sql=org/sql\n").wants if isinstance(ref, FileRef))
    assert wanted == FileRef("org/sql/adapter_config.json")
    lent = lend(wanted, (tmp_path / "work",))
    assert isinstance(lent, LentFile)
    assert rank_of(lent.text, Version(0, 32, 0)) == 32
    assert isinstance(lend(FileRef("org/sql/secrets.yaml"), (tmp_path / "work",)), Unlent)


@pytest.mark.parametrize(
    ("config", "rank"),
    [
        ({"r": 16, "rank_pattern": {"q_proj": 64}}, 64),
        ({"r": 16, "rank_pattern": {"q_proj": "64", "k_proj": True, "v_proj": -1}}, 16),
        ({"r": 16, "rank_pattern": [64]}, 16),
        ({"r": "16"}, None),
        ({"r": True}, None),
        ({"r": 10**30}, None),
        ({}, None),
        ([], None),
    ],
)
def test_ranks_are_read_with_care(config, rank):
    """Ranks of single layers count too since the release that looks at them; anything else is no rank."""
    assert rank_of(json.dumps(config), Version(0, 32, 0)) == rank


def test_ranks_of_single_layers_did_not_always_count():
    """Before, only the adapter's own rank was compared; and no text that is not JSON has one."""
    assert rank_of('{"r": 16, "rank_pattern": {"q_proj": 64}}', Version(0, 29, 0)) == 16
    assert rank_of("[" * 100_000, Version(0, 32, 0)) is None

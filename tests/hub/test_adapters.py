"""LoRA adapters that are named by a hub's id: judged by what the hub says of them, with a model's limits and memory."""

from __future__ import annotations

import json
import time

import pytest

from tests.hub.checkpoints import LLAMA_CONFIG, as_json, plain
from tests.hub.loopback import COMMIT
from vram_engine.lent import FileRef, LentFile, Unlent
from vram_engine.model.reference import ModelRef, Unanswered
from vram_engine.sources.files import LONGEST_FILE
from vram_engine.sources.hub import HuggingFaceHub
from vram_lsp.answers import find
from vram_lsp.cli import main
from vram_lsp.remembered_hub import RememberedHub

REF = ModelRef("org/sql")
FILE = FileRef("org/sql/adapter_config.json")
RULE = "adapter-rank-exceeds-limit"
PEFT = {"peft_type": "LORA", "r": 48, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"]}
DEPLOYMENT = (
    "# vram: gpu=h100-sxm-80\nmodel: Qwen/Qwen2.5-7B-Instruct\nmax-model-len: 4096\n"
    "enable-lora: true\nlora-modules: sql=org/sql\n"
)


@pytest.fixture
def adapter_hub(hub):
    """A hub with an adapter of rank 48."""
    hub.models[REF.name] = {"adapter_config.json": as_json(PEFT)}
    return hub


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """The rules that the command line finds against, in a home of the test's own."""
    monkeypatch.setattr("vram_lsp.model_sources.default_folder", lambda: tmp_path / "models")
    file = tmp_path / "serve.yaml"
    file.write_text(DEPLOYMENT)

    def checked(*options):
        capsys.readouterr()
        main(["check", str(file), "--format", "json", *options])
        return capsys.readouterr().out.count(f'"{RULE}"')

    return checked


def test_an_adapter_is_described_in_two_requests(adapter_hub, client):
    """The list of files and the description, of the commit that the list names; no weights."""
    found = client.fetch_adapter(REF)
    assert (found.config, found.commit) == (PEFT, COMMIT)
    assert adapter_hub.paths == [
        "/api/models/org/sql/revision/main",
        f"/org/sql/resolve/{COMMIT}/adapter_config.json",
    ]


def test_the_hub_is_asked_for_an_adapter_by_leave_alone_and_then_remembered(adapter_hub, checked):
    """Nothing without --online; with it the adapter is refused, and later so with the cable out."""
    assert checked() == 0
    assert adapter_hub.requests == []
    assert checked("--online") > 0
    assert f"/org/sql/resolve/{COMMIT}/adapter_config.json" in adapter_hub.paths
    asked = len(adapter_hub.requests)
    adapter_hub.close()
    assert checked() > 0
    assert len(adapter_hub.requests) == asked


def test_a_model_and_an_adapter_of_one_repository_are_two_answers(hub, client, cache):
    """Each is stored for itself, and neither stands in for the other."""
    hub.add(REF.name, LLAMA_CONFIG)
    hub.models[REF.name]["adapter_config.json"] = as_json(PEFT)
    source = RememberedHub(client, cache)
    assert source.find(REF, ()).spec.num_layers == LLAMA_CONFIG["num_hidden_layers"]
    assert json.loads(source.adapter(REF).text) == PEFT
    hub.close()
    remembered = RememberedHub(None, cache)
    assert remembered.find(REF, ()).spec.num_layers == LLAMA_CONFIG["num_hidden_layers"]
    assert json.loads(remembered.adapter(REF).text) == PEFT
    assert remembered.adapter(ModelRef("org/never-seen")) is None


def test_a_folder_comes_before_the_hub(adapter_hub, client, cache, tmp_path):
    """As vLLM takes a directory of that name first."""
    (tmp_path / "org/sql").mkdir(parents=True)
    (tmp_path / "org/sql/adapter_config.json").write_text('{"r": 8}')
    found = find((RememberedHub(client, cache),), FILE, (tmp_path,))
    assert isinstance(found, LentFile)
    assert found.text == '{"r": 8}'
    assert adapter_hub.requests == []


@pytest.mark.parametrize("path", ["org/sql/secrets.yaml", "./sql/adapter_config.json", "a/b/c/adapter_config.json"])
def test_no_other_file_is_asked_of_the_hub(adapter_hub, client, cache, path):
    """Files that are no adapter's, and paths that are no id, stay unlent without a request."""
    assert isinstance(find((RememberedHub(client, cache),), FileRef(path), ()), Unlent)
    assert adapter_hub.requests == []


@pytest.mark.parametrize("name", ["VLLM_USE_MODELSCOPE", "HF_HUB_OFFLINE"])
def test_the_environment_may_forbid_the_hub(adapter_hub, client, cache, monkeypatch, name):
    """Where vLLM would ask another store or none, neither is the hub asked."""
    monkeypatch.setenv(name, "1")
    assert isinstance(find((RememberedHub(client, cache),), FILE, ()), Unlent)
    assert adapter_hub.requests == []


def test_the_token_stays_with_the_hub(adapter_hub, other_host, client, monkeypatch):
    """A description that is kept on another host is read there without the token."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    other_host.fail("/bucket", lambda handler: handler.send(200, json.dumps(PEFT).encode()))
    away = {"Location": f"{other_host.endpoint}/bucket"}
    adapter_hub.fail("adapter_config.json", lambda handler: handler.send(302, b"", away))
    assert client.fetch_adapter(REF).config == PEFT
    assert {each.headers.get("authorization") for each in adapter_hub.requests} == {"Bearer hf_secret"}
    (elsewhere,) = other_host.requests
    assert "authorization" not in elsewhere.headers


BAD = {
    "not there": lambda handler: handler.send(404, b"no"),
    "gated": lambda handler: handler.send(401, b"no", {"X-Error-Code": "GatedRepo"}),
    "away": lambda handler: handler.send(503, b"no"),
    "no JSON": lambda handler: handler.send(200, b"<html></html>"),
    "a list": lambda handler: handler.send(200, b"[]"),
    "deep JSON": lambda handler: handler.send(200, b"[" * 50_000),
    "JSON that Python still reads": lambda handler: handler.send(200, b'{"r":' * 150 + b"1" + b"}" * 150),
    "long": lambda handler: handler.send(200, b" " * (LONGEST_FILE + 1)),
    "a length past all bounds": lambda handler: handler.send(200, b"{}", {"Content-Length": str(10**12)}),
    "compressed": lambda handler: handler.send(200, b"x", {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", BAD.values(), ids=BAD)
def test_what_the_hub_does_not_say_well_is_not_judged(adapter_hub, client, cache, fault):
    """A reason stands where the description would, it is not asked for again at once, and nothing is stored."""
    adapter_hub.fail("adapter_config.json", fault)
    source = RememberedHub(client, cache)
    assert isinstance(source.adapter(REF), Unlent)
    asked = len(adapter_hub.requests)
    assert isinstance(source.adapter(REF), Unlent)
    assert len(adapter_hub.requests) == asked
    assert RememberedHub(None, cache).adapter(REF) is None


def test_a_repository_without_an_adapter_says_so(hub, client):
    """A model's repository is no adapter."""
    hub.models[REF.name] = {"config.json": plain(b"{}")}
    answer = client.fetch_adapter(REF)
    assert isinstance(answer, Unanswered)
    assert answer.reason == "org/sql has no adapter_config.json on 127.0.0.1"


def test_a_slow_hub_is_waited_for_no_longer_than_for_a_model(adapter_hub, cache):
    """Silence ends with the time that a look-up has, and then speaks for models too."""
    adapter_hub.fail("adapter_config.json", lambda _: time.sleep(2))
    source = RememberedHub(HuggingFaceHub("vram-lsp/test", budget_s=0.3), cache)
    assert source.adapter(REF) == Unlent("and 127.0.0.1 did not answer in time")
    asked = len(adapter_hub.requests)
    assert isinstance(source.find(ModelRef("org/llama"), ()), Unanswered)
    assert len(adapter_hub.requests) == asked

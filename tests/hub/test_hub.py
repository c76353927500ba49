"""The adapter to the hub, against a hub on loopback: what it finds, what it says instead, and what it never does."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import tracemalloc

import pytest

from tests.hub.checkpoints import (
    LLAMA_BYTES,
    LLAMA_CONFIG,
    File,
    as_json,
    llama,
    plain,
    safetensors,
    with_header,
)
from tests.hub.loopback import COMMIT
from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.sources.hub import HuggingFaceHub
from vram_engine.sources.model_files import ModelFiles, found_model

MODEL = "org/llama"
REF = ModelRef(MODEL)


@pytest.fixture
def llama_hub(hub):
    """A hub with Llama 3.1 8B, 16 GB of it declared."""
    hub.add(MODEL, LLAMA_CONFIG, model_safetensors=safetensors(llama()))
    return hub


def files_of(answer):
    """The files, which must be there."""
    assert isinstance(answer, ModelFiles), answer
    return answer


def reason(answer):
    """Why there is no answer, which must be so."""
    assert isinstance(answer, Unanswered), answer
    return answer.reason


def status(code, error=None, **headers):
    """A fault that answers with a status, as the hub marks its errors."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(code, b"no", named | ({"X-Error-Code": error} if error else {}))


def test_a_model_is_exact_to_the_tensor_in_three_requests(llama_hub, client):
    """The list of files, config.json, and the beginning of the weights: the bytes are those that vLLM allocates."""
    files = files_of(client.fetch(REF))
    found = found_model(files, "hub")
    assert isinstance(found, FoundModel)
    assert (found.checkpoint.total_bytes, found.commit, found.notes) == (LLAMA_BYTES, COMMIT, ())
    base = f"/{MODEL}/resolve/{COMMIT}"
    assert llama_hub.paths == [
        f"/api/models/{MODEL}/revision/main",
        f"{base}/config.json",
        f"{base}/model.safetensors",
    ]
    assert llama_hub.requests[2].headers["range"] == "bytes=0-131071"


def test_shards_are_read_without_their_index(hub, client):
    """Names of a complete set of shards say all that the index would; ten gigabytes of index stay where they are."""
    shards = {f"model__0000{n + 1}__of__00005_safetensors": range(n * 8, n * 8 + 8) for n in range(4)}
    files = {name: safetensors(llama(layers, ends=False)) for name, layers in shards.items()}
    files["model__00005__of__00005_safetensors"] = safetensors(llama(range(0)))
    hub.add(MODEL, LLAMA_CONFIG, model_safetensors_index_json=File(b"{", 10**10), **files)
    found = files_of(client.fetch(REF))
    assert (found.checkpoint.total_bytes, found.checkpoint.files) == (LLAMA_BYTES, 5)


def test_other_weights_beside_the_shards_need_the_index(hub, client):
    """A consolidated copy of the weights is not counted, because the index does not name it."""
    index = {"weight_map": {"a": "model.safetensors"}}
    weights = safetensors(llama())
    hub.add(
        MODEL,
        LLAMA_CONFIG,
        model_safetensors=weights,
        consolidated_safetensors=weights,
        model_safetensors_index_json=as_json(index),
    )
    assert files_of(client.fetch(REF)).checkpoint.total_bytes == LLAMA_BYTES


def test_a_long_header_takes_a_second_request(hub, client):
    """Headers that the first piece does not hold are asked for in full."""
    tensors = {f"model.layers.0.mlp.experts.{n}.up_proj.weight": ("BF16", (768, 2048)) for n in range(3000)}
    hub.add(MODEL, LLAMA_CONFIG, model_safetensors=safetensors(tensors))
    assert files_of(client.fetch(REF)).checkpoint.total_bytes == 3000 * 768 * 2048 * 2
    assert len(hub.requests) == 4


def test_quantization_and_pooling_files_are_read(hub, client):
    """hf_quant_config.json by its content, modules.json by being there."""
    quantized = as_json({"quantization": {"quant_algo": "FP8"}})
    hub.add(MODEL, LLAMA_CONFIG, modules_json=as_json([]))
    hub.models[MODEL]["hf_quant_config.json"] = quantized
    files = files_of(client.fetch(REF))
    assert files.quant_config == {"quantization": {"quant_algo": "FP8"}}
    assert files.pooling
    assert files.checkpoint is None


def test_gptqs_own_file_is_read_where_the_config_says_nothing(hub, client):
    """quantize_config.json costs a request only where config.json leaves quantization out."""
    quantized = {"bits": 4, "group_size": 128, "sym": True}
    hub.add(MODEL, LLAMA_CONFIG)
    hub.models[MODEL]["quantize_config.json"] = as_json(quantized)
    assert files_of(client.fetch(REF)).quantize_files == {"quantize_config.json": quantized}
    hub.add(MODEL, LLAMA_CONFIG | {"quantization_config": quantized | {"quant_method": "gptq"}})
    hub.models[MODEL]["quantize_config.json"] = as_json(quantized)
    assert files_of(client.fetch(REF)).quantize_files == {}


def test_a_revision_is_asked_for_and_then_pinned(llama_hub, client):
    """Files come from the commit that the list of files names, even if the branch moves between requests."""
    files_of(client.fetch(ModelRef(MODEL, "refs/pr/1")))
    assert llama_hub.paths[0] == f"/api/models/{MODEL}/revision/refs/pr/1"
    assert all(f"/resolve/{COMMIT}/" in path for path in llama_hub.paths[1:])


def test_a_renamed_model_is_followed(llama_hub, client):
    """The hub sends from an old name to the new one."""
    new = f"/api/models/{MODEL}/revision/main"
    llama_hub.fail("/api/models/org/old/", lambda handler: handler.send(307, b"", {"Location": new}))
    llama_hub.fail(
        "/org/old/resolve", lambda handler: handler.send(307, b"", {"Location": handler.path.replace("old", "llama")})
    )
    assert files_of(client.fetch(ModelRef("org/old"))).checkpoint.total_bytes == LLAMA_BYTES


def test_the_token_goes_to_the_hub_alone(llama_hub, other_host, client, monkeypatch):
    """Weights come from another host by redirect, with the range and without the token."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    weights = llama_hub.models[MODEL]["model.safetensors"]
    other_host.fail("/bucket/", lambda handler: handler.send_file(weights))
    away = {"Location": f"{other_host.endpoint}/bucket/x?signature=1"}
    llama_hub.fail("model.safetensors", lambda handler: handler.send(302, b"", away))
    assert files_of(client.fetch(REF)).checkpoint.total_bytes == LLAMA_BYTES
    assert {request.headers.get("authorization") for request in llama_hub.requests} == {"Bearer hf_secret"}
    (elsewhere,) = other_host.requests
    assert elsewhere.headers["range"] == "bytes=0-131071"
    assert not any("hf_secret" in value for value in elsewhere.headers.values())


def test_the_token_of_a_login_is_used_unless_that_is_switched_off(llama_hub, client, tmp_path, monkeypatch):
    """The file that hf auth login writes counts, and HF_HUB_DISABLE_IMPLICIT_TOKEN keeps every token at home."""
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text("hf_from_file\n")
    files_of(client.fetch(REF))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    files_of(client.fetch(REF))
    tokens = [request.headers.get("authorization") for request in llama_hub.requests]
    assert tokens == ["Bearer hf_from_file"] * 3 + [None] * 3


REFUSALS = {
    "gated, no token": (
        status(401, "GatedRepo"),
        None,
        ("gated", "accept its terms at http://", f"/{MODEL}", "HF_TOKEN"),
    ),
    "gated, no access": (status(403, "GatedRepo"), "hf_x", ("gated", "your token has no access", f"/{MODEL}")),
    "private or absent": (status(401, "RepoNotFound"), None, ("no public model", "spelling", "HF_TOKEN")),
    "not for this token": (status(401, "RepoNotFound"), "hf_x", ("no model", "your token may see")),
    "a bad token": (status(401), "hf_x", ("does not accept your token", "hf auth login")),
    "forbidden": (status(403), "hf_x", ("does not let this token read",)),
    "not there": (status(404, "RepoNotFound"), "hf_x", ("has no model org/llama", "spelling")),
    "too many requests": (status(429, Retry_After="33"), None, ("limits requests", "in 33 s")),
    "too many, badly said": (status(429, Retry_After="soon"), None, ("limits requests", "later")),
    "broken": (status(500), None, ("error of its own (status 500)", "later")),
    "away": (status(503), None, ("error of its own (status 503)",)),
    "a teapot": (status(418), None, ("status 418", "HF_ENDPOINT")),
}


@pytest.mark.parametrize("where", ["/api/models/", "/config.json"])
@pytest.mark.parametrize(("fault", "token", "said"), REFUSALS.values(), ids=REFUSALS)
def test_every_refusal_says_what_to_do(llama_hub, client, monkeypatch, fault, token, said, where):
    """Whichever request is refused, the reason is the same, and no secret or text of the server's is in it."""
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    llama_hub.fail(where, fault)
    answer = reason(client.fetch(REF))
    assert all(part in answer for part in said), answer
    assert "hf_x" not in answer


def test_an_unknown_revision_is_named(llama_hub, client):
    """A tag that is not there is not a model that is not there."""
    llama_hub.fail("/revision/", status(404, "RevisionNotFound"))
    assert reason(client.fetch(ModelRef(MODEL, "v9"))) == f"{MODEL} has no revision v9 on 127.0.0.1"


def test_a_model_without_a_config_says_so(hub, client):
    """GGUF files or Mistral's own format alone are not what vLLM's default reads."""
    hub.models[MODEL] = {"model.gguf": plain(b"GGUF")}
    assert "has no config.json" in reason(client.fetch(REF))


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_means_no_request(llama_hub, client, monkeypatch, name):
    """The variables that keep huggingface_hub off the network keep this off too, whenever they are set."""
    monkeypatch.setenv(name, "1")
    assert "HF_HUB_OFFLINE" in reason(client.fetch(REF))
    assert llama_hub.requests == []


def test_names_without_an_ids_shape_are_never_sent(llama_hub, client, monkeypatch):
    """Half-typed names, paths, odd revisions; and nothing at all where vLLM would ask ModelScope."""
    for name in ("org", "org/", "/models/x", "../x", "${MODEL}/x", "a b/c"):
        reason(client.fetch(ModelRef(name)))
    reason(client.fetch(ModelRef(MODEL, "../../x")))
    monkeypatch.setenv("VLLM_USE_MODELSCOPE", "1")
    assert "ModelScope" in reason(client.fetch(REF))
    monkeypatch.delenv("VLLM_USE_MODELSCOPE")
    for endpoint in ("file:///etc", "http://[::1", "http://127.0.0.1:port", "hub.example", "http://"):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert reason(client.fetch(REF)) == "HF_ENDPOINT is not a web address"
    assert llama_hub.requests == []


def drip(handler):
    """An answer that never ends: a byte at a time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(200):
        handler.wfile.write(b"X")
        handler.wfile.flush()
        time.sleep(0.05)


def slow_body(handler):
    """A body that comes a byte at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def silent(handler):
    """No answer at all."""
    time.sleep(3)


@pytest.mark.parametrize("fault", [drip, slow_body, silent])
@pytest.mark.parametrize("where", ["/api/models/", "/config.json"])
def test_a_slow_hub_is_waited_for_no_longer_than_agreed(llama_hub, fault, where):
    """Silence, dripping headers and dripping bodies all end with the time that a look-up has."""
    llama_hub.fail(where, fault)
    started = time.monotonic()
    answer = HuggingFaceHub("vram-lsp/test", budget_s=0.3).fetch(REF)
    assert time.monotonic() - started < 1.5
    assert reason(answer) == "127.0.0.1 did not answer in time"
    assert answer.for_all


def test_slow_weights_cost_the_exact_bytes_alone(llama_hub):
    """The model is known by then: the answer comes in time, with a note."""
    llama_hub.fail("model.safetensors", silent)
    files = files_of(HuggingFaceHub("vram-lsp/test", budget_s=0.6).fetch(REF))
    assert files.checkpoint is None
    assert files.notes == ("the sizes of its tensors are not known: 127.0.0.1 did not answer in time",)


def hang_up(handler):
    """Half of what was promised."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"sha"')
    handler.close_connection = True


def reset(handler):
    """The connection breaks."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


@pytest.mark.parametrize("fault", [hang_up, reset])
@pytest.mark.parametrize("where", ["/api/models/", "/config.json", "model.safetensors"])
def test_an_answer_that_breaks_off_is_no_answer(llama_hub, client, fault, where):
    """What came before the break is not used."""
    llama_hub.fail(where, fault)
    answer = client.fetch(REF)
    said = answer.notes[0] if isinstance(answer, ModelFiles) else reason(answer)
    assert "broke off its answer" in said


def test_nobody_there_is_said(client, monkeypatch):
    """A port that nobody listens on, and a name that nobody knows."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert "takes no connections" in reason(client.fetch(REF))

    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = client.fetch(REF)
    assert reason(answer) == "hub.example cannot be found by its name: check the network, the proxy or HF_ENDPOINT"
    assert answer.for_all


def test_a_certificate_that_is_not_trusted_is_said(client, monkeypatch, llama_hub):
    """TLS with somebody who speaks none, as behind a wrong port or a breaking proxy."""
    monkeypatch.setenv("HF_ENDPOINT", llama_hub.endpoint.replace("http:", "https:"))
    assert "no connection that is trusted" in reason(client.fetch(REF))


def test_a_proxy_is_used(llama_hub, client, monkeypatch, new_sessions):
    """HTTP_PROXY leads to the hub, under the hub's own name."""
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    monkeypatch.setenv("HTTP_PROXY", llama_hub.endpoint)
    monkeypatch.setenv("http_proxy", llama_hub.endpoint)
    new_sessions()
    llama_hub.fail("http://hub.example/", status(404))
    assert "hub.example has no model" in reason(client.fetch(REF))
    assert llama_hub.paths == [f"http://hub.example/api/models/{MODEL}/revision/main"]


def location(to):
    """A redirect."""
    return lambda handler: handler.send(302, b"", {"Location": to(handler)})


def huge(handler):
    """More than anybody asked for, without saying so."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(2000):
        handler.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")


def bomb(handler):
    """Thirty megabytes in thirty kilobytes."""
    packed = gzip.compress(b" " * 30 * 2**20)
    handler.send(200, packed, {"Content-Encoding": "gzip"})


def body(content):
    """Another content."""
    return lambda handler: handler.send(200, content)


LYING = {
    "no JSON": body(b"<html>Please log in to the hotel's network</html>"),
    "another object": body(b"[]"),
    "deep JSON": body(b"[" * 100_000),
    "JSON that Python still reads": body(b'{"a":' * 150 + b"1" + b"}" * 150),
    "a JSON bomb": body(b'{"a":[' + b"[]," * 2_000_000 + b"[]]}"),
    "numbers without end": body(b'{"a":' + b"9" * 100_000 + b"}"),
    "not UTF-8": body(b'{"a":"\xff"}'),
    "more than a description": huge,
    "a declared length past all bounds": lambda handler: handler.send(200, b"{}", {"Content-Length": str(10**12)}),
    "a declared length that is too short": lambda handler: handler.send(200, b'{"a": 1}', {"Content-Length": "4"}),
    "a gzip bomb": bomb,
    "redirects without end": location(lambda handler: handler.path),
    "a redirect nowhere": lambda handler: handler.send(302, b""),
    "a redirect to a file": location(lambda _: "file:///etc/passwd"),
    "a redirect to another scheme": location(lambda _: "gopher://127.0.0.1/"),
    "a redirect that is no address": location(lambda _: "http://[::1"),
}


@pytest.mark.parametrize("where", ["/api/models/", "/config.json"])
@pytest.mark.parametrize("fault", LYING.values(), ids=LYING)
def test_a_lying_hub_gets_no_number_past(llama_hub, client, fault, where):
    """Whatever is sent, the answer is a reason, in time and without its memory."""
    llama_hub.fail(where, fault)
    started = time.monotonic()
    answer = client.fetch(REF)
    assert "127.0.0.1" in reason(answer)
    assert time.monotonic() - started < 3


def test_a_list_of_files_that_is_none_is_a_reason(hub, client):
    """Commits that are none, and lists of files that are none."""
    lists = (
        {"sha": "main", "siblings": []},
        {"sha": 5, "siblings": []},
        {"sha": COMMIT},
        {"sha": COMMIT, "siblings": {"config.json": 1}},
        {"sha": "../" * 10, "siblings": [{"rfilename": "config.json"}]},
    )
    for listed in lists:
        hub.fail("/api/models/", body(json.dumps(listed).encode()))
        assert "as a hub does" in reason(client.fetch(REF))
    odd = [None, 5, {"rfilename": 5}, {"rfilename": "../x.safetensors"}, {"rfilename": "a\n.safetensors"}]
    hub.add(MODEL, LLAMA_CONFIG)
    hub.fail("/api/", body(json.dumps({"sha": COMMIT, "siblings": [*odd, {"rfilename": "config.json"}]}).encode()))
    assert files_of(client.fetch(REF)).checkpoint is None


HEADER = {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def tensors(**changes):
    """A file with one tensor of 8 bytes, changed."""
    return with_header(json.dumps({"x": HEADER["x"] | changes}).encode(), 8)


BAD_WEIGHTS = {
    "a huge header": File((2**40).to_bytes(8, "little"), 2**41),
    "a header longer than the file": File((2**20).to_bytes(8, "little"), 100),
    "an empty file": plain(b"1234"),
    "negative offsets": tensors(data_offsets=[-8, 0]),
    "overlapping tensors": with_header(json.dumps(HEADER | {"y": HEADER["x"]}).encode(), 8),
    "a shape of other bytes": tensors(shape=[3]),
    "a truncated file": with_header(json.dumps(HEADER).encode(), 4),
    "a JSON bomb": with_header(b'{"x":[' + b"[]," * 30_000 + b"[]]}", 0),
    "no JSON": with_header(b"<html></html>", 0),
}


@pytest.mark.parametrize("weights", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_cost_the_exact_bytes_and_are_said(hub, client, weights):
    """config.json still counts; nothing is derived from a header that contradicts itself, nor kept of it."""
    hub.add(MODEL, LLAMA_CONFIG, model_safetensors=weights)
    client.fetch(REF)
    tracemalloc.start()
    files = files_of(client.fetch(REF))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert files.checkpoint is None
    assert "model.safetensors" in files.notes[0]
    assert peak < 4 * 2**20


def ranged(content_range, length=8):
    """A part of a file that may not be the one asked for."""
    return lambda handler: handler.send(206, bytes(length), {"Content-Range": content_range})


BAD_RANGES = {
    "another part": ranged("bytes 8-15/100"),
    "no part": ranged("bytes */100"),
    "a part of nothing": ranged("bytes 0-7/*"),
    "past the end": ranged("bytes 0-7/4"),
    "negative": ranged("bytes -8-0/100"),
    "without end": ranged("bytes 0-7/" + "9" * 5000),
    "less than it says": ranged("bytes 0-131071/16060522496"),
    "compressed": lambda handler: handler.send(206, b"x", {"Content-Range": "bytes 0-0/9", "Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", BAD_RANGES.values(), ids=BAD_RANGES)
def test_a_range_that_was_not_asked_for_is_not_used(llama_hub, client, fault):
    """Servers that answer another question than was put."""
    llama_hub.fail("model.safetensors", fault)
    files = files_of(client.fetch(REF))
    assert files.checkpoint is None
    assert "127.0.0.1" in files.notes[0] or "model.safetensors" in files.notes[0]


@pytest.mark.parametrize("wrong_by", [-8, 8, -(2**33), 2**40])
def test_a_wrong_size_of_the_weights_is_seen(llama_hub, client, wrong_by):
    """The header's last tensor must end where the file is said to, whichever way the size is wrong."""
    weights = llama_hub.models[MODEL]["model.safetensors"]
    said = File(weights.data, weights.size + wrong_by)
    llama_hub.fail("model.safetensors", lambda handler: handler.send_file(said))
    files = files_of(client.fetch(REF))
    assert files.checkpoint is None
    assert "model.safetensors" in files.notes[0]


def test_a_server_without_ranges_is_read_as_far_as_needed(llama_hub, client):
    """It sends all 16 GB from the start: the header is taken and the rest left in the wire."""
    weights = llama_hub.models[MODEL]["model.safetensors"]
    sent = []

    def everything(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(weights.size))
        handler.end_headers()
        handler.wfile.write(weights.data)
        try:
            while True:
                sent.append(handler.wfile.write(bytes(2**20)))
        except OSError:
            handler.close_connection = True

    llama_hub.fail("model.safetensors", everything)
    assert files_of(client.fetch(REF)).checkpoint.total_bytes == LLAMA_BYTES
    assert len(sent) < 64


def test_a_big_model_stays_small_in_memory(hub, client):
    """Forty shards of long headers, read side by side, keep no more than their kinds of tensors."""
    for shard in range(40):
        names = (f"model.layers.{shard}.mlp.experts.{n}.up_proj.weight" for n in range(500))
        file = safetensors(dict.fromkeys(names, ("BF16", (768, 2048))))
        hub.models.setdefault(MODEL, {"config.json": as_json(LLAMA_CONFIG)})
        hub.models[MODEL][f"model-{shard + 1:05}-of-00040.safetensors"] = file
    started = time.monotonic()
    files = files_of(HuggingFaceHub("vram-lsp/test").fetch(REF))
    assert files.checkpoint.total_bytes == 40 * 500 * 768 * 2048 * 2
    assert len(files.checkpoint.tensors) == 40
    assert time.monotonic() - started < 14


def test_waiting_threads_do_not_keep_a_process(llama_hub):
    """A look-up that was given up leaves nothing behind that a process would wait for at its end."""
    llama_hub.fail("/api/models/", silent)
    HuggingFaceHub("vram-lsp/test", budget_s=0.2).fetch(REF)
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())

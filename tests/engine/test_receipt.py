"""Reading vLLM's logs: every format of a start-up, whatever stands before its lines; nothing hangs or raises."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram_engine.facts.versions import Version
from vram_engine.receipt import GIB, Boot, read_log

V0_EARLY = """\
INFO 10-02 12:00:00 api_server.py:526] vLLM API server version 0.6.3.post1
INFO 10-02 12:00:00 api_server.py:527] args: Namespace(host=None, port=8000, model='org/dense-8b', max_model_len=8192)
INFO 10-02 12:00:05 llm_engine.py:237] Initializing an LLM engine (v0.6.3.post1) with config: model='org/dense-8b', \
speculative_config=None, dtype=torch.bfloat16, max_seq_len=8192, tensor_parallel_size=1, quantization=None
INFO 10-02 12:00:20 model_runner.py:1067] Loading model weights took 14.9888 GB
INFO 10-02 12:00:22 gpu_executor.py:122] # GPU blocks: 27898, # CPU blocks: 2048
"""
V0_RESULTS = """\
INFO 11-14 08:00:00 llm_engine.py:249] Initializing an LLM engine (v0.6.4) with config: model='org/dense-8b'
INFO 11-14 08:00:20 model_runner.py:1077] Loading model weights took 14.9600 GB
INFO 11-14 08:00:22 worker.py:232] Memory profiling results: total_gpu_memory=79.22GiB initial_memory_usage=15.51GiB \
peak_torch_memory=16.22GiB memory_usage_post_profile=15.56GiB non_torch_memory=0.60GiB kv_cache_size=54.48GiB \
gpu_memory_utilization=0.90
"""
V0_SENTENCE = """\
INFO 02-12 10:11:20 llm_engine.py:234] Initializing a V0 LLM engine (v0.7.3) with config: model='org/dense-7b', \
max_seq_len=8192
INFO 02-12 10:11:50 model_runner.py:1115] Loading model weights took 14.2487 GB
INFO 02-12 10:11:53 worker.py:267] Memory profiling takes 2.02 seconds
INFO 02-12 10:11:53 worker.py:267] the current vLLM instance can use total_gpu_memory (79.10GiB) x \
gpu_memory_utilization (0.90) = 71.19GiB
INFO 02-12 10:11:53 worker.py:267] model weights take 14.25GiB; non_torch_memory takes 0.15GiB; PyTorch activation \
peak memory takes 1.40GiB; the rest of the memory reserved for KV Cache is 55.39GiB.
INFO 02-12 10:11:53 executor_base.py:111] # cuda blocks: 64823, # CPU blocks: 4681
INFO 02-12 10:11:53 executor_base.py:116] Maximum concurrency for 8192 tokens per request: 126.61x
INFO 02-12 10:12:10 model_runner.py:1562] Graph capturing finished in 16 secs, took 0.21 GiB
"""
V1_EARLY = """\
INFO 04-02 10:00:00 [core.py:59] Initializing a V1 LLM engine (v0.8.2) with config: model='org/dense-7b', \
max_seq_len=32768, tensor_parallel_size=1
INFO 04-02 10:00:20 [gpu_model_runner.py:1174] Model loading took 14.2717 GB and 4.7 seconds
INFO 04-02 10:00:30 [kv_cache_utils.py:537] GPU KV cache size: 905,600 tokens
INFO 04-02 10:00:30 [kv_cache_utils.py:540] Maximum concurrency for 32,768 tokens per request: 27.64x
INFO 04-02 10:00:50 [gpu_model_runner.py:1499] Graph capturing finished in 20 secs, took 2.02 GiB
"""
V1_USAGE = """\
(APIServer pid=1) INFO 08-12 09:00:00 [api_server.py:1805] vLLM API server version 0.10.2
(APIServer pid=1) INFO 08-12 09:00:00 [utils.py:328] non-default args: {'model_tag': 'org/moe-20b', 'max_model_len': \
131072, 'served_model_name': ['x', 'y'], 'enforce_eager': True, 'kv_cache_dtype': 'fp8'}
(EngineCore_DP0 pid=270) INFO 08-12 09:00:10 [core.py:76] Initializing a V1 LLM engine (v0.10.2) with config: \
model='org/moe-20b', dtype=torch.bfloat16, max_seq_len=131072, quantization=mxfp4, kv_cache_dtype=fp8
(EngineCore_DP0 pid=270) INFO 08-12 09:01:00 [gpu_model_runner.py:2602] Model loading took 13.7165 GiB and 12.3 seconds
(EngineCore_DP0 pid=270) INFO 08-12 09:01:20 [gpu_worker.py:298] Available KV cache memory: 24.00 GiB
(EngineCore_DP0 pid=270) INFO 08-12 09:01:41 [gpu_worker.py:391] Free memory on device (43.95/44.40 GiB) on startup. \
Desired GPU memory utilization is (0.9, 39.96 GiB). Actual usage is 13.72 GiB for weight, 2.11 GiB for peak \
activation, 0.13 GiB for non-torch memory, and 0.72 GiB for CUDAGraph memory. Replace gpu_memory_utilization \
config with `--kv-cache-memory=24858189926` to fit into requested memory. \
Current kv cache memory in use is 25773408358 bytes.
"""
V2_CONSUMED = """\
 \u2584\u2584 \u2584\u2588 \u2588     \u2588     \u2588 \u2580\u2584\u2580 \u2588  version 0.31.0
  \u2588\u2584\u2588\u2580 \u2588     \u2588     \u2588     \u2588  model   org/dense-8b
(EngineCore pid=9) INFO 09-20 10:00:00 [gpu_worker.py:519] Using V2 Model Runner
(EngineCore pid=9) INFO 09-20 10:00:10 [model_runner.py:425] Model loading took 14.99 GiB memory and 3.100000 seconds
(EngineCore pid=9) INFO 09-20 10:00:20 [model_runner.py:900] Estimated CUDA graph memory: 1.20 GiB total
(EngineCore pid=9) INFO 09-20 10:00:20 [gpu_worker.py:760] Available KV cache memory: 56.21 GiB
(EngineCore pid=9) INFO 09-20 10:00:20 [kv_cache_utils.py:2327] GPU KV cache size: 460,480 tokens, Maximum concurrency \
for 8,192 tokens per request: 56.21x
(EngineCore pid=9) INFO 09-20 10:00:40 [model_runner.py:1128] Graph capturing finished in 6 secs, took 0.23 GiB
(EngineCore pid=9) INFO 09-20 10:00:40 [gpu_worker.py:971] CUDA graph pool memory: 0.23 GiB (actual), 1.2 GiB \
(estimated), difference: 0.97 GiB (421.7%).
(EngineCore pid=9) INFO 09-20 10:00:40 [gpu_worker.py:1034] Free memory on device (78.80/79.25 GiB) on startup. \
Desired GPU memory utilization is (0.92, 72.91 GiB). Actual usage is 15.26 GiB for consumed memory (weights + \
non-torch), 1.44 GiB for peak activation, and 0.23 GiB for CUDAGraph memory. \
Current kv cache memory in use is 56.21 GiB.
"""


def boot(text) -> Boot:
    """The only start-up of a log."""
    (found,) = read_log(text)
    return found


def gib(amount):
    """Bytes as GiB with the two digits of a log."""
    return None if amount is None else round(amount / GIB, 2)


def test_the_first_engine_prints_blocks_alone():
    """Up to 0.6.3: weights in "GB" that are GiB, and blocks."""
    found = boot(V0_EARLY)
    assert (found.version, found.model, found.blocks) == (Version(0, 6, 3), "org/dense-8b", 27898)
    assert gib(found.weights_bytes) == 14.99
    assert found.kv_cache_bytes is None


def test_the_peak_of_0_6_4_contains_the_weights():
    """0.6.4 prints one line of results; what is above the weights is activation."""
    found = boot(V0_RESULTS)
    assert [gib(each) for each in (found.total_bytes, found.kv_cache_bytes, found.non_torch_bytes)] == [
        79.22,
        54.48,
        0.6,
    ]
    assert gib(found.activation_bytes) == 1.26
    assert found.utilization == 0.9


def test_the_sentences_of_v0():
    """0.6.5 to 0.9: the share asked for, then what takes it."""
    found = boot(V0_SENTENCE)
    assert found.engine == "V0"
    amounts = (found.requested_bytes, found.weights_bytes, found.activation_bytes, found.non_torch_bytes)
    assert [gib(each) for each in amounts] == [71.19, 14.25, 1.4, 0.15]
    assert (gib(found.kv_cache_bytes), gib(found.graph_bytes)) == (55.39, 0.21)
    assert (found.blocks, found.concurrency, found.length) == (64823, 126.61, 8192)


def test_the_first_lines_of_v1():
    """0.8: the size of the cache in tokens, and no GiB of it."""
    found = boot(V1_EARLY)
    assert (found.engine, found.tokens, found.concurrency, found.length) == ("V1", 905600, 27.64, 32768)
    assert (gib(found.weights_bytes), found.kv_cache_bytes) == (14.27, None)


def test_the_one_line_of_everything():
    """0.10.1 to 0.26: free and total memory and four amounts in one line, the cache to the byte."""
    found = boot(V1_USAGE)
    amounts = (found.free_bytes, found.total_bytes, found.requested_bytes, found.activation_bytes, found.graph_bytes)
    assert [gib(each) for each in amounts] == [43.95, 44.4, 39.96, 2.11, 0.72]
    assert found.kv_cache_bytes == 25773408358


def test_arguments_are_read_as_a_command_line_has_them():
    """Given arguments and the engine's own configuration, by vLLM's long flags; what is no flag is left out."""
    arguments = dict(boot(V1_USAGE).arguments)
    assert arguments["model"] == "org/moe-20b"
    assert (arguments["max-model-len"], arguments["enforce-eager"], arguments["kv-cache-dtype"]) == (
        "131072",
        True,
        "fp8",
    )
    assert (arguments["dtype"], arguments["quantization"]) == ("bfloat16", "mxfp4")
    assert arguments["served-model-name"] == '["x", "y"]'


def test_consumed_memory_is_taken_apart():
    """0.27 and later print weights and non-torch together, and count the graph estimate as activation."""
    found = boot(V2_CONSUMED)
    assert (found.version, found.engine, found.model) == (Version(0, 31, 0), "V2", "org/dense-8b")
    assert (gib(found.consumed_bytes), gib(found.non_torch_bytes)) == (15.26, 0.27)
    assert (gib(found.graph_estimate_bytes), gib(found.graph_bytes)) == (1.2, 0.23)
    assert gib(found.activation_bytes) == 0.24
    assert (found.tokens, found.concurrency) == (460480, 56.21)


def test_an_activation_without_the_estimate_is_left_as_it_is():
    """Where the budget closes only with the estimate added, the activation printed does not contain it."""
    text = V2_CONSUMED.replace("memory: 56.21 GiB", "memory: 55.01 GiB").replace("in use is 56.21", "in use is 55.01")
    assert gib(boot(text).activation_bytes) == 1.44


REFUSALS = [
    (
        "ValueError: To serve at least one request with the models's max seq len (262144), (24.00 GiB KV cache is "
        "needed, which is larger than the available KV cache memory (9.12 GiB). Based on the available memory, the "
        "estimated maximum model length is 99584. Try increasing `gpu_memory_utilization`",
        ("max-model-len-too-large", 24.0, 9.12, 99584),
    ),
    (
        "ValueError: To serve at least one request with the model's max seq len (4096), 1.50 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (1.12 GiB). Try increasing",
        ("max-model-len-too-large", 1.5, 1.12, None),
    ),
    (
        "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can be stored "
        "in KV cache (14768). Try increasing `gpu_memory_utilization`",
        ("max-model-len-too-large", None, None, 14768),
    ),
    ("ValueError: No available memory for the cache blocks. Try increasing", ("no-kv-cache-memory", None, None, None)),
    (
        "ValueError: Free memory on device cuda:0 (38.10/79.25 GiB) on startup is less than desired GPU memory "
        "utilization (0.92, 72.91 GiB). Decrease GPU memory utilization",
        ("free-memory-below-target", None, None, None),
    ),
    (
        "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (939). Each decode request requires one",
        ("mamba-blocks", None, None, None),
    ),
    (
        "AssertionError: Error in memory profiling. Initial free memory 20.1 GiB, current free memory 22.5 GiB.",
        ("profiling", None, None, None),
    ),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB", ("out-of-memory", None, None, None)),
    (
        "ValueError: Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token.",
        ("max-model-len-too-large", None, None, None),
    ),
]


@pytest.mark.parametrize(("line", "expected"), REFUSALS, ids=[line[:40] for line, _ in REFUSALS])
def test_refusals_with_their_figures(line, expected):
    """Every way in which vLLM does not start, old and new wording, with the figures it prints."""
    refusal = boot(f"(EngineCore_DP0 pid=2) ERROR 01-01 [core.py:700] {line}\n").refusal
    assert refusal is not None
    figures = (refusal.kind, gib(refusal.needed_bytes), gib(refusal.available_bytes), refusal.estimated_max_model_len)
    assert figures == expected
    assert refusal.message[:20] in line


def test_the_first_refusal_counts():
    """What the front end repeats or says afterwards does not replace what the engine said."""
    text = "ValueError: No available memory for the cache blocks.\nRuntimeError: CUDA out of memory\n"
    assert boot(text).refusal.kind == "no-kv-cache-memory"


def test_running_out_of_memory_while_serving_is_no_refusal():
    """A server that had started has started, whatever happens later."""
    found = boot(V1_EARLY + "INFO:     Application startup complete.\ntorch.OutOfMemoryError: CUDA out of memory.\n")
    assert found.refusal is None


def wrapped_by_docker(text):
    """Lines as Docker's json-file driver keeps them."""
    lines = text.splitlines()
    return "\n".join(
        json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-01-01T00:00:00Z"}) for line in lines
    )


def after(prefix):
    """Every line behind a prefix."""
    return lambda text: "".join(prefix + line for line in text.splitlines(keepends=True))


WRAPPINGS = {
    "ray": after("\x1b[36m(RayWorkerWrapper pid=1234, ip=10.0.0.2)\x1b[0m "),
    "compose": after("vllm-1  | "),
    "kubernetes": after("2026-01-01T00:00:00.123456789Z stderr F "),
    "nim": after("INFO 2025-11-07 17:18:00.203 gpu_model_runner.py:1447] "),
    "docker": wrapped_by_docker,
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "colours": lambda text: text.replace("INFO", "\x1b[32mINFO\x1b[0m"),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("text", [V0_SENTENCE, V1_USAGE, V2_CONSUMED], ids=["V0", "V1", "V2"])
def test_what_stands_before_a_line_does_not_matter(wrapping, text):
    """Ray, Compose, Kubernetes, NIM, Docker's JSON, Windows line ends and colours change nothing that is read."""
    assert boot(wrapping(text)) == boot(text)


def test_ranks_that_differ():
    """The rank with the least cache decides, and what each must hold is the most any of them holds."""
    lines = [
        f"(Worker_TP{rank} pid={rank}) INFO [gpu_worker.py:298] {what}: {amount} GiB"
        for rank, amount in enumerate(("14.04", "13.98"))
        for what in ("Available KV cache memory", "Estimated CUDA graph memory")
    ]
    loading = ["Model loading took 7.10 GiB and 3.0 seconds", "Model loading took 7.48 GiB and 3.0 seconds"]
    found = boot("\n".join([*loading, *lines]))
    assert (gib(found.kv_cache_bytes), gib(found.weights_bytes)) == (13.98, 7.48)


def test_a_log_of_several_starts():
    """A restart is another start-up; one that measured nothing is none."""
    quiet = "INFO vLLM API server version 0.8.2\n"
    found = read_log(V0_SENTENCE + quiet + quiet + V1_EARLY)
    assert [each.version for each in found] == [Version(0, 7, 3), Version(0, 8, 2)]


def test_the_device_is_told_by_its_kernel_tables():
    """vLLM names the files of tuned kernels after the GPU."""
    line = (
        "WARNING Config file not found at configs/E=128,N=768,device_name=NVIDIA_H100_80GB_HBM3,dtype=fp8_w8a8.json\n"
    )
    assert boot(V1_EARLY + line).device == "NVIDIA_H100_80GB_HBM3"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("SpeculativeConfig(method='mtp', model='org/a', num_spec_tokens=2)", {"method": "mtp"}),
        (
            "SpeculativeConfig(method='eagle3', model='org/b', num_spec_tokens=2)",
            {"method": "eagle3", "model": "org/b"},
        ),
        ("SpeculativeConfig(method='ngram', model=None, num_spec_tokens=2)", {"method": "ngram"}),
    ],
)
def test_how_an_engine_drafts(printed, told):
    """What the engine prints stands for the settings; layers of the served model itself are no other model's."""
    line = f"INFO Initializing a V1 LLM engine (v0.22.0) with config: model='org/a', speculative_config={printed}, "
    arguments = dict(boot(f"{line}max_seq_len=4096\nINFO Model loading took 1.0 GiB\n").arguments)
    assert json.loads(arguments["speculative-config"]) == told | {"num_speculative_tokens": 2}
    assert arguments["max-model-len"] == "4096"


@pytest.mark.parametrize("printed", ["None", "'{'", "'[]'", "SpeculativeConfig()", "SpeculativeConfig(method='", "7"])
def test_an_engine_that_prints_no_drafting(printed):
    """Nothing, or nothing that could be read."""
    line = f"INFO Initializing a V1 LLM engine (v0.22.0) with config: model='org/a', speculative_config={printed}\n"
    found = dict(boot(f"{line}INFO Model loading took 1.0 GiB\n").arguments)
    assert json.loads(found.get("speculative-config", "{}")).keys() <= {"method"}


def test_nested_arguments_stay_whole():
    """Values with commas, brackets and quotes of their own are one value, and their inner names are no arguments."""
    line = (
        "INFO non-default args: {'model': 'a/b', 'speculative_config': {'model': 'c/d', 'num_speculative_tokens': 3}, "
        "'limit_mm_per_prompt': {'image': 2, 'video': 0}, 'api_key': ['s'], "
        "'lora_modules': [LoRAModulePath(name='x')]}\n"
    )
    arguments = dict(boot(line + V1_EARLY.splitlines()[1] + "\n").arguments)
    assert arguments["model"] == "a/b"
    assert json.loads(arguments["speculative-config"]) == {"model": "c/d", "num_speculative_tokens": 3}
    assert json.loads(arguments["limit-mm-per-prompt"]) == {"image": 2, "video": 0}
    assert "lora-modules" not in arguments


def test_a_text_without_vllm_holds_nothing():
    """Other programs' logs, and nothing at all, give no start-up."""
    assert read_log("") == ()
    assert read_log("GET / HTTP/1.1 200\nall is well\n") == ()


HOSTILE = [
    "9" * 200_000,
    "█" * 200_000,
    "non-default args: {" + "[" * 100_000,
    "non-default args: {'a': '" + "\\" * 50_000,
    "total_gpu_memory (1.00GiB) x gpu_memory_utilization " * 5_000,
    "Model loading took " + "1" * 100_000 + " GiB",
    "args: Namespace(model=" + "(" * 5_000 + ")" * 5_000 + ")",
    '{"log": ' * 20_000,
    "GPU KV cache size: " + "," * 24 + " tokens",
    "vLLM API server version " * 8_000,
    "Free memory on device " * 8_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_line_takes_long(text):
    """Lines made to be slow to match are read in a blink, and none raises."""
    begun = time.perf_counter()
    read_log(text + "\n" + V1_EARLY)
    assert time.perf_counter() - begun < 1.0


@given(st.text(alphabet=st.sampled_from("args: Namespace({'model=GiB blocks#\\\n[]{}\"0123,.took█x)")))
def test_any_text_is_read(text):
    """Whatever the text, reading it gives start-ups and never an error."""
    assert all(isinstance(each, Boot) for each in read_log(text))

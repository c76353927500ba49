"""One deployment, every view: hover, lens, the terminal's page, the web page and JSON say the same numbers."""

from __future__ import annotations

import json
import re

import pytest

from vram_engine.analysis import analyse
from vram_engine.view.code_lens import code_lenses
from vram_engine.view.hover import hover
from vram_lsp.checking import analysed_file
from vram_lsp.cli import main
from vram_lsp.model_sources import model_sources

TEXTS = {
    "fits": "# vram: gpu=h100-sxm-80 vllm=0.32.0 concurrency=8\nmodel: meta-llama/Llama-3.1-8B-Instruct\n"
    "max-model-len: 8192\n",
    "does not fit": "# vram: gpu=l4 vllm=0.32.0\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 16384\n",
    "hybrid in stages": "# vram: gpu=l4 gpus=8 vllm=0.32.0\nmodel: ibm-granite/granite-4.0-h-tiny\n"
    "tensor-parallel-size: 4\npipeline-parallel-size: 2\n",
    "older release": "# vram: gpu=a100-sxm-80 vllm=0.10.2\nmodel: Qwen/Qwen3-8B\nmax-model-len: 32768\n",
}
ROWS = {
    "weights": "weights_bytes",
    "activations": "activation_bytes",
    "CUDA graphs": "cuda_graph_bytes",
    "other memory": "non_torch_bytes",
    "KV cache of the workload": "kv_cache_required_bytes",
    "required": "required_bytes",
    "free": "headroom_bytes",
    "reserved by vLLM": "requested_bytes",
}


def said(line_start, text):
    """The first number of the line that starts with a name."""
    found = re.search(rf"^\W*{re.escape(line_start)}\W+?(-?\d+\.\d+)", text, re.MULTILINE)
    assert found is not None, (line_start, text)
    return found[1]


@pytest.fixture(params=TEXTS, ids=str)
def views(request, tmp_path, capsys):
    """The same file in every view."""
    file, page = tmp_path / "vllm.yaml", tmp_path / "page.html"
    file.write_text(TEXTS[request.param])
    main(["plan", str(file), "--html", str(page)])
    terminal = capsys.readouterr().out
    main(["plan", str(file), "--json"])
    document = json.loads(capsys.readouterr().out)
    checked = analysed_file(file, (), model_sources("off"))
    analysis = analyse(TEXTS[request.param], checked.context)
    shown = hover(analysis, TEXTS[request.param].index("model"))
    lens = code_lenses(analysis)[0].title
    data = re.search(r'id="document">(.*?)</script>', page.read_text(), re.DOTALL)[1]
    return {"terminal": terminal, "hover": shown.markdown, "lens": lens, "json": document, "page": json.loads(data)}


def test_every_view_says_the_same_numbers(views):
    """Each row of the terminal's table and of the hover's is the JSON's figure; the web page holds that JSON."""
    assert views["page"] == views["json"]
    (deployment,) = views["json"]["deployments"]
    for row, key in ROWS.items():
        figure = f"{deployment['memory'][key] / 2**30:.2f}"
        assert said(row, views["terminal"]) == figure
        assert said(row, views["hover"]) == figure


def test_the_lens_and_the_words_beside_the_tables_are_the_same_numbers(views):
    """What the KV cache holds, in tokens and requests, and what is required of what is reserved."""
    (deployment,) = views["json"]["deployments"]
    memory, cache = deployment["memory"], deployment["kv_cache"]
    required, reserved = (f"{memory[key] / 2**30:.1f}" for key in ("required_bytes", "requested_bytes"))
    assert f"{required} of {reserved} GiB" in views["lens"]
    if memory["kv_cache_available_bytes"] > 0:
        held = f"{cache['capacity_tokens']:,} tokens"
        for view in ("lens", "terminal", "hover"):
            assert held in views[view]
        requests = f"{cache['max_concurrency']:.2f} requests"
        assert requests in views["terminal"]
        assert requests in views["hover"]

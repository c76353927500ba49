"""Prints how fast check goes over a tree of 2,000 mixed YAML files, beside a bare parse of the same files.

``python -m tests.bench.tree``. Nothing is judged.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vram_engine.syntax.parse import parse
from vram_lsp.checking import analysed_files
from vram_lsp.model_sources import model_sources

FILES = 2000
# In the proportions of a repository that deploys things: most of it is not about vLLM.
KINDS = (
    *["services:\n  web:\n    image: nginx\n    ports: ['80:80']\n"] * 6,
    *["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n" + "".join(f"  k{n}: v\n" for n in range(40))] * 6,
    *["on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n"] * 5,
    "# vram: gpu=h100\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n",
    "services:\n  llm:\n    image: vllm/vllm-openai:v0.10.2\n    command: --model Qwen/Qwen3-8B --max-model-len 8192\n",
    "profile_version: 1\nmodel: {id: Qwen/Qwen3-8B}\nhardware: {gpu_name: l4}\n",
)


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Three sizes, to see whether it is linear."""
    print(f"{'files':>6} {'check s':>8} {'files/s':>8} {'parse s':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            path = Path(folder, f"{number % 50}", f"{number}.yaml")
            path.parent.mkdir(exist_ok=True)
            path.write_text(KINDS[number % len(KINDS)])
        for share in (4, 2, 1):
            folders = sorted(Path(folder).iterdir())[: 50 // share]
            files = [path for each in folders for path in each.iterdir()]
            checked = seconds(lambda folders=folders: list(analysed_files(folders, model_sources("off"))))  # type: ignore[misc]  # bound per row
            parsed = seconds(lambda files=files: [parse(path.read_text()) for path in files])  # type: ignore[misc]  # bound per row
            print(
                f"{len(files):>6} {checked:>8.2f} {len(files) / checked:>8.0f} {parsed:>8.2f} {checked / parsed:>6.1f}"
            )


if __name__ == "__main__":
    main()

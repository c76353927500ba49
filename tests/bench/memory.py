"""Prints what the server holds in memory over 10,000 edits: it has to stay flat.

``python -m tests.bench.memory``. Keys of a number that is sized anew, a model's name that is typed and taken back every
fifty keys, and three models in turn. An empty pygls server grows by the text of every edit. Nothing is judged.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.keystroke import text_of
from tests.lsp.wire import Wire

EDITS, SHOWN_EVERY = 10_000, 1_000
URI = "untitled:bench.yaml"
MODELS = ("Qwen/Qwen2.5-14B-Instruct", "Qwen/Qwen3-8B", "meta-llama/Llama-3.1-8B-Instruct")


def edited(text: str, number: int) -> str:
    """The text after so many edits."""
    model = MODELS[number // 500 % len(MODELS)]
    typed = f"{model}{number}" if number % 50 == 0 else model
    return text.replace(MODELS[0], typed).replace("16384", str(2048 + number))


def resident_mib(process: int) -> float | None:
    """What a process holds in memory; None where the system does not tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    kib = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")), None)
    return None if kib is None else int(kib) / 1024


def main() -> None:
    """One server from its first edit to its last."""
    text = text_of(100)
    wire = Wire()
    wire.initialize()
    wire.open(URI, text)
    print(f"{'edits':>6} {'MiB':>7}")
    for number in range(EDITS + 1):
        wire.change(URI, edited(text, number), number + 2)
        wire.until(lambda version=number + 2: (wire.published(URI) or [(0, [])])[-1][0] == version)
        wire.seen.clear()
        if number % SHOWN_EVERY == 0:
            held = resident_mib(wire.process_id)
            print(f"{number:>6} {'?' if held is None else f'{held:.1f}':>7}", flush=True)
    wire.close()


if __name__ == "__main__":
    main()

"""Prints what a parse costs beside PyYAML's own, and what half-typed texts keep beside tree-sitter-yaml.

``python -m tests.bench.parsing``; tree-sitter is compared where ``pip install tree-sitter tree-sitter-yaml`` was run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import yaml

from tests.engine.syntax.test_parse import HALF_TYPED, keys
from vram_engine.syntax.parse import parse

RUNS = 50


def milliseconds(work: Callable[[], object]) -> float:
    """The median of RUNS."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def tree_sitter_keys(text: str) -> list[str]:
    """The keys of block pairs that tree-sitter finds outside its error nodes."""
    import tree_sitter
    import tree_sitter_yaml

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_yaml.language()))
    found = []
    stack = [parser.parse(text.encode()).root_node]
    while stack:
        node = stack.pop()
        key = node.child_by_field_name("key") if node.type in ("block_mapping_pair", "flow_pair") else None
        if key is not None and key.text is not None:
            found.append(key.text.decode())
        stack += reversed(node.children)
    return found


def main() -> None:
    """Times by size, then kept keys by fault."""
    print(f"{'lines':>6} {'parse ms':>9} {'PyYAML compose ms':>18}")
    for lines in (50, 500, 5000):
        text = "".join(f"key-{number}: value {number}  # a comment\n" for number in range(lines))
        composed = milliseconds(lambda text=text: yaml.compose(text, Loader=yaml.CSafeLoader))  # type: ignore[misc]  # bound per row
        print(f"{lines:>6} {milliseconds(lambda text=text: parse(text)):>9.2f} {composed:>18.2f}")  # type: ignore[misc]  # the same
    print(f"\n{'fault':<40} {'ours':>5} {'tree-sitter':>12} of")
    for name, (text, expected) in HALF_TYPED.items():
        kept = sum(key in keys(text) for key in expected)
        try:
            other = str(sum(key in tree_sitter_keys(text) for key in expected))
        except ImportError:
            other = "-"
        print(f"{name:<40} {kept:>5} {other:>12} {len(expected)}")


if __name__ == "__main__":
    main()

"""Prints predicted against measured for every boot, then the summary."""

from __future__ import annotations

import sys

from tests.corpus.cases import data_directory, load
from tests.corpus.score import report


def main() -> int:
    """Print the comparison; 1 when the data is not there."""
    directory = data_directory()
    if directory is None:
        print("no boot logs beside the checkout (set VRAM_LSP_SHARED)", file=sys.stderr)
        return 1
    print(report(load(directory)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

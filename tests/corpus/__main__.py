"""Prints predicted against measured for every boot, then the tables; ``--plot FILE`` writes the scatter as SVG."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.corpus.cases import data_directory, load
from tests.corpus.plot import scatter
from tests.corpus.report import report
from tests.corpus.score import rows


def main() -> int:
    """Print the comparison; 1 when the data is not there."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the scatter of the core boots here")
    wanted = parser.parse_args()
    directory = data_directory()
    if directory is None:
        print("no boot logs beside the checkout (set VRAM_LSP_SHARED)", file=sys.stderr)
        return 1
    cases = load(directory)
    print(report(cases))
    if wanted.plot is not None:
        wanted.plot.write_text(scatter([row for row in rows(cases) if row.case.core]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

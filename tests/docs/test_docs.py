"""The pages for people: their figures are what the program prints, and their links lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.corpus.cases import data_directory
from tests.tools.figures import PAGES, ROOT, mended

ALL = {page.relative_to(ROOT).as_posix(): page for page in (*PAGES, *ROOT.glob("editors/*/README.md"))}


@pytest.mark.parametrize("name", [name for name, page in ALL.items() if "```console" in page.read_text()])
def test_figures_are_what_is_printed(name):
    """Each command of the page prints what stands below it; ``python -m tests.tools.figures`` mends it."""
    text = ALL[name].read_text(encoding="utf-8")
    if "tests.corpus" in text and data_directory() is None:
        pytest.skip("the boot logs are not beside the checkout (set VRAM_LSP_SHARED)")
    assert mended(text) == text


@pytest.mark.parametrize("name", ALL)
def test_links_lead_to_files(name):
    """Relative links and pictures of a page are there, and headings where a heading is named."""
    page = ALL[name]
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (heading and heading not in headings(file.read_text(encoding="utf-8"))):
            missing.append(target)
    assert missing == []


def headings(text):
    """The anchors of a page's headings, as they are made of their words."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

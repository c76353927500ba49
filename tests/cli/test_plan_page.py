"""plan --html: a page that needs nothing else, that no name in it can escape from, with the numbers of plan --json."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from vram_lsp.cli import main
from vram_lsp.report.html import plan_page

FITS = "# vram: gpu=h100-sxm-80 vllm=0.32.0\nmodel: meta-llama/Llama-3.1-8B-Instruct\nmax-model-len: 8192\n"


class Page(HTMLParser):
    """What a browser would fetch, run and style with, and the data."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.inside, self.content = [], None, {"style": [], "script": [], "json": []}
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Collects addresses, the policy, and which element the next text belongs to."""
        said = dict(attrs)
        self.addresses += [said[name] for name in ("src", "href", "data", "action") if name in said]
        if said.get("http-equiv") == "Content-Security-Policy":
            self.policy = said["content"]
        if tag in ("style", "script"):
            self.inside = "json" if said.get("type") == "application/json" else tag
            self.content[self.inside].append("")

    def handle_endtag(self, tag):
        """Ends what started."""
        if tag in ("style", "script"):
            self.inside = None

    def handle_data(self, data):
        """Keeps the text of styles and scripts."""
        if self.inside is not None:
            self.content[self.inside][-1] += data


@pytest.fixture
def written(tmp_path, capsys):
    """A function that writes the page for a text; the page, and the document of plan --json."""

    def written(text):
        file, out = tmp_path / "vllm.yaml", tmp_path / "out.html"
        file.write_text(text, encoding="utf-8")
        assert main(["plan", str(file), "--html", str(out), "--json"]) == 0
        return out.read_text(encoding="utf-8"), json.loads(capsys.readouterr().out)

    return written


def test_the_page_holds_the_numbers_of_plan_json(written):
    """What is drawn is the document itself: no number is worked out twice."""
    page, document = written(FITS)
    assert json.loads(Page(page).content["json"][0]) == document


def test_the_page_needs_nothing_from_elsewhere(written):
    """No address anywhere, and a policy that allows its own style and script alone."""
    page = Page(written(FITS)[0])
    assert page.addresses == []
    (style,), (script,) = page.content["style"], page.content["script"]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    assert page.policy == f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    assert not re.search(r"https?://(?!www\.w3\.org/)", script + style)


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!--<script>", "{{script}}", "\u2028&amp;"])
def test_no_name_can_end_the_data(name):
    """A model called like a closing tag stays a string."""
    document = {"deployments": [{"name": name}], "findings": []}
    page = Page(plan_page(document))
    assert json.loads(page.content["json"][0]) == document
    assert len(page.content["script"]) == 1


def test_a_page_that_cannot_be_written_is_an_error_that_says_so(tmp_path, capsys):
    """Into a folder that does not exist: exit 2 and the path, no traceback."""
    file = tmp_path / "vllm.yaml"
    file.write_text(FITS)
    assert main(["plan", str(file), "--html", str(tmp_path / "no/out.html")]) == 2
    assert "no/out.html cannot be written" in capsys.readouterr().err

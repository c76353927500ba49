"""Our own Markdown as plain text, for editors that show a hover as it is written."""

from __future__ import annotations

import re

_RULE_OF_TABLE = re.compile(r"\|[-:| ]+\|")
_BAR = re.compile(r"(?<!\\) \| ")


def plain_text(markdown: str) -> str:
    """The same words line by line: no emphasis, no marks of code, tables as columns without their lines."""
    return "\n".join(_line(line) for line in markdown.split("\n") if not _RULE_OF_TABLE.fullmatch(line))


def _line(line: str) -> str:
    words = line.replace("**", "").replace("`", "")
    if not (words.startswith("| ") and words.endswith(" |")):
        return words
    return _BAR.sub("  ", words[2:-2]).replace("\\|", "|").rstrip()

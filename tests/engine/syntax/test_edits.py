"""Edits change what they say and nothing else; PyYAML is the judge of what a text means."""

from __future__ import annotations

import pytest
import yaml

from vram_engine.syntax.edits import apply, set_value
from vram_engine.syntax.parse import parse

CASES = {
    "a plain value": ("a: 1\nb: 2 # c\n", ("b",), "3", "a: 1\nb: 3 # c\n"),
    "a quoted value": ('a: "1"\n', ("a",), "2", 'a: "2"\n'),
    "a single-quoted value": ("a: 'x'\n", ("a",), "it's", "a: 'it''s'\n"),
    "an empty value": ("a:\nb: 1\n", ("a",), "2", "a: 2\nb: 1\n"),
    "an empty value with a comment": ("a: # c\n", ("a",), "2", "a: 2 # c\n"),
    "a new key": ("a: 1 # c\n", ("b",), "2", "a: 1 # c\nb: 2\n"),
    "a new key without a final newline": ("a: 1", ("b",), "2", "a: 1\nb: 2"),
    "a new key between carriage returns": ("a: 1\r\n", ("b",), "2", "a: 1\r\nb: 2\r\n"),
    "a new key in a section": ("s:\n    a: 1\nt: 1\n", ("s", "b"), "2", "s:\n    a: 1\n    b: 2\nt: 1\n"),
    "a new section": ("a: 1\n", ("s", "b"), "2", "a: 1\ns:\n  b: 2\n"),
    "a new key behind a block scalar": ("a: |\n  x\n", ("b",), "2", "a: |\n  x\nb: 2\n"),
    "a key in a section that is still empty": ("a: 1\ns: # c\nb: 2\n", ("s", "t"), "3", "a: 1\ns: # c\n  t: 3\nb: 2\n"),
    "a new key in a flow map": ("{a: 1}\n", ("b",), "2", "{a: 1, b: 2}\n"),
    "a new key behind a list": ("a:\n- x\n- y\n", ("b",), "2", "a:\n- x\n- y\nb: 2\n"),
    "the last of two equal keys": ("a: 1\na: 2\n", ("a",), "3", "a: 1\na: 3\n"),
}


@pytest.mark.parametrize(("text", "route", "value", "expected"), CASES.values(), ids=CASES)
def test_a_value_is_set_in_the_style_of_the_file(text, route, value, expected):
    """Quotes, indentation, comments, line breaks and a missing final newline stay as they were."""
    edit = set_value(parse(text), 0, route, value)
    assert edit is not None
    assert apply(text, (edit,)) == expected
    yaml.safe_load(expected)


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "a: |\n  x\n", "a: [1]\n", "a: >-\n  x\n", "a: !t 1\n"])
def test_what_cannot_be_written_surely_is_refused(text):
    """Anchors, tags, block scalars and collections are left alone."""
    assert set_value(parse(text), 0, ("a",), "2") is None


def test_a_value_that_would_read_as_something_else_is_quoted():
    """A text with a colon and space stays one value."""
    text = "a: 1\n"
    edit = set_value(parse(text), 0, ("a",), "x: y")
    assert edit is not None
    assert yaml.safe_load(apply(text, (edit,))) == {"a": "x: y"}

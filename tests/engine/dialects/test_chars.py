"""Every character of a scalar knows where it is written, through quotes, escapes, folding and line breaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vram_engine.dialects.chars import decoded
from vram_engine.syntax.nodes import Mapping, Scalar
from vram_engine.syntax.parse import parse


def value(text):
    """The scalar under the first key."""
    root = parse(text).documents[0].root
    return root.entries[0].value if isinstance(root, Mapping) else None


@pytest.mark.parametrize(
    ("text", "read", "word", "written"),
    [
        ("k: a b c", "a b c", "b", "b"),
        ("k: 'it''s 5'", "it's 5", "'", "''"),
        ('k: "a\\tb\\u0041"', "a\tbA", "A", "\\u0041"),
        ('k: "a \\"b\\""', 'a "b"', '"b"', '\\"b\\"'),
        ("k: a\n  b\n  c", "a b c", "c", "c"),
        ("k: >\n  a\n  b\n\n  c\n", "a b\nc\n", "b", "b"),
        ("k: |\n    a \\\n      b\n", "a \\\n  b\n", "b", "b"),
        ("k: |-\r\n  a\r\n  b\r\n", "a\nb", "b", "b"),
        ("k: |2\n   a\n  b\n", " a\nb\n", "b", "b"),
        ("k: >-\n  a\n    b\n  c\n", "a\n  b\nc", "c", "c"),
        ('k: "a\n  b\\\n  c"', "a bc", "c", "c"),
        ("\ufeffk: 🦙 b", "🦙 b", "b", "b"),
        ("k: &x a", "a", "a", "a"),
    ],
)
def test_a_word_is_found_in_the_source(text, read, word, written):
    """The decoded text is PyYAML's, and a stretch of it points at exactly what stands for it."""
    chars = decoded(text, value(text))
    assert chars.text == read
    at = read.rindex(word)
    span = chars.slice(at, at + len(word)).span
    assert text[span.start : span.end] == written


@given(
    st.sampled_from(["|", ">", "|-", ">-", "|+", ">+", "|2"]),
    st.lists(st.sampled_from(["a", " b", "", "  ", "c d", "\\", "é"]), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=300, deadline=None)
def test_blocks_are_decoded_as_pyyaml_does_or_not_at_all(header, lines, newline):
    """Whatever the indentation and the empty lines, a decoded block is what the tree says, in rising order."""
    text = newline.join([f"k: {header}", *(f"  {line}" for line in lines), "z: 1", ""])
    node = value(text)
    chars = decoded(text, node) if isinstance(node, Scalar) else None
    if chars is not None:
        assert chars.text == node.text
        assert list(chars.starts) == sorted(chars.starts)
        assert all(start < end <= len(text) for start, end in zip(chars.starts, chars.ends, strict=True))


@given(st.text(alphabet="ab \n'\\\"$:#\té", max_size=12), st.sampled_from(["'", '"', ""]))
@settings(max_examples=300, deadline=None)
def test_any_scalar_is_decoded_or_refused(body, quote):
    """No text raises; what cannot be reproduced is None."""
    text = f"k: {quote}{body}{quote}\n"
    node = value(text)
    if isinstance(node, Scalar):
        chars = decoded(text, node)
        assert chars is None or chars.text == node.text

"""Offsets and positions in three encodings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vram_engine.text import LineIndex, Position

# é is 2 bytes and 1 UTF-16 unit; 🦙 is 4 bytes and 2 UTF-16 units (Unicode 15, chapter 3.9).
TEXT = "a: é🦙x\r\nb\rc\u2028d\nend"


def test_lines_end_where_lsp_says():
    """Lines end at \\n, \\r\\n and \\r, and not at U+2028."""
    assert LineIndex(TEXT).starts == [0, 8, 10, 14]


def test_columns_count_units_of_the_encoding():
    """The x behind an accent and a llama is at 5, 6 and 9 in UTF-32, UTF-16 and UTF-8."""
    lines, offset = LineIndex(TEXT), TEXT.index("x")
    assert lines.position(offset, "utf-32") == Position(0, 5)
    assert lines.position(offset, "utf-16") == Position(0, 6)
    assert lines.position(offset, "utf-8") == Position(0, 9)


def test_positions_outside_are_moved_to_the_edge():
    """A column past the line's end means its end, a line past the text means the text's end."""
    lines = LineIndex(TEXT)
    assert lines.offset(Position(1, 99), "utf-16") == 9
    assert lines.offset(Position(99, 0), "utf-16") == len(TEXT)


def test_a_column_inside_a_character_means_the_next_one():
    """A client that points into the middle of a surrogate pair cannot split it."""
    assert LineIndex("🦙x").offset(Position(0, 1), "utf-16") == 1


@given(
    st.text(st.characters(codec="utf-8"), max_size=60),
    st.integers(0, 60),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
def test_offsets_survive_the_round_trip(text, offset, encoding):
    """Any offset that is not inside a line break comes back from its position."""
    lines = LineIndex(text)
    offset = min(offset, len(text))
    inside_a_break = text[offset - 1 : offset + 1] == "\r\n" and offset > 0
    if not inside_a_break:
        assert lines.offset(lines.position(offset, encoding), encoding) == offset

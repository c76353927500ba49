"""Progress is for people who wait at a terminal."""

from __future__ import annotations

import io

import pytest

from vram_lsp.report.progress import with_progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """It is."""
        return True


@pytest.mark.parametrize(
    ("stream", "seconds", "is_shown"),
    [(Terminal, 1.0, True), (Terminal, 0.1, False), (io.StringIO, 1.0, False)],
)
def test_progress_is_shown_to_those_who_wait(stream, seconds, is_shown):
    """On a terminal, after half a second, and never in a file or a pipe; the results are what they were."""
    times = iter([0.0, seconds, seconds, seconds])
    terminal = stream()
    assert list(with_progress("abc", terminal, lambda: next(times))) == ["a", "b", "c"]
    assert ("files checked" in terminal.getvalue()) is is_shown


def test_progress_ends_with_its_reader():
    """Whoever stops in the middle gets the terminal back."""
    terminal = Terminal()
    times = iter([0.0, 1.0, 1.0])
    watched = with_progress("abc", terminal, lambda: next(times))
    next(watched)
    watched.close()
    # The cursor, hidden while progress is shown, is there again.
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")

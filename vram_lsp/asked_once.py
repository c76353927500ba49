"""Questions that a user is asked once in a life: a marker for each, in the user's own data folder."""

from __future__ import annotations

from pathlib import Path


class AskedOnce:
    """Markers in a folder. Where none can be written, a question comes once for every server instead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_first(self, question: str) -> bool:
        """Whether ``question`` was never asked before, by this server or any other; from now on it was."""
        marker = self._folder / question
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            marker.open("x").close()
        except OSError:
            return not marker.is_file()
        return True


def default_folder() -> Path:
    """Where this system keeps what programs know of a user."""
    from platformdirs import user_data_path

    return user_data_path("vram-lsp", appauthor=False) / "asked"

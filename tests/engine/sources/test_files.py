"""Files that a text names: small, of the workspace, and read as text."""

from __future__ import annotations

import os

import pytest

from vram_engine.lent import FileRef, LentFile, Unlent
from vram_engine.sources.files import LONGEST_FILE, lend


def test_the_nearest_folder_lends(tmp_path):
    """A relative path starts at each folder in turn; a byte-order mark is no text."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "b/serve.yaml").write_bytes(b"\xef\xbb\xbfmodel: m\n")
    path = tmp_path / "b/serve.yaml"
    for name in ("serve.yaml", "./serve.yaml", str(path)):
        found = lend(FileRef(name), (tmp_path / "a", tmp_path / "b"))
        assert found == LentFile("model: m\n", str(path.resolve()))


@pytest.mark.parametrize(
    "name", ["none.yaml", "../outside.yaml", "link.yaml", "long.yaml", "bytes.yaml", "folder.yaml", "pipe.yaml", "\0"]
)
def test_nothing_else_is_read(tmp_path, name):
    """Neither what is outside, by a link or not, nor what is long, binary, a folder or a pipe."""
    folder = tmp_path / "repo"
    (folder / "folder.yaml").mkdir(parents=True)
    (tmp_path / "outside.yaml").write_text("model: m\n")
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (folder / "long.yaml").write_text("#" * (LONGEST_FILE + 1))
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe")
    os.mkfifo(folder / "pipe.yaml")
    assert isinstance(lend(FileRef(name), (folder,)), Unlent)

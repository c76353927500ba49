"""The invariants of engine/README.md, read from the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "engine/vram_engine"
SHELL = ROOT / "vram_lsp"

WORLD = {"os", "time", "socket", "subprocess", "asyncio", "huggingface_hub", "pynvml", "urllib", "http", "requests"}

# Layer by layer: a module imports only from its own layer and from those before it.
LAYERS = (
    ("text", "later"),
    ("syntax",),
    ("deployment", "facts", "hardware", "images", "lent", "measured", "mounts", "ranks"),
    ("dialects",),
    ("model",),
    ("ports",),
    ("sizing",),
    ("adapters", "modelled", "engine_variables"),
    ("feasibility", "resolution"),
    ("beside",),
    ("refusals",),
    ("estimate",),
    ("recommend", "performance", "receipt"),
    ("plan",),
    ("resumed",),
    ("rules",),
    ("analysis",),
    ("fixing", "view", "generate"),
    ("safe_fixes", "offering"),
    ("receipt_lines", "receipt_arguments", "receipt"),
)
ORDER = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules(folder):
    """Every Python file below a folder."""
    return sorted(folder.rglob("*.py"))


def imports(path):
    """The dotted names a module imports, relative ones excluded because there are none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path):
    """The name of a module's layer: its folder or file directly below the engine."""
    return path.relative_to(ENGINE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(ENGINE), ids=lambda path: str(path.relative_to(ENGINE)))
def test_the_engine_knows_no_shell_and_no_world(path):
    """No module of the engine imports the shell or LSP, and outside sources none imports the world."""
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & {"vram_lsp", "pygls", "lsprotocol"}
    if layer(path) != "sources":
        assert not roots & WORLD


@pytest.mark.parametrize("path", modules(ENGINE), ids=lambda path: str(path.relative_to(ENGINE)))
def test_the_engine_opens_no_file(path):
    """Outside sources nothing calls open or reads a path; facts read package data through importlib.resources."""
    if layer(path) == "sources":
        return
    names = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "open" not in names
    if layer(path) not in ("facts", "ports"):
        assert "pathlib.Path" not in set(imports(path))


@pytest.mark.parametrize("path", modules(ENGINE), ids=lambda path: str(path.relative_to(ENGINE)))
def test_imports_go_down_the_layers(path):
    """A module imports nothing from a layer above its own, and only the shell imports sources."""
    own = layer(path)
    if own in ("__init__", "sources"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "vram_engine" and len(parts) > 1 and parts[1] in (*ORDER, "sources"):
            assert parts[1] != "sources", f"{own} imports {name}"
            assert ORDER[parts[1]] <= ORDER[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", modules(SHELL), ids=lambda path: str(path.relative_to(SHELL)))
def test_only_the_protocol_modules_know_lsp_types(path):
    """lsprotocol and pygls are imported by proto, server and features alone."""
    relative = path.relative_to(SHELL)
    if relative.parts[0] in ("proto.py", "server.py", "features"):
        return
    assert not {name.split(".")[0] for name in imports(path)} & {"lsprotocol", "pygls"}


def loaded_after(statement):
    """The modules a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_command_line_starts_light():
    """Importing the command line loads neither pygls, rich, pydantic nor a GPU library."""
    heavy = {"pygls", "lsprotocol", "rich", "pydantic", "pynvml", "huggingface_hub", "yaml"}
    assert not loaded_after("import vram_lsp.cli") & heavy


def test_the_server_is_ready_without_the_heavy_libraries():
    """A server that can answer initialize has loaded neither huggingface_hub, pynvml, rich nor pydantic."""
    loaded = loaded_after(
        "from vram_lsp.server import create_server\n"
        "from vram_lsp.lookups import Lookups\n"
        "from vram_engine.sources.this_machine import ThisMachine\n"
        "create_server(Lookups(()), ThisMachine())"
    )
    assert not loaded & {"huggingface_hub", "pynvml", "rich", "pydantic"}
    assert "pygls" in loaded

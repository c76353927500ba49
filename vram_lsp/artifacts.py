"""``generate``: artifacts of one deployment of a file, to standard output or into a folder, all of them or none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vram_engine.dialects.trees import at, items, text_of
from vram_engine.generate import KINDS, Artifact, Kind, generate
from vram_engine.generate.order import Refused
from vram_engine.plan import Plan
from vram_lsp.checking import Checked
from vram_lsp.cli import UsageError

_MOST_NAMES = 12


def kinds_of(text: str) -> tuple[Kind, ...]:
    """The kinds in a list with commas; raises UsageError for one that there is not."""
    known = {str(kind): kind for kind in KINDS}
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    strange = [word for word in words if word not in known]
    if strange or not words:
        raise UsageError(f"--emit {text}: expected some of {', '.join(KINDS)}, with commas between them")
    return tuple(dict.fromkeys(known[word] for word in words))


# What a profile calls the kinds in outputs.emit.
_IN_PROFILE: dict[str, Kind] = {"command": "serve", "profile": "profile", "compose": "compose", "k8s": "kubernetes"}


def kinds_wished(checked: Checked, plan: Plan) -> tuple[Kind, ...]:
    """What the file itself asks for, which only a profile does; else the command."""
    document = checked.analysis.tree.documents[plan.deployment.document]
    wished = items(at(document.root, "outputs", "emit")) if plan.deployment.dialect == "profile" else ()
    kinds = (_IN_PROFILE.get(text_of(item)) for item in wished)
    return tuple(dict.fromkeys(kind for kind in kinds if kind is not None)) or ("serve",)


def chosen(checked: Checked, name: str | None) -> Plan:
    """The deployment of that name, or the only one; raises UsageError where that is none or several."""
    plans = checked.analysis.plans
    if not plans:
        raise UsageError(f"{checked.path} launches no vLLM")
    found = [plan for plan in plans if name is None or plan.deployment.name == name]
    if len(found) == 1:
        return found[0]
    names = [plan.deployment.name for plan in plans]
    listed = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    if name is None:
        raise UsageError(f"{checked.path} has {len(names)} deployments: say which with --deployment: {listed}")
    how_many = "several deployments" if found else "no deployment"
    raise UsageError(f"{checked.path} has {how_many} called {name}: there are {listed}")


def artifacts_of(plan: Plan, kinds: Sequence[Kind]) -> tuple[Artifact, ...]:
    """Every artifact asked for; raises UsageError with the reasons where one of them cannot be given."""
    made = [(kind, generate(plan.deployment, kind)) for kind in kinds]
    reasons = [f"{kind}: {each.reason}" for kind, each in made if isinstance(each, Refused)]
    if reasons:
        raise UsageError("nothing is written: " + "; ".join(reasons))
    return tuple(each for _, each in made if isinstance(each, Artifact))


def as_text(artifacts: Sequence[Artifact]) -> str:
    """One artifact as it is; of several each below a comment with its file's name."""
    if len(artifacts) == 1:
        return artifacts[0].text
    return "\n".join(f"# ==> {each.file_name}\n{each.text}" for each in artifacts)


def write_new(artifacts: Sequence[Artifact], folder: Path) -> tuple[Path, ...]:
    """Write artifacts where no file is yet; raises UsageError before anything is written where one is."""
    paths = tuple(folder / each.file_name for each in artifacts)
    present = [str(path) for path in paths if os.path.lexists(path)]
    if present:
        raise UsageError(f"{', '.join(present)} is there already; --force writes over it")
    folder.mkdir(parents=True, exist_ok=True)
    for each, path in zip(artifacts, paths, strict=True):
        # Exclusively: a file that came into being meanwhile stays as it is.
        with path.open("xb") as stream:
            stream.write(each.text.encode("utf-8"))
        _made_runnable(each, path)
    return paths


def write_over(artifacts: Sequence[Artifact], folder: Path) -> tuple[Path, ...]:
    """Write artifacts whatever is there, each as a whole file that takes the old one's place."""
    paths = tuple(folder / each.file_name for each in artifacts)
    folders = [str(path) for path in paths if path.is_dir()]
    if folders:
        raise UsageError(f"{', '.join(folders)} is a folder")
    folder.mkdir(parents=True, exist_ok=True)
    for each, path in zip(artifacts, paths, strict=True):
        new = path.with_name(f".{path.name}.vram-lsp")
        new.write_bytes(each.text.encode("utf-8"))
        _made_runnable(each, new)
        new.replace(path)
    return paths


def _made_runnable(artifact: Artifact, path: Path) -> None:
    """Scripts can be run by whoever may read them."""
    if artifact.text.startswith("#!"):
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o444) >> 2)

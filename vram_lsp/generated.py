"""Everything that is generated: (file, writer). ``python -m vram_lsp.generated`` writes, ``--check`` compares."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vram_engine.rules import RULES
from vram_engine.rules.base import Rule
from vram_lsp import schemas
from vram_lsp.config import EDITOR_SETTINGS, SETTINGS, camel

ROOT = Path(__file__).resolve().parent.parent

_YAML_SECTIONS = ("Example", "Fixed")


def rules_page(_: str) -> str:
    """engine/RULES.md: every rule's docstring as a page."""
    listing = "\n".join(f"- [{rule.name}](#{rule.name}): {rule.summary}" for rule in RULES)
    pages = "\n\n".join(_rule_page(rule) for rule in RULES)
    return f"# Rules\n\nGenerated from the rules' own docstrings; each example is a test.\n\n{listing}\n\n{pages}\n"


def _rule_page(rule: Rule) -> str:
    lines = [f"## {rule.name}"]
    section, body = "", [rule.summary]
    for line in inspect.cleandoc(rule.doc).split("\n")[1:]:
        if line and not line.startswith(" "):
            lines += _section(section, body)
            section, body = line.strip(), []
        else:
            body.append(line)
    lines += _section(section, body)
    return "\n".join(lines).rstrip()


def _section(title: str, body: list[str]) -> list[str]:
    text = inspect.cleandoc("\n".join(body)).strip()
    fenced = f"```yaml\n{text}\n```" if title in _YAML_SECTIONS else text
    return ["", f"### {title}", "", fenced] if title else ["", fenced]


def readme(text: str) -> str:
    """README.md with its tables of rules and settings."""
    rules = "\n".join(f"| [{rule.name}](engine/RULES.md#{rule.name}) | {rule.summary} |" for rule in RULES)
    settings = "\n".join(
        f"| `{setting.key}` | `vramLsp.{camel(setting.key)}` | {setting.description} |" for setting in SETTINGS
    )
    settings += "".join(
        f"\n| | `vramLsp.{camel(setting.key)}` | {setting.description} |"
        for setting in EDITOR_SETTINGS
        if setting.for_server
    )
    text = _between(text, "rules", f"| rule | says |\n|:--|:--|\n{rules}")
    return _between(text, "settings", f"| project file | editor | meaning |\n|:--|:--|:--|\n{settings}")


def profile_schema(_: str) -> str:
    """The profile's JSON Schema."""
    return _json(schemas.profile_schema())


def config_schema(_: str) -> str:
    """The config file's JSON Schema."""
    return _json(schemas.config_schema())


def settings_schema(_: str) -> str:
    """The JSON Schema of the editor's settings."""
    return _json(schemas.settings_schema())


def package_json(text: str) -> str:
    """The VS Code extension's manifest with the settings it contributes; nothing where there is no manifest."""
    if not text:
        return text
    manifest = json.loads(text)
    configuration = {"title": "vram-lsp", "properties": schemas.settings_properties()}
    return _json({**manifest, "contributes": {**manifest.get("contributes", {}), "configuration": configuration}})


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _between(text: str, name: str, content: str) -> str:
    start, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{content}\n{end}{after}"


FILES: tuple[tuple[Path, Callable[[str], str]], ...] = (
    (ROOT / "engine/RULES.md", rules_page),
    (ROOT / "README.md", readme),
    (ROOT / "editors/schemas/vram-profile.schema.json", profile_schema),
    (ROOT / "editors/schemas/vllm-config.schema.json", config_schema),
    (ROOT / "editors/schemas/settings.json", settings_schema),
    (ROOT / "editors/vscode/package.json", package_json),
)


def stale() -> list[Path]:
    """Files that do not say what their writers would."""
    return [path for path, write in FILES if write(_text(path)) != _text(path)]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Write every file, or with ``--check`` say which are stale."""
    if "--check" in (sys.argv[1:] if argv is None else argv):
        found = stale()
        for path in found:
            print(f"{path.relative_to(ROOT)} is stale: run python -m vram_lsp.generated")
        return int(bool(found))
    for path, write in FILES:
        text = write(_text(path))
        if text:
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""JSON Schemas: of the two flat formats, so that yaml-language-server knows them too, and of the editor's settings."""

from __future__ import annotations

from typing import Any

from vram_engine.dialects.directives import ESTIMATORS
from vram_engine.dialects.profile_schema import Profile
from vram_engine.facts.flags import Flag, all_flags
from vram_engine.facts.versions import NEWEST
from vram_engine.rules import RULES
from vram_lsp.config import EDITOR_SETTINGS, SETTINGS, SEVERITIES, EditorSetting, UserSetting, camel

_DRAFT = "http://json-schema.org/draft-07/schema#"


def profile_schema() -> dict[str, Any]:
    """The profile, as its pydantic models have it."""
    schema = Profile.model_json_schema(ref_template="#/definitions/{model}", mode="validation", by_alias=False)
    schema["definitions"] = schema.pop("$defs")
    return {"$schema": _DRAFT, **schema, "title": "vram-lsp profile, version 1"}


def config_schema() -> dict[str, Any]:
    """``vllm serve --config``: every option of the newest release, kebab-case and snake_case."""
    properties: dict[str, Any] = {}
    for row in all_flags():
        if row.positional or not row.accepted_by(NEWEST):
            continue
        schema = _option(row)
        properties[row.name] = schema
        properties[row.name.replace("-", "_")] = schema
        if row.has_no_form:
            properties[f"no-{row.name}"] = {"type": "boolean", "description": f"Off: {row.description}"}
    return {
        "$schema": _DRAFT,
        "title": f"vllm serve --config, vLLM {NEWEST}",
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "additionalProperties": False,
    }


def settings_schema() -> dict[str, Any]:
    """An editor's settings under their whole names, as VS Code keeps them in settings.json."""
    return {"$schema": _DRAFT, "title": "vram-lsp settings", "type": "object", "properties": settings_properties()}


def settings_properties() -> dict[str, Any]:
    """Every setting by its whole name: what VS Code calls ``contributes.configuration.properties``."""
    values = {f"vramLsp.{camel(setting.key)}": _setting(setting) for setting in SETTINGS}
    own = {f"vramLsp.{camel(setting.key)}": _editor_setting(setting) for setting in EDITOR_SETTINGS}
    return {**values, "vramLsp.rules": _severities(), **own}


def _setting(setting: UserSetting) -> dict[str, Any]:
    said: dict[str, Any] = {"description": setting.description, "scope": "resource"}
    if setting.kind == "count":
        return {**said, "type": ["integer", "null"], "minimum": 1, "default": None}
    if setting.kind == "estimator":
        return {**said, "type": "string", "enum": ["", *ESTIMATORS], "default": ""}
    return {**said, "type": "string", "default": ""}


def _severities() -> dict[str, Any]:
    each = {
        rule.name: {"type": "string", "enum": [*SEVERITIES], "description": rule.summary}
        for rule in sorted(RULES, key=lambda rule: rule.name)
    }
    return {
        "description": "How rules are shown, by their names.",
        "scope": "resource",
        "type": "object",
        "properties": each,
        "additionalProperties": False,
        "default": {},
    }


def _editor_setting(setting: EditorSetting) -> dict[str, Any]:
    said: dict[str, Any] = {"description": setting.description, "scope": setting.scope, "type": "string"}
    if setting.words:
        return {**said, "enum": [*setting.words], "default": setting.words[0]}
    return {**said, "default": ""}


def _option(row: Flag) -> dict[str, Any]:
    """One option's schema. Numbers may be written as text, because vLLM turns every value into a word first."""
    schema: dict[str, Any] = {"description": row.description}
    if row.type == "bool":
        schema["type"] = "boolean"
    elif row.choices:
        schema["enum"] = [*row.choices, *(int(choice) for choice in row.choices if choice.isdigit())]
    elif row.type in ("int", "float"):
        schema["type"] = ["integer" if row.type == "int" else "number", "string"]
        schema |= {word: bound for word, bound in _bounds(row) if bound is not None}
    elif row.type == "str":
        schema["type"] = ["string", "number", "null"] if row.nullable else ["string", "number"]
    return schema


def _bounds(row: Flag) -> tuple[tuple[str, float | None], ...]:
    return (
        ("minimum", row.ge),
        ("exclusiveMinimum", row.gt),
        ("maximum", row.le),
        ("exclusiveMaximum", row.lt),
    )

"""The completions at a cursor: keys, options and values that vLLM, a profile or a comment to us would understand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from vram_engine.analysis import Analysis
from vram_engine.deployment import Scalar
from vram_engine.dialects.directives import KEYS
from vram_engine.dialects.flag_map import flag_of_key
from vram_engine.dialects.profile_keys import PATHS, READ_AS, SECTIONS
from vram_engine.facts.flags import Flag, all_flags, resolve_flag
from vram_engine.plan import Plan
from vram_engine.rules import RULES
from vram_engine.syntax.nodes import Mapping as MappingNode
from vram_engine.syntax.route import Route, node_at
from vram_engine.text import Span
from vram_engine.view.candidates import Candidate, candidates, with_costs
from vram_engine.view.cursor import (
    AtDirectiveKey,
    AtDirectiveValue,
    AtKey,
    AtOption,
    AtOptionValue,
    AtRule,
    AtValue,
    cursor_at,
)
from vram_engine.view.launched import launched_at
from vram_engine.view.probed import setting_at
from vram_engine.view.written import written_settings

Kind = Literal["key", "value", "gpu", "model", "rule"]

_PASSED_ON = ("outputs", "vllm_args")
_KIND: Mapping[str, Kind] = {"gpu": "gpu", "model": "model"}


@dataclass(frozen=True, slots=True)
class Completion:
    """One thing that could stand at ``span``: what the list shows, and ``text`` to write.

    ``subject`` is the setting or rule it is or belongs to; for a value ``value`` is what the engine would read and
    ``plan`` the number of the deployment it is for, so that more can be said about it when somebody looks at it.
    """

    label: str
    kind: Kind
    span: Span
    text: str
    subject: str
    detail: str = ""
    value: Scalar | None = None
    plan: int | None = None


def completions(analysis: Analysis, offset: int) -> tuple[Completion, ...]:
    """What could stand at ``offset``, the likely first; nothing in files of another kind but in comments to us."""
    cursor = cursor_at(analysis, offset)
    if cursor is None:
        return ()
    return tuple(_COMPLETE[type(cursor)](analysis, cursor))


def _directive_keys(_: Analysis, cursor: AtDirectiveKey) -> Iterator[Completion]:
    for key, setting in KEYS.items():
        if key not in cursor.taken:
            yield Completion(key, "key", cursor.word, key if cursor.has_sign else f"{key}=", setting)
    ignore = "ignore" if cursor.has_sign else "ignore["
    yield Completion("ignore", "key", cursor.word, ignore, "ignore", "silence a rule here")


def _directive_values(analysis: Analysis, cursor: AtDirectiveValue) -> Iterator[Completion]:
    name = KEYS[cursor.key]
    plan = next((plan for plan in analysis.plans if _says(analysis, plan, name, cursor.word)), None)
    yield from _values(name, candidates(name, plan), cursor.word, plan)


def _says(analysis: Analysis, plan: Plan, name: str, word: Span) -> bool:
    """Whether a comment around ``word`` speaks to a deployment."""
    document = analysis.tree.documents[plan.deployment.document]
    return name in KEYS.values() and any(comment.span.touches(word.start) for comment in document.comments)


def _rules(_: Analysis, cursor: AtRule) -> Iterator[Completion]:
    for rule in RULES:
        if rule.name not in cursor.taken:
            yield Completion(rule.name, "rule", cursor.word, rule.name, rule.name, rule.summary)


def _keys(analysis: Analysis, cursor: AtKey) -> Iterator[Completion]:
    dialect = analysis.dialects[cursor.document]
    if (dialect == "serve-config" and not cursor.parents) or (dialect == "profile" and cursor.parents == _PASSED_ON):
        yield from _flag_keys(analysis, cursor)
    elif dialect == "profile":
        yield from _profile_keys(analysis, cursor)


def _flag_keys(analysis: Analysis, cursor: AtKey) -> Iterator[Completion]:
    taken = _keys_beside(analysis, cursor)
    typed = analysis.tree.text[cursor.word.start : cursor.word.end]
    spelled = [*taken, typed]
    is_snake = any("_" in key for key in spelled) and not any("-" in key for key in spelled)
    given = {flag.name for flag, _ in map(flag_of_key, taken) if isinstance(flag, Flag)}
    for flag in _flags_for(_plan_of(analysis, cursor.document)):
        if flag.name not in given:
            key = flag.name.replace("-", "_") if is_snake else flag.name
            yield Completion(key, "key", cursor.word, _with_colon(key, cursor), flag.name, _type_words(flag))


def _flags_for(plan: Plan | None) -> tuple[Flag, ...]:
    """The flags a deployment's vLLM takes: the model, what changes memory, the rest, and last what is deprecated."""
    flags = (flag for flag in all_flags() if not flag.positional)
    if plan is not None:
        flags = (flag for flag in flags if flag.accepted_by(plan.args.vllm_version) is not False)
    return tuple(sorted(flags, key=lambda flag: (flag.name != "model", flag.deprecated is not None, not flag.memory)))


def _type_words(flag: Flag) -> str:
    default = "" if flag.default is None else f" = {str(flag.default).lower() if flag.type == 'bool' else flag.default}"
    return f"{flag.type}{default}"


def _with_colon(key: str, cursor: AtKey) -> str:
    return key if cursor.has_colon else f"{key}: "


def _keys_beside(analysis: Analysis, cursor: AtKey) -> list[str]:
    """The other keys of the map the cursor is in."""
    holder = node_at(analysis.tree.documents[cursor.document].root, cursor.parents)
    if not isinstance(holder, MappingNode):
        return []
    return [key for key, entry in holder.pairs() if not entry.key.span.touches(cursor.word.start)]


def _profile_keys(analysis: Analysis, cursor: AtKey) -> Iterator[Completion]:
    taken = _keys_beside(analysis, cursor)
    if not cursor.parents:
        for section in ("profile_version", *SECTIONS):
            if section not in taken:
                text = section if cursor.has_colon else f"{section}: 1" if section not in SECTIONS else f"{section}:"
                yield Completion(section, "key", cursor.word, text, section)
        return
    named = {paths[0]: name for name, paths in PATHS.items()}
    for key in _profile_fields(cursor.parents):
        route: Route = (*cursor.parents, key)
        if key not in taken:
            yield Completion(key, "key", cursor.word, _with_colon(key, cursor), named.get(route, key))


def _profile_fields(parents: tuple[str, ...]) -> Mapping[str, Any]:
    """The keys of a section of the profile, with their types."""
    from vram_engine.dialects.profile_schema import Profile

    section = Profile.model_fields.get(parents[0]) if len(parents) == 1 else None
    fields = getattr(section.annotation, "model_fields", {}) if section is not None else {}
    return {key: field.annotation for key, field in fields.items()}


def _map_values(analysis: Analysis, cursor: AtValue) -> Iterator[Completion]:
    dialect = analysis.dialects[cursor.document]
    plan = _plan_of(analysis, cursor.document)
    if (dialect == "serve-config" and not cursor.parents) or (dialect == "profile" and cursor.parents == _PASSED_ON):
        yield from _flag_values(cursor.key, cursor.word, plan)
    elif dialect == "profile":
        yield from _profile_values(cursor, plan)
    else:
        yield from _written_values(analysis, cursor)


def _flag_values(key: str, word: Span, plan: Plan | None) -> Iterator[Completion]:
    flag, _ = flag_of_key(key)
    if isinstance(flag, Flag) and "." not in key:
        yield from _values(flag.name, candidates(flag.name, plan), word, plan)


def _profile_values(cursor: AtValue, plan: Plan | None) -> Iterator[Completion]:
    name = next((name for name, paths in PATHS.items() if (*cursor.parents, cursor.key) in paths), cursor.key)
    words = _literals(_profile_fields(cursor.parents).get(cursor.key))
    if words:
        found = with_costs(name, (Candidate(word, READ_AS.get(word, word)) for word in words), plan)
    else:
        found = candidates(name, plan) if name in PATHS else ()
    yield from _values(name, found, cursor.word, plan)


def _literals(annotation: Any) -> tuple[str, ...]:
    """The words a field of the profile takes, where it takes only some."""
    if annotation is bool:
        return ("true", "false")
    inner = [part for part in (annotation, *get_args(annotation)) if getattr(part, "__origin__", None) is Literal]
    return tuple(word for part in inner for word in get_args(part) if isinstance(word, str))


def _written_values(analysis: Analysis, cursor: AtValue) -> Iterator[Completion]:
    """Values of a setting that another kind of file has in a place of its own, written or not."""
    found = setting_at(analysis, cursor.word)
    if found is not None:
        name, plan = found
        yield from _values(name, candidates(name, plan), cursor.word, plan)


def _options(analysis: Analysis, cursor: AtOption) -> Iterator[Completion]:
    plan = launched_at(analysis, cursor.document, cursor.near)
    if plan is None:
        return
    typed = analysis.tree.text[cursor.word.start : cursor.word.end]
    # Only whole names count: vLLM reads the beginning of one, which is what somebody is typing, as the option itself.
    given = {setting.spelling.partition("=")[0].replace("_", "-") for setting in written_settings(plan)} - {typed}
    for flag in _flags_for(plan):
        option = f"--{flag.name}"
        if option not in given:
            yield Completion(option, "key", cursor.word, option, flag.name, _type_words(flag))


def _option_values(analysis: Analysis, cursor: AtOptionValue) -> Iterator[Completion]:
    plan = launched_at(analysis, cursor.document, cursor.near)
    flag = resolve_flag(cursor.option)
    if plan is None or not isinstance(flag, Flag):
        return
    if flag.type != "bool":
        yield from _values(flag.name, candidates(flag.name, plan), cursor.word, plan)
    elif cursor.word.start == cursor.word.end:
        # A switch takes no value: what follows it is another option.
        yield from _options(analysis, AtOption(cursor.word, cursor.document, cursor.near))


def _plan_of(analysis: Analysis, number: int) -> Plan | None:
    return next((plan for plan in analysis.plans if plan.deployment.document == number), None)


def _values(name: str, found: Iterable[Candidate], word: Span, plan: Plan | None) -> Iterator[Completion]:
    index = None if plan is None else plan.index
    for each in found:
        kind = _KIND.get(name, "value")
        yield Completion(each.text, kind, word, each.text, name, each.detail, each.value, index)


_Complete: TypeAlias = Callable[[Analysis, Any], Iterator[Completion]]
_COMPLETE: Mapping[type, _Complete] = {
    AtDirectiveKey: _directive_keys,
    AtDirectiveValue: _directive_values,
    AtRule: _rules,
    AtKey: _keys,
    AtValue: _map_values,
    AtOption: _options,
    AtOptionValue: _option_values,
}

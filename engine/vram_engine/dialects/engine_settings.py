"""From the arguments of one engine to its settings, with where each is written and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from vram_engine.deployment import (
    AppendSite,
    Known,
    Remark,
    RemarkKind,
    Setting,
    Site,
    SwitchSite,
    Unknown,
)
from vram_engine.dialects.argv import Argument, Hole, Positional, arguments, json_part, merged, unknown_option, value_of
from vram_engine.dialects.values import Invalid
from vram_engine.dialects.words import ListItem, Word, append_site, split_item, stretch, text_site
from vram_engine.facts.flags import Ambiguous, Flag, flag, suggest_flags
from vram_engine.facts.versions import NEWEST, Version
from vram_engine.mounts import ContainerFiles
from vram_engine.text import Span

_BOOLEAN_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# vllm/engine/arg_utils.py before 0.8.5: these took true and false as a value.
_ONCE_TOOK_A_VALUE = frozenset({"enable-chunked-prefill", "multi-step-stream-outputs"})
_SWITCHES_SINCE = Version(0, 8, 5)


@dataclass(frozen=True, slots=True)
class Edition:
    """Which vLLM reads the arguments.

    ``version`` is None where nothing pins it. ``exact`` says that it is vLLM's own release and no build of others, so
    that an option it lacks is one that it refuses; ``foreign`` that the program has options besides vLLM's.
    """

    version: Version | None = None
    exact: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the arguments say, and of what container they speak, where the words before them start one."""

    settings: dict[str, tuple[Setting, ...]]
    sites: dict[str, Site | None]
    remarks: tuple[Remark, ...]
    container: ContainerFiles | None = None


class ArgumentSites(dict[str, Site | None]):
    """Where flags that are not given yet would go: behind the others."""

    def __init__(self, append: AppendSite | None) -> None:
        super().__init__()
        self._append = append

    def __missing__(self, name: str) -> Site | None:
        if self._append is None or flag(name) is None:
            raise KeyError(name)
        site = self._append
        return AppendSite(site.at, site.lead, site.glued, site.flag_style, site.value_style, site.in_list, name)


def read_engine(text: str, words: Sequence[Word], program: Sequence[Word], edition: Edition) -> EngineSettings:
    """The settings in ``words``, which follow those of the ``program``; ``text`` is the file they are in."""
    reader = _Reader(text, words, edition, ArgumentSites(append_site(text, words or program)))
    for each in arguments(words, edition.version or NEWEST):
        if isinstance(each, Hole):
            reader.hole(each.reason, each.word.span)
        elif isinstance(each, Positional):
            reader.positional(each)
        else:
            reader.option(each)
    reader.finish()
    return EngineSettings(reader.settings, reader.sites, tuple(reader.remarks))


@dataclass(slots=True)
class _Reader:
    text: str
    words: Sequence[Word]
    edition: Edition
    sites: dict[str, Site | None]
    settings: dict[str, tuple[Setting, ...]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    _json: dict[str, tuple[dict[str, object], Setting]] = field(default_factory=dict)
    _stretches: dict[str, Span | None] = field(default_factory=dict)
    _last_switch: Argument | None = None

    def hole(self, reason: str, span: Span) -> None:
        """Arguments that cannot be read."""
        self._add(Setting("more-arguments", Unknown(reason), "file", span=span), None)

    def positional(self, found: Positional) -> None:
        """The first word without an option is the model; behind a switch it is a value the switch does not take."""
        switch, self._last_switch = self._last_switch, None
        word = found.word
        if switch is not None and switch.end == found.at and word.text.lower() in _BOOLEAN_WORDS:
            self._switch_with_value(switch, word, Span(self.words[switch.start].raw.end, word.raw.end))
        elif "model" not in self.settings:
            self._add(Setting("model", _known(word), "file", word.text, span=word.span), text_site(word.chars))

    def option(self, argument: Argument) -> None:
        """One option with its values."""
        self._last_switch = None
        found = argument.flag
        word = self.words[argument.start]
        if not isinstance(found, Flag):
            self._unknown(argument, word, found)
        elif found.name == "config":
            self._config(argument, word)
        elif "." in argument.option:
            self._dotted(argument, found)
        elif found.type == "bool":
            self._switch(argument, found, word)
        else:
            self._valued(argument, found, word)

    def finish(self) -> None:
        """The JSON put together of dotted options comes last, and so wins over one given whole."""
        for name, (value, setting) in self._json.items():
            written = json.dumps(value)
            self._add(Setting(name, Known(written), "file", setting.spelling, span=setting.span), None)

    def _unknown(self, argument: Argument, word: Word, found: Ambiguous | None) -> None:
        message = unknown_option(argument.option, found)
        close = () if found is not None else suggest_flags(argument.option.lstrip("-"))
        refused = (found is not None and self.edition.exact) or bool(close)
        if refused and not self.edition.foreign:
            option = word.part(0, len(argument.option))
            instead = f"--{close[0]}" if close and text_site(option.chars) is not None else None
            self.remarks.append(Remark("unknown-key", option.span, message, instead))
        if not self.edition.foreign:
            self.hole(message, word.span)

    def _config(self, argument: Argument, word: Word) -> None:
        """``--config FILE`` brings settings of a file; with ``=`` vLLM does not look into it."""
        if argument.value is None:
            return
        path = argument.value.text
        spelling = f"{argument.option}=" if argument.glued else argument.option
        self._add(Setting("config", _known(argument.value), "file", spelling, span=argument.value.span), None)
        if not argument.glued:
            reason = f"more settings are in {path}, which is not read here"
            hidden = Setting("more-arguments", Unknown(reason), "file", argument.option, span=argument.value.span)
            self._add(hidden, None)
            return
        message = f"vLLM does not read the file of --config={path}: file and option must be two words"
        self._remark("config-file-not-expanded", word.raw, message, split_item(self.text, word, len(argument.option)))

    def _dotted(self, argument: Argument, found: Flag) -> None:
        value = argument.value
        if value is None:
            return
        reason = value.hole if "json" in found.type else f"{found.name} has no parts"
        if reason is not None:
            self._add(Setting(found.name, Unknown(reason), "file", argument.option, span=value.span), None)
            return
        before, _ = self._json.get(found.name, ({}, None))
        setting = Setting(found.name, Known(""), "file", argument.option, span=value.span)
        self._json[found.name] = (merged(before, json_part(argument.option, value.text)), setting)

    def _switch(self, argument: Argument, found: Flag, word: Word) -> None:
        if argument.value is not None and (argument.glued or argument.unsplit):
            self._switch_with_value(argument, argument.value, word.raw)
            return
        text = text_site(word.chars)
        site = None if text is None else SwitchSite(text, found.name)
        self._given(argument, Setting(found.name, Known(not argument.negated), "file", word.text, span=word.span), site)
        self._last_switch = argument

    def _switch_with_value(self, argument: Argument, value: Word, stretched: Span) -> None:
        """A switch that is given a value, which vLLM refuses, and took for two of them before 0.8.5."""
        found = cast(Flag, argument.flag)
        meant = _BOOLEAN_WORDS.get(value.text.lower())
        once = found.name in _ONCE_TOOK_A_VALUE
        if value.hole is None and not (once and (self.edition.version or NEWEST) < _SWITCHES_SINCE):
            message = f"--{found.name} is a switch and takes no value, so {value.text!r} is refused"
            fix = None if meant is None else self._switch_fixed(argument, found, meant, stretched)
            self._remark("boolean-with-value", value.span, message, fix)
        reading = Unknown(value.hole or f"{found.name} is no switch") if meant is None else Known(meant)
        self.settings.pop(found.name, None)
        self._add(Setting(found.name, reading, "file", argument.option, span=value.span), None)

    def _switch_fixed(self, argument: Argument, found: Flag, meant: bool, stretched: Span) -> tuple[Span, str] | None:
        """``--x=true`` becomes ``--x``, ``--x=false`` becomes ``--no-x`` where vLLM has that."""
        if not argument.glued and not argument.unsplit:
            taken_out = meant and "#" not in self.text[stretched.start : stretched.end]
            return (stretched, "") if taken_out else None
        site = text_site(self.words[argument.start].chars)
        if site is None or not (meant or found.has_no_form):
            return None
        written = f"--{found.name}" if meant else f"--no-{found.name}"
        return site.span, f"{site.style}{written}{site.style}" if site.style in ("'", '"') else written

    def _valued(self, argument: Argument, found: Flag, word: Word) -> None:
        value = value_of(found, argument.values)
        shown = argument.value or word
        if argument.unsplit and isinstance(word.home, ListItem):
            self._one_item(argument, word)
        if isinstance(value, Invalid):
            if self._is_refused(found):
                instead = value.instead if argument.value and text_site(argument.value.chars) else None
                self.remarks.append(Remark("invalid-value", shown.span, value.message, instead))
            value = Unknown(value.message)
        site = text_site(argument.value.chars) if argument.value is not None and len(argument.values) == 1 else None
        self._given(argument, Setting(found.name, value, "file", argument.option, span=shown.span), site)

    def _one_item(self, argument: Argument, word: Word) -> None:
        assert argument.value is not None
        option, value = argument.option, argument.value.text
        message = f"{option} and its value are one list item, so vLLM gets the option {word.text!r}, which it has not"
        gap = word.part(len(option), len(word.text) - len(value))
        fix = (gap.span, "=") if text_site(word.chars) is not None else None
        self._remark("flag-and-value-in-one-item", word.raw, message, fix)

    def _is_refused(self, found: Flag) -> bool:
        """Whether an impossible value can be called one: choices change from release to release."""
        return not found.choices or self.edition.version is None or self.edition.version >= Version(0, 30, 0)

    def _given(self, argument: Argument, setting: Setting, site: Site | None) -> None:
        """A setting of an option, with what is to be said about the option itself."""
        found = cast(Flag, argument.flag)
        self._checked_by_version(argument, found)
        before = self.settings.get(setting.name)
        if before and found.nargs is None and _differ(before[-1], setting):
            message = f"{argument.option} is given again further on, and the last one counts: this has no effect"
            where = before[-1].span
            taken_out = self._stretches.get(setting.name)
            if where is not None:
                self._remark("setting-given-twice", where, message, None if taken_out is None else (taken_out, ""))
        self._stretches[setting.name] = stretch(self.text, self.words, argument.start, argument.end)
        self._add(setting, site)

    def _checked_by_version(self, argument: Argument, found: Flag) -> None:
        """Options that the pinned release no longer has, or does not have yet."""
        version = self.edition.version
        if version is None or not self.edition.exact or found.accepted_by(version) is not False:
            return
        where = self.words[argument.start].part(0, len(argument.option)).span
        if found.gone_in is not None and version >= found.gone_in:
            hint = f"; use --{found.replacement}" if found.replacement else ""
            message = f"vLLM {version} has no --{found.name} any more: it was gone by {found.gone_in}{hint}"
            self._remark("removed-flag", where, message, self._removed(argument, found))
        else:
            message = f"vLLM {version} has no --{found.name} yet: it is there in {found.since}"
            self._remark("unknown-key", where, message, None)

    def _removed(self, argument: Argument, found: Flag) -> tuple[Span, str] | None:
        """A removed option is taken out whole, unless it said something that another one has to say now."""
        taken_out = stretch(self.text, self.words, argument.start, argument.end)
        says_more = found.replacement is not None and found.type != "bool"
        return None if taken_out is None or says_more else (taken_out, "")

    def _remark(self, kind: RemarkKind, where: Span, message: str, fix: tuple[Span, str] | None) -> None:
        stretched, instead = fix if fix is not None else (None, None)
        self.remarks.append(Remark(kind, where, message, instead, stretched))

    def _add(self, setting: Setting, site: Site | None) -> None:
        self.settings[setting.name] = (*self.settings.get(setting.name, ()), setting)
        if site is not None or setting.name in self.sites or flag(setting.name) is not None:
            self.sites[setting.name] = site


def _known(word: Word) -> Known | Unknown:
    return Known(word.text) if word.hole is None else Unknown(word.hole)


def _differ(one: Setting, other: Setting) -> bool:
    return isinstance(one.value, Known) and isinstance(other.value, Known) and one.value != other.value

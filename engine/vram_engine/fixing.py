"""From a fix to text edits, late, and only edits that were tried: apply, read again, and nothing else changed."""

from __future__ import annotations

from vram_engine.analysis import Analysis, Context, deployments_of
from vram_engine.deployment import Deployment, Known, Scalar
from vram_engine.dialects.writing import settings_written, with_gpus
from vram_engine.rules.base import Change, ChangeSettings, Finding, Fix, RenameKey, ReplaceText
from vram_engine.syntax.edits import TextEdit, apply, rename_key, replace_value
from vram_engine.syntax.parse import parse
from vram_engine.syntax.route import entry_at
from vram_engine.text import Span


def edits_of(analysis: Analysis, fix: Fix, context: Context) -> tuple[TextEdit, ...] | None:
    """The edits of a fix, or None when they cannot be written or would change anything but what they should."""
    change = fix.change
    if isinstance(change, ChangeSettings):
        deployment = analysis.plans[change.deployment].deployment
        change = ChangeSettings(change.deployment, with_gpus(deployment, change.values))
    edits = _written(analysis, change)
    if not edits:
        return None
    if isinstance(change, ChangeSettings) and not _changes_only_that(analysis, edits, change, context):
        return None
    if isinstance(change, ReplaceText) and not _keeps_deployments(analysis, edits, context):
        return None
    return edits


def ignore_edit(analysis: Analysis, finding: Finding) -> TextEdit:
    """What silences ``finding``: added to an ignore or a directive its line has already, else a comment at its end."""
    tree = analysis.tree
    line = tree.lines.line_of(analysis.span(finding.where).start)
    span = tree.lines.line_span(line)
    for document in tree.documents:
        for comment in document.comments:
            if tree.lines.line_of(comment.span.start) == line:
                return _more_ignored(tree.text, comment.span, finding.rule)
    end = span.start + len(tree.text[span.start : span.end].rstrip())
    return TextEdit(Span(end, span.end), f"  # vram: ignore[{finding.rule}]")


def _more_ignored(text: str, comment: Span, rule: str) -> TextEdit:
    """A rule more in a comment to us."""
    bracket = text.find("]", comment.start, comment.end)
    if bracket > 0 and "ignore" in text[comment.start : bracket]:
        return TextEdit(Span(bracket, bracket), f", {rule}")
    end = comment.start + len(text[comment.start : comment.end].rstrip())
    return TextEdit(Span(end, comment.end), f" ignore[{rule}]")


def _written(analysis: Analysis, change: Change) -> tuple[TextEdit, ...] | None:
    tree = analysis.tree
    if isinstance(change, ChangeSettings):
        return settings_written(tree, analysis.plans[change.deployment].deployment, change.values)
    if isinstance(change, ReplaceText):
        return (TextEdit(change.span, change.text),)
    entry = entry_at(tree.documents[change.place.document].root, change.place.route)
    if entry is None:
        return None
    edit = rename_key(entry, change.key) if isinstance(change, RenameKey) else replace_value(tree, entry, change.value)
    return None if edit is None else (edit,)


def _changes_only_that(
    analysis: Analysis, edits: tuple[TextEdit, ...], change: ChangeSettings, context: Context
) -> bool:
    """Read the edited text and compare every setting of every deployment."""
    after = deployments_of(parse(apply(analysis.tree.text, edits)), context)
    before = [plan.deployment for plan in analysis.plans]
    if len(after) != len(before):
        return False
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        wanted = _values(old) | (dict(change.values) if index == change.deployment else {})
        if _values(new) != wanted:
            return False
    return True


def _keeps_deployments(analysis: Analysis, edits: tuple[TextEdit, ...], context: Context) -> bool:
    """Whether the edited text still starts as many engines."""
    return len(deployments_of(parse(apply(analysis.tree.text, edits)), context)) == len(analysis.plans)


def _values(deployment: Deployment) -> dict[str, Scalar | str]:
    """Every setting in force by its value, unknown ones by their reason."""
    values: dict[str, Scalar | str] = {}
    for name in deployment.settings:
        setting = deployment.effective(name)
        if setting is not None:
            values[name] = setting.value.value if isinstance(setting.value, Known) else f"? {setting.value.reason}"
    return values

"""From a fix to text edits, late, and only edits that were tried: apply, read again, and nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vram_engine.analysis import Analysis, Context, deployments_of
from vram_engine.deployment import Deployment, Known, Scalar
from vram_engine.dialects.directives import read_directives
from vram_engine.dialects.writing import settings_dropped, settings_written, with_gpus
from vram_engine.rules.base import Change, ChangeSettings, Finding, Fix, RenameKey, ReplaceText
from vram_engine.syntax.comments import line_for_comments
from vram_engine.syntax.edits import TextEdit, apply, rename_key, rewrite_value
from vram_engine.syntax.nodes import Mapping, Node, Sequence, Tree
from vram_engine.syntax.parse import parse
from vram_engine.syntax.route import entry_at
from vram_engine.text import Span


def edits_of(analysis: Analysis, fix: Fix, context: Context) -> tuple[TextEdit, ...] | None:
    """The edits of a fix, or None when they cannot be written or would change anything but what they should."""
    change = fix.change
    if isinstance(change, ChangeSettings):
        deployment = analysis.plans[change.deployment].deployment
        change = replace(change, values=with_gpus(deployment, change.values))
    edits = _written(analysis, change)
    if not edits:
        return None
    after = parse(apply(analysis.tree.text, edits))
    if _says_the_same_twice(analysis.tree, after):
        return None
    if isinstance(change, ChangeSettings):
        return edits if _changes_only_that(analysis, after, change, context) else None
    return edits if _mends(analysis, after, change, context) else None


def ignore_edits(analysis: Analysis, finding: Finding, context: Context) -> tuple[TextEdit, ...] | None:
    """What silences ``finding``: in its line's own comment, at the end of its line, or on a line above it.

    The first that leaves the YAML and every setting as they were; inside a value of several lines only the last does.
    """
    before = [_values(plan.deployment) for plan in analysis.plans]
    for edit in _ignore_edits(analysis, finding):
        after = parse(apply(analysis.tree.text, (edit,)))
        said = [read_directives(document) for document in after.documents]
        heard = any(ignore.rule == finding.rule for each in said for ignore in each.ignores)
        if heard and [_values(each) for each in deployments_of(after, context)] == before:
            return (edit,)
    return None


def _ignore_edits(analysis: Analysis, finding: Finding) -> Iterator[TextEdit]:
    tree = analysis.tree
    line = line_for_comments(tree, analysis.span(finding.where).start)
    span = tree.lines.line_span(line)
    for document in tree.documents:
        for comment in document.comments:
            if tree.lines.line_of(comment.span.start) == line:
                yield _more_ignored(tree.text, comment.span, finding.rule)
    written = tree.text[span.start : span.end]
    end = span.start + len(written.rstrip())
    yield TextEdit(Span(end, span.end), f"  # vram: ignore[{finding.rule}]")
    indent = written[: len(written) - len(written.lstrip())]
    newline = "\r\n" if "\r\n" in tree.text else "\n"
    yield TextEdit(Span(span.start, span.start), f"{indent}# vram: ignore[{finding.rule}]{newline}")


def _more_ignored(text: str, comment: Span, rule: str) -> TextEdit:
    """A rule more in a comment to us."""
    bracket = text.find("]", comment.start, comment.end)
    opening = text.rfind("[", comment.start, bracket)
    if bracket > 0 and opening > 0 and "ignore" in text[comment.start : opening]:
        comma = ", " if text[opening + 1 : bracket].strip() else ""
        return TextEdit(Span(bracket, bracket), f"{comma}{rule}")
    end = comment.start + len(text[comment.start : comment.end].rstrip())
    return TextEdit(Span(end, comment.end), f" ignore[{rule}]")


def _written(analysis: Analysis, change: Change) -> tuple[TextEdit, ...] | None:
    tree = analysis.tree
    if isinstance(change, ChangeSettings):
        deployment = analysis.plans[change.deployment].deployment
        written = settings_written(tree, deployment, change.values)
        dropped = settings_dropped(tree, deployment, change.drops)
        return None if written is None or dropped is None else (*written, *dropped)
    if isinstance(change, ReplaceText):
        return (TextEdit(change.span, change.text),)
    entry = entry_at(tree.documents[change.place.document].root, change.place.route)
    if entry is None:
        return None
    edit = rename_key(entry, change.key) if isinstance(change, RenameKey) else rewrite_value(tree, entry, change.value)
    return None if edit is None else (edit,)


def _changes_only_that(analysis: Analysis, after: Tree, change: ChangeSettings, context: Context) -> bool:
    """Read the edited text and compare every setting of every deployment."""
    read = deployments_of(after, context)
    before = [plan.deployment for plan in analysis.plans]
    if len(read) != len(before):
        return False
    for index, (old, new) in enumerate(zip(before, read, strict=True)):
        wanted = _values(old)
        if index == change.deployment:
            wanted |= change.values
            wanted = {name: value for name, value in wanted.items() if name not in change.drops}
        if _values(new) != wanted:
            return False
    return True


def _mends(analysis: Analysis, after: Tree, change: Change, context: Context) -> bool:
    """Whether as many engines start, and a key or value that was found fault with no longer is."""
    read = deployments_of(after, context)
    if len(read) != len(analysis.plans):
        return False
    if isinstance(change, ReplaceText):
        return True
    before = sum(len(plan.deployment.remarks) for plan in analysis.plans)
    faults = sum(len(each.remarks) for each in read)
    return faults < before if before else True


def _says_the_same_twice(before: Tree, after: Tree) -> bool:
    """Whether an edit made a key stand twice in one map."""
    return _repeated_keys(after) > _repeated_keys(before)


def _repeated_keys(tree: Tree) -> int:
    count = 0
    stack: list[Node] = [document.root for document in tree.documents if document.root is not None]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            keys = [text for text, _ in node.pairs()]
            count += len(keys) - len(set(keys))
            stack += [entry.value for entry in node.entries]
        elif isinstance(node, Sequence):
            stack += node.items
    return count


def _values(deployment: Deployment) -> dict[str, Scalar | str]:
    """Every setting in force by its value, unknown ones by their reason."""
    values: dict[str, Scalar | str] = {}
    for name in deployment.settings:
        setting = deployment.effective(name)
        if setting is not None:
            values[name] = setting.value.value if isinstance(setting.value, Known) else f"? {setting.value.reason}"
    return values

"""The pipeline: text in, everything certain about it out, and a list of the models it would like to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeAlias

from vram_engine.adapters import adapter_files, with_adapters
from vram_engine.deployment import Deployment, Setting
from vram_engine.dialects import recognise
from vram_engine.dialects.config_file import config_file, with_config_file
from vram_engine.dialects.directives import Ignore, read_directives
from vram_engine.dialects.environment_files import wanted_files, with_environment_files
from vram_engine.estimate import Estimate, estimate
from vram_engine.feasibility import judge
from vram_engine.hardware import Node
from vram_engine.later import Later
from vram_engine.lent import FileRef, FilesKnown, LentFile, Unlent
from vram_engine.measured import Measured
from vram_engine.model.by_size import from_parameter_count
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.modelled import unmodelled
from vram_engine.plan import Anchor, Plan, Where, worst
from vram_engine.recommend import Failing, recommendations
from vram_engine.recommend.siblings import Sibling
from vram_engine.refusals import possible_refusals
from vram_engine.resolution import choices, draft_ref, engine_args, model_ref, node, workload
from vram_engine.resumed import resumed
from vram_engine.rules import BY_NAME, RULES, unused_ignore
from vram_engine.rules.base import FileView, Finding, Severity
from vram_engine.sizing.recalled import REMEMBERED, Same
from vram_engine.syntax.comments import line_for_comments
from vram_engine.syntax.nodes import Mapping, Tree
from vram_engine.syntax.parse import parse
from vram_engine.syntax.route import Place, span_of
from vram_engine.text import Span

ModelsKnown: TypeAlias = MappingOf[ModelRef, FoundModel | Unavailable]
# What an analysis may lack, and what answers that.
Wanted: TypeAlias = ModelRef | FileRef
Answer: TypeAlias = FoundModel | Unavailable | LentFile | Unlent


@dataclass(frozen=True, slots=True)
class Context:
    """What is known besides the text.

    ``files`` are files that were asked for, ``folders`` the absolute paths of those that the text belongs to,
    ``models`` are look-ups that have been answered, ``settings`` come from arguments, project file, editor and this
    machine, ``dialects`` is what each document was before the last edit, ``severities`` overrides rules ("off" too),
    ``measured`` are start-ups whose terms take the place of modelled ones, ``siblings`` are quantized checkpoints of a
    model beside those that ship with the engine.
    """

    models: ModelsKnown = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    dialects: tuple[str | None, ...] = ()
    severities: MappingOf[str, str] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    files: FilesKnown = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    siblings: MappingOf[ModelRef, tuple[Sibling, ...]] = field(default_factory=dict)

    def knowing(self, answers: MappingOf[Wanted, Answer]) -> Context:
        """The same with answers to what was wanted."""
        models, files = dict(self.models), dict(self.files)
        for wanted, answer in answers.items():
            if isinstance(wanted, ModelRef) and isinstance(answer, FoundModel | Unavailable):
                models[wanted] = answer
            elif isinstance(wanted, FileRef) and isinstance(answer, LentFile | Unlent):
                files[wanted] = answer
        return replace(self, models=models, files=files)


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything about one text. ``wants`` are models and files that would make it say more."""

    tree: Tree
    plans: tuple[Plan, ...]
    findings: tuple[Finding, ...]
    wants: frozenset[Wanted]
    dialects: tuple[str | None, ...]

    @property
    def is_ours(self) -> bool:
        """Whether any document launches vLLM or speaks to us."""
        return any(dialect is not None for dialect in self.dialects)

    def span(self, where: Where) -> Span:
        """Where a place is in the text."""
        if isinstance(where, Place):
            return span_of(self.tree, where) or Span(0, 0)
        return where


def analyse(text: str, context: Context | None = None, before: Analysis | None = None) -> Analysis:
    """Analyse one file. Total: any text gives an answer.

    ``before`` is an earlier answer about it. It changes nothing but the time: what it sized is not sized again.
    """
    context = context or Context()
    tree = parse(text)
    reading = _Reading(tree, context)
    sized_before = before.plans if before is not None else ()
    plans = tuple(
        plan_of(deployment, index, context, deployment.anchor or first_key(tree, deployment.document), sized_before)
        for index, deployment in enumerate(reading.deployments)
    )
    view = FileView(tree, reading.ours, reading.directives, frozenset(BY_NAME))
    findings = _kept(tuple(_findings(view, plans)), view, plans, context)
    wants: set[Wanted] = {ref for plan in plans for ref in plan.wants}
    wants |= _files_wanted(reading.deployments, context)
    return Analysis(tree, plans, findings, frozenset(wants), tuple(reading.dialects))


def analyse_settings(context: Context) -> Analysis:
    """Analyse the deployment that the context's settings describe, without any file."""
    tree = parse("")
    deployment = Deployment("arguments", "arguments", 0, {}, {}).with_settings(context.settings)
    deployment = with_adapters(deployment, context.files)
    plan = plan_of(deployment, 0, context, Span(0, 0))
    view = FileView(tree, (), {}, frozenset(BY_NAME))
    findings = _kept(tuple(_findings(view, (plan,))), view, (plan,), context)
    wants = frozenset({*plan.wants, *_files_wanted((deployment,), context)})
    return Analysis(tree, (plan,), findings, wants, ())


def _files_wanted(deployments: Iterable[Deployment], context: Context) -> set[Wanted]:
    """The files that deployments name and that nobody was asked for yet."""
    listed = list(deployments)
    files = (ref for each in listed for ref in (config_file(each), *adapter_files(each).values()))
    variables = (ref for each in listed for ref in wanted_files(each, context.files))
    return {*(ref for ref in files if ref is not None and ref not in context.files), *variables}


def deployments_of(tree: Tree, context: Context) -> tuple[Deployment, ...]:
    """The deployments of a tree, with directives and outside settings merged in, before anything is sized."""
    return tuple(_Reading(tree, context).deployments)


class _Reading:
    """Which documents are ours, and the deployments in them with their directives and outside settings merged in."""

    def __init__(self, tree: Tree, context: Context) -> None:
        self.directives = {number: read_directives(document) for number, document in enumerate(tree.documents)}
        self.dialects: list[str | None] = []
        self.deployments: list[Deployment] = []
        for number in range(len(tree.documents)):
            was = context.dialects[number] if number < len(context.dialects) else None
            dialect = recognise(tree, number, known_as=was, ours=self.directives[number].speaks)
            self.dialects.append(dialect.name if dialect is not None else None)
            if dialect is not None:
                more = (*self.directives[number].settings, *context.settings)
                self.deployments += [_completed(each, more, context) for each in dialect.read(tree, number)]
        self.ours = tuple(
            number
            for number in range(len(tree.documents))
            if self.dialects[number] is not None or self.directives[number].speaks
        )


# What starts with the vLLM of the machine it is written on; all other formats start in an image or on a cluster.
_STARTED_HERE = frozenset({"arguments", "llama-swap", "profile", "serve-config"})


def _completed(deployment: Deployment, more: Iterable[Setting], context: Context) -> Deployment:
    """A deployment with what others say of it: comments, outside settings, files of settings and of variables.

    A vLLM that is at hand says nothing of one that starts elsewhere.
    """
    if deployment.dialect not in _STARTED_HERE or deployment.container is not None:
        more = [each for each in more if (each.name, each.origin) != ("vllm-version", "detected")]
    if deployment.container is not None:
        deployment = replace(deployment, container=deployment.container.within(context.folders))
    deployment = with_environment_files(deployment, context.files)
    return with_adapters(with_config_file(deployment.with_settings(more), context.files), context.files)


def plan_of(
    deployment: Deployment, index: int, context: Context, fallback: Where, before: tuple[Plan, ...] = ()
) -> Plan:
    """Everything about one deployment; ``fallback`` is where findings go that belong to no key.

    Where one of several kinds of GPU will be used, the worst of them decides. Of the plans ``before``, one of the same
    deployment saves sizing it again.
    """
    deployment = replace(deployment, measured=context.measured)
    plans = [_plan_of(chosen, index, context, fallback, before) for chosen in choices(deployment)]
    return worst([replace(plan, deployment=deployment, anchor=Anchor(deployment, fallback)) for plan in plans])


def _plan_of(deployment: Deployment, index: int, context: Context, fallback: Where, before: tuple[Plan, ...]) -> Plan:
    ref = model_ref(deployment)
    model = context.models.get(ref) if ref is not None else None
    if ref is None or isinstance(model, Unavailable):
        model = _declared(deployment) or model
    draft = draft_ref(deployment)
    wants = frozenset(each for each in (ref, draft) if each is not None and each not in context.models)
    model = _as_asked(model, deployment.text("quantization"))
    model = _drafted(model, None if draft is None else context.models.get(draft))
    where, args = node(deployment), engine_args(deployment)
    spec = model.spec if isinstance(model, FoundModel) else None
    refused = possible_refusals(deployment, args, spec, where if isinstance(where, Node) else None)
    plan = Plan(
        index=index,
        deployment=deployment,
        anchor=Anchor(deployment, fallback),
        args=args,
        ref=ref,
        model=model,
        node=where,
        unmodelled=unmodelled(deployment, spec),
        draft_ref=draft,
        wants=wants,
        refusals=tuple(each for each in refused if not each.assumed),
        assumed_refusals=tuple(each for each in refused if each.assumed),
    )
    if not isinstance(model, FoundModel) or not isinstance(where, Node):
        return plan
    return resumed(plan, before) or _sized(plan, model.spec, where)


def _sized(plan: Plan, spec: ModelSpec, where: Node) -> Plan:
    deployment = plan.deployment
    sized = estimate(deployment, spec, where)
    plan = replace(plan, estimate=sized)
    if not isinstance(sized, Estimate):
        return plan
    feasibility = judge(sized.budget, sized.demand, workload(deployment), sized.native_length)
    plan = replace(plan, feasibility=feasibility)
    if feasibility.verdict == "fits" or plan.unmodelled or plan.refusals:
        return plan
    failing = Failing(deployment, spec, where, sized)
    return replace(plan, recommendations=Later(lambda: recommendations(failing)))


def _as_asked(model: FoundModel | Unavailable | None, quantization: str | None) -> FoundModel | Unavailable | None:
    """The model as the quantization asked for reads it, where a file beside its config.json is for that one alone."""
    if quantization is None or not isinstance(model, FoundModel):
        return model
    return dict(model.quantized).get(quantization.lower(), model)


def _drafted(
    model: FoundModel | Unavailable | None, draft: FoundModel | Unavailable | None
) -> FoundModel | Unavailable | None:
    """The model together with the one that drafts for it, as far as that one is known."""
    if draft is None or not isinstance(model, FoundModel):
        return model
    with_it = _spec_drafted(Same(model.spec), Same(draft.spec if isinstance(draft, FoundModel) else draft))
    return replace(model, spec=with_it)


@lru_cache(maxsize=REMEMBERED)
def _spec_drafted(model: Same[ModelSpec], draft: Same[ModelSpec | Unavailable]) -> ModelSpec:
    """One object for one pair, by which an earlier sizing of it is known again."""
    return replace(model.value, draft=draft.value)


def _declared(deployment: Deployment) -> FoundModel | Unavailable | None:
    """A model of which only the size is told."""
    billions = deployment.number("params-b")
    if billions is None:
        return None
    spec = from_parameter_count(round(billions * 1e9))
    return spec if isinstance(spec, Unavailable) else FoundModel(spec, "declared")


def first_key(tree: Tree, document: int) -> Where:
    """The first key of a document, which speaks for the whole deployment."""
    root = tree.documents[document].root
    if isinstance(root, Mapping):
        for key, _ in root.pairs():
            return Place(document, (key,), "key")
    return tree.documents[document].span


def _findings(view: FileView, plans: Iterable[Plan]) -> Iterator[Finding]:
    for rule in RULES:
        if rule.check_file is not None:
            yield from rule.check_file(view)
        if rule.check_plan is not None:
            for plan in plans:
                for finding in rule.check_plan(plan):
                    yield _naming_the_file(finding, plan)


def _naming_the_file(finding: Finding, plan: Plan) -> Finding:
    """A finding about settings of the configuration file, which is shown where the file is named, says so."""
    setting = plan.deployment.effective("config")
    path = plan.deployment.text("config")
    if setting is None or path is None or finding.where != setting.span or path in finding.message:
        return finding
    return replace(finding, message=f"{finding.message} (by what {path} says)")


def _kept(
    findings: tuple[Finding, ...], view: FileView, plans: tuple[Plan, ...], context: Context
) -> tuple[Finding, ...]:
    """Findings after ``ignore[...]`` comments and severity overrides, in the order of the text."""
    ignores = [ignore for directives in view.directives.values() for ignore in directives.ignores]
    used: set[Ignore] = set()
    kept: list[Finding] = []
    for finding in findings:
        hit = [ignore for ignore in ignores if ignore.rule == finding.rule and _covers(view.tree, ignore, finding)]
        used.update(hit)
        if not hit:
            kept.append(finding)
    unused = tuple(ignore for ignore in ignores if ignore not in used and _can_be_told(ignore, view, plans))
    kept += unused_ignore.check(replace(view, unused_ignores=unused))
    wished = (_with_severity(finding, context.severities.get(finding.rule)) for finding in kept)
    chosen = [finding for finding in wished if finding is not None]
    return tuple(sorted(chosen, key=lambda finding: (_start(view.tree, finding), finding.rule)))


def _can_be_told(ignore: Ignore, view: FileView, plans: tuple[Plan, ...]) -> bool:
    """Whether an ignore that met nothing is certainly idle: not while a verdict is still to come, or cannot come."""
    return ignore.rule not in view.rule_names or all(plan.verdict != "unknown" for plan in plans)


def _covers(tree: Tree, ignore: Ignore, finding: Finding) -> bool:
    """An ignore speaks for its own line, and alone on its line for the next one and for a value that starts there."""
    line = tree.lines.line_of(ignore.comment.start)
    target = line_for_comments(tree, _start(tree, finding))
    alone = not tree.text[tree.lines.starts[line] : ignore.comment.start].strip()
    return target == line or (alone and target == line + 1)


def _start(tree: Tree, finding: Finding) -> int:
    span = span_of(tree, finding.where) if isinstance(finding.where, Place) else finding.where
    return span.start if span is not None else 0


def _with_severity(finding: Finding, wish: str | None) -> Finding | None:
    if wish == "off":
        return None
    severity: Severity | None = _SEVERITIES.get(wish) if wish is not None else None
    return finding if severity is None else replace(finding, severity=severity)


_SEVERITIES: MappingOf[str, Severity] = {
    "error": "error",
    "warning": "warning",
    "information": "information",
    "hint": "hint",
}

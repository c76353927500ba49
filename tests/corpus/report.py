"""The whole comparison as text: each boot, the core by group, the terms, the rule of thumb, what is not explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.corpus.cases import Case
from tests.corpus.explained import EXPLANATIONS
from tests.corpus.hidden import widened
from tests.corpus.leave_out import left_out
from tests.corpus.predict import predict
from tests.corpus.rough import RoughAnswer, rough
from tests.corpus.score import Row, balanced, mean, median, present, quantile, rows

COMPONENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("activation", ("peak_activation_gib",)),
    ("non_torch", ("non_torch_gib",)),
    ("graphs", ("cuda_graph_estimate_gib",)),
    ("captured", ("cuda_graph_gib",)),
)


def report(cases: Sequence[Case]) -> str:
    """A line for each boot, then the tables."""
    scored = rows(cases)
    core = [row for row in scored if row.case.core]
    lines = [_line(row) for row in sorted(scored, key=lambda row: (row.case.era, row.case.kind, row.case.id))]
    return "\n".join(
        [
            *lines,
            "",
            *summaries(core),
            "",
            *_terms(core),
            "",
            *_refusals(core),
            "",
            *_side_by_side(core),
            "",
            *_leave_out(core),
        ]
    )


def summaries(core: Sequence[Row]) -> list[str]:
    """The core as a whole in three readings, and by group."""
    lines = ["core boots (no shared memory, nothing before 0.6.5), KV cache in GiB per GPU:", _summary("all", core)]
    lines.append(_summary("answered", [row for row in core if row.answered]))
    lines.append(_summary("explained", explained(core)))
    lines.append(_summary("hidden", widened(core)))
    for label, key in GROUPS:
        names = sorted({key(row) for row in core})
        lines += [_summary(f"{label} {name}", [row for row in core if key(row) == name]) for name in names]
    return [*lines, "", *READINGS]


READINGS = (
    "all:       arguments that an excerpt does not show are vLLM's defaults; settings that the tool does not follow",
    "           (drafts, adapters before 0.29, weights in CPU memory) are sized as if they were not there",
    "answered:  without boots of settings that are not followed, for which the tool gives no verdict",
    "explained: the same, with the hidden arguments that other lines of the log give away (listed below)",
    "hidden:    all, with bands over usual values of max_num_seqs and max_num_batched_tokens that are not shown",
    "weights of checkpoints whose quantized layers their configuration does not name are those of the log",
)


def explained(core: Sequence[Row]) -> list[Row]:
    """The boots that the tool answers, each with the argument that its excerpt hides where one was found."""
    return [_with_hidden(row) for row in core if row.answered]


def _with_hidden(row: Row) -> Row:
    explanation = EXPLANATIONS.get(row.case.id)
    if explanation is None or not explanation.arguments:
        return row
    case = replace(row.case, args=replace(row.case.args, **explanation.arguments))
    return Row(case, predict(case))


def _tp(row: Row) -> str:
    return "1" if row.case.args.tensor_parallel_size == 1 else ">1"


GROUPS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("class", lambda row: row.case.kind),
    ("era", lambda row: row.case.era),
    ("tp", _tp),
    ("gpu", lambda row: row.case.gpu_name or "-"),
)


def _summary(label: str, group: Sequence[Row]) -> str:
    kv = present(row.kv_error for row in group)
    tokens = present(row.tokens_error for row in group)
    covered = [row.covered for row in group if row.covered is not None]
    boots, refusals = verdicts([(row.case, row.verdict) for row in group])
    return (
        f"{label:16} kv n{len(kv):3} med {quantile(kv, 0.5):5.2f} p90 {quantile(kv, 0.9):5.2f} "
        f"bias {mean(kv):+5.2f} | covered {sum(covered)}/{len(covered)} "
        f"width {median(present(row.width for row in group)):5.1%} | "
        f"tokens n{len(tokens):3} med {quantile(tokens, 0.5):6.1%} | "
        f"verdict boots {sum(boots)}/{len(boots)} refusals {sum(refusals)}/{len(refusals)} "
        f"balanced {balanced(boots, refusals):4.0%}"
    )


def verdicts(judged: Sequence[tuple[Case, bool | None]]) -> tuple[list[bool], list[bool]]:
    """Whether the verdicts were right, of the boots that started and of those that did not."""
    found = [(case.outcome == "boots", right) for case, right in judged if right is not None]
    return [right for fine, right in found if fine], [right for fine, right in found if not fine]


def _terms(core: Sequence[Row]) -> list[str]:
    weights = present(row.weights_error for row in core)
    lines = [f"{'weights':26} n{len(weights):3} med {quantile(weights, 0.5):5.1%} p90 {quantile(weights, 0.9):5.1%}"]
    lines += [_term(what, present(row.error(what, *keys) for row in core)) for what, keys in COMPONENTS]
    return [*lines, _term("kv, with the log's weights", present(row.accounting_error for row in core))]


def _term(what: str, found: Sequence[float]) -> str:
    return (
        f"{what:26} n{len(found):3} med {quantile(found, 0.5):5.2f} p90 {quantile(found, 0.9):5.2f} "
        f"bias {mean(found):+5.2f} GiB"
    )


def _refusals(core: Sequence[Row]) -> list[str]:
    """The figures of refusals, said and printed: what a request needs, and the longest for what was there."""
    lines = ["refusals of a length, said/printed:"]
    for row in core:
        printed = row.case.measured
        if "error_estimated_max_len" in printed and row.said.needed is not None:
            lines.append(
                f"  {row.case.id:26} needed {row.said.needed:6.2f}/{printed['error_needed_kv_gib']:6.2f} GiB, "
                f"longest {row.said.longest:,}/{printed['error_estimated_max_len']:,}"
            )
    return lines


def _side_by_side(core: Sequence[Row]) -> list[str]:
    """The engine and the published rule of thumb on the same boots."""
    answers = [(row, answer) for row in core if (answer := rough(row.case)) is not None and not row.said.why_not]
    lines = [f"{'':16} {'the engine':42} | the rule of thumb", _compared("all", answers)]
    for label, key in GROUPS[:2]:
        names = sorted({key(row) for row, _ in answers})
        lines += [_compared(f"{label} {name}", [pair for pair in answers if key(pair[0]) == name]) for name in names]
    return lines


def _compared(label: str, pairs: Sequence[tuple[Row, RoughAnswer]]) -> str:
    ours = _cells([row.kv_error for row, _ in pairs], [(row.case, row.verdict) for row, _ in pairs])
    theirs = _cells(
        [None if row.kv_error is None else answer.kv - row.case.measured["available_kv_gib"] for row, answer in pairs],
        [
            (row.case, None if row.verdict is None else answer.boots == (row.case.outcome == "boots"))
            for row, answer in pairs
        ],
    )
    return f"{label:16} {ours} | {theirs}"


def _cells(errors: Sequence[float | None], judged: Sequence[tuple[Case, bool | None]]) -> str:
    found, (boots, refusals) = present(errors), verdicts(judged)
    right = sum(boots) + sum(refusals)
    return (
        f"kv med {quantile(found, 0.5):5.2f} p90 {quantile(found, 0.9):6.2f} "
        f"verdict {right:2}/{len(boots) + len(refusals):2} {balanced(boots, refusals):4.0%}"
    )


LEFT_OUT: tuple[tuple[str, Callable[[Case], str]], ...] = (
    ("model", lambda case: case.model),
    ("GPU", lambda case: case.gpu_name or "-"),
)


def _leave_out(core: Sequence[Row]) -> list[str]:
    lines = [_error("constants as they are", present(row.kv_error for row in core))]
    lines += [_error(f"one {name} left out", left_out(core, group)) for name, group in LEFT_OUT]
    known = explained(core)
    lines.append(_error("explained, constants as are", present(row.kv_error for row in known)))
    lines += [_error(f"explained, one {name} out", left_out(known, group)) for name, group in LEFT_OUT]
    return [*lines, "", *_notes(core)]


def _error(label: str, found: Sequence[float]) -> str:
    return f"{label:27} kv n{len(found):3} med {quantile(found, 0.5):5.2f} p90 {quantile(found, 0.9):5.2f}"


def _notes(core: Sequence[Row]) -> list[str]:
    """Why boots are off, with the error once the hidden argument is known."""
    lines = ["what the corpus cannot tell:"]
    for row in core:
        if row.case.id in EXPLANATIONS:
            again = _with_hidden(row)
            known = "" if again is row or again.kv_error is None else f", then {again.kv_error:+.2f}"
            off = "" if row.kv_error is None else f"{row.kv_error:+.2f}{known}: "
            lines.append(f"  {row.case.id:26} {off}{EXPLANATIONS[row.case.id].reason}")
    return lines


def _line(row: Row) -> str:
    case, said = row.case, row.said
    head = f"{case.id[:26]:26} {case.kind:6} {case.era:4} {case.gpu_name or '-':12.12} {'' if case.core else '*':1}"
    if said.why_not:
        return f"{head} - {said.why_not[:80]}"
    cells = [
        _cell("w", said.weights, case, "model_loading_gib", "weight_gib"),
        _cell("a", said.activation, case, "peak_activation_gib"),
        _cell("n", said.non_torch, case, "non_torch_gib"),
        _cell("g", said.graphs, case, "cuda_graph_estimate_gib"),
        _cell("kv", said.kv, case, "available_kv_gib"),
    ]
    band = f"[{said.kv_low:6.2f} {said.kv_high:6.2f}]{'' if row.covered is not False else '!'}"
    tokens = "" if row.tokens_error is None else f"tok {row.tokens_error:+6.1%}"
    verdict = "" if row.verdict is None else ("ok" if row.verdict else f"WRONG({case.outcome})")
    return f"{head} {' '.join(cells)} {band:18} {tokens:11} {verdict}{'' if row.answered else ' (no answer)'}"


def _cell(name: str, value: float | None, case: Case, *measured: str) -> str:
    truth = next((case.measured[key] for key in measured if key in case.measured), None)
    said = "   -  " if value is None else f"{value:6.2f}"
    return f"{name}{said}/{'  -   ' if truth is None else f'{truth:6.2f}'}"

"""The corpus as a ratchet: what the engine reaches on real boots must not get worse."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from tests.corpus.cases import data_directory, load
from tests.corpus.explained import EXPLANATIONS
from tests.corpus.hidden import widened
from tests.corpus.leave_out import left_out
from tests.corpus.plot import scatter
from tests.corpus.report import explained, verdicts
from tests.corpus.score import Row, balanced, mean, median, quantile, rows
from vram_engine.facts.constants import constants


@pytest.fixture(scope="module")
def core() -> tuple[Row, ...]:
    """Every boot on a card with memory of its own and a release that the accounting covers."""
    directory = data_directory()
    if directory is None:
        pytest.skip("the boot logs are not beside the checkout (set VRAM_LSP_SHARED)")
    return tuple(row for row in rows(load(directory)) if row.case.core)


def errors(group: Sequence[Row]) -> list[float]:
    """KV cache errors in GiB of the boots that have one."""
    return [row.kv_error for row in group if row.kv_error is not None]


def test_kv_cache_of_all_classes(core: tuple[Row, ...]) -> None:
    """The error of the KV cache stays within its band though arguments are hidden.

    One boot's is 13 GiB: by itself a mean error of 0.24. What no argument hides has no bias (below).
    """
    assert quantile(errors(core), 0.5) <= 0.25
    assert quantile(errors(core), 0.9) <= 2.2
    assert abs(mean(errors(core))) <= 0.3


def test_kv_cache_of_dense_models_on_one_gpu(core: tuple[Row, ...]) -> None:
    """Dense models on one GPU are sized to a seventh of a GiB."""
    group = [row for row in core if row.case.kind == "dense" and row.case.args.tensor_parallel_size == 1]
    assert quantile(errors(group), 0.5) <= 0.14


def test_kv_cache_of_boots_that_are_answered(core: tuple[Row, ...]) -> None:
    """Where every setting is followed, the median error is a fifth of a GiB."""
    assert quantile(errors([row for row in core if row.answered]), 0.5) <= 0.20


def test_hidden_arguments_explain_errors(core: tuple[Row, ...]) -> None:
    """With the arguments that other lines of a log give away, errors and bands are better than without."""
    known = explained(core)
    assert quantile(errors(known), 0.5) <= 0.11
    assert quantile(errors(known), 0.9) <= 0.85
    assert abs(mean(errors(known))) <= 0.1
    assert sum(row.covered is True for row in known) >= 0.93 * len(errors(known))
    assert median([row.width for row in known if row.width is not None]) <= 0.05


def test_hidden_arguments_explain_bands(core: tuple[Row, ...]) -> None:
    """Where an excerpt hides how much a step holds, what it could have been reaches nearly every boot."""
    found = widened(core)
    assert sum(row.covered is True for row in found) >= 0.94 * len(found)


def test_explanations_name_boots_of_the_corpus(core: tuple[Row, ...]) -> None:
    """Every explanation is of a boot that is there."""
    assert EXPLANATIONS.keys() <= {row.case.id for row in core}


def test_accounting_beside_the_weights(core: tuple[Row, ...]) -> None:
    """Given the weights of the log, the rest of the budget is off by little at the median."""
    found = [row.accounting_error for row in core if row.accounting_error is not None]
    assert quantile(found, 0.5) <= 0.13


def test_weights(core: tuple[Row, ...]) -> None:
    """Weights that the configuration tells are met to a quarter of a percent at the median."""
    found = [row.weights_error for row in core if row.weights_error is not None]
    assert quantile(found, 0.5) <= 0.0025


def test_activation_peak(core: tuple[Row, ...]) -> None:
    """The activation peak that logs print is met to a few hundredths of a GiB."""
    found = [row.error("activation", "peak_activation_gib") for row in core]
    assert quantile([error for error in found if error is not None], 0.5) <= 0.06


def test_tokens(core: tuple[Row, ...]) -> None:
    """The capacity in tokens is off by a few percent at the median."""
    assert quantile([row.tokens_error for row in core if row.tokens_error is not None], 0.5) <= 0.025


def test_verdicts(core: tuple[Row, ...]) -> None:
    """Nearly every boot and refusal is foretold."""
    boots, refusals = verdicts([(row.case, row.verdict) for row in core])
    assert sum(boots) + sum(refusals) >= 0.96 * (len(boots) + len(refusals))
    assert balanced(boots, refusals) >= 0.95


def test_figures_of_refusals(core: tuple[Row, ...]) -> None:
    """What vLLM prints when it refuses a length is foretold: two boots to the rounding of the figures they print."""
    found = {
        row.case.id: (row.said, row.case.measured) for row in core if "error_estimated_max_len" in row.case.measured
    }
    for boot in ("gh-52073719645-a", "gh-15382296188-a"):
        said, printed = found[boot]
        assert said.needed == pytest.approx(printed["error_needed_kv_gib"], abs=0.006)
        assert said.longest == pytest.approx(printed["error_estimated_max_len"], rel=0.001)


def test_no_wrong_answer(core: tuple[Row, ...]) -> None:
    """Where every setting is followed, every verdict is right; so no refusal is called a sure fit."""
    assert all(row.verdict for row in core if row.answered and row.verdict is not None)


def test_bands_hold_what_was_measured(core: tuple[Row, ...]) -> None:
    """The interval given for the KV cache holds the measured one in most boots, excerpts of logs included."""
    covered = [row.covered for row in core if row.covered is not None]
    assert sum(covered) >= 0.77 * len(covered)
    assert median([row.width for row in core if row.width is not None]) <= 0.052


def test_constants_name_boots_of_the_corpus() -> None:
    """Whoever asks where a constant comes from finds its boots, shared memory and early releases included."""
    directory = data_directory()
    if directory is None:
        pytest.skip("the boot logs are not beside the checkout (set VRAM_LSP_SHARED)")
    there = {case.id for case in load(directory)}
    assert [(one.name, one.fitted_on) for one in constants().values() if not there.issuperset(one.fitted_on)] == []


def test_constants_do_not_repeat_their_boots(core: tuple[Row, ...]) -> None:
    """With the constants of other models only, the median error stays below half a GiB; a fifth where all is told."""
    assert quantile(left_out(core, lambda case: case.model), 0.5) <= 0.47
    known = explained(core)
    assert quantile(left_out(known, lambda case: case.model), 0.5) <= 0.2
    assert quantile(left_out(known, lambda case: case.gpu_name or "-"), 0.5) <= 0.2


def test_plot(core: tuple[Row, ...]) -> None:
    """The scatter is an SVG with a dot for every boot that has a measured KV cache."""
    picture = ElementTree.fromstring(scatter(core))
    circles = picture.findall("./{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(errors(core))

"""The corpus as a ratchet: what the engine reaches on real boots must not get worse."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.corpus.cases import data_directory, load
from tests.corpus.score import Row, quantile, rows


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
    """The median error of the KV cache stays within its band."""
    assert quantile(errors(core), 0.5) <= 0.45


def test_kv_cache_of_dense_models_on_one_gpu(core: tuple[Row, ...]) -> None:
    """Dense models on one GPU are sized to a fifth of a GiB."""
    group = [row for row in core if row.case.kind == "dense" and row.case.args.tensor_parallel_size == 1]
    assert quantile(errors(group), 0.5) <= 0.20


def test_accounting_beside_the_weights(core: tuple[Row, ...]) -> None:
    """Given the weights of the log, the rest of the budget is off by little at the median."""
    found = [row.accounting_error for row in core if row.accounting_error is not None]
    assert quantile(found, 0.5) <= 0.25


def test_activation_peak(core: tuple[Row, ...]) -> None:
    """The activation peak that logs print is met to a few hundredths of a GiB."""
    found = [row.error("activation", "peak_activation_gib") for row in core]
    assert quantile([error for error in found if error is not None], 0.5) <= 0.06


def test_tokens(core: tuple[Row, ...]) -> None:
    """The capacity in tokens is off by a few percent at the median."""
    assert quantile([row.tokens_error for row in core if row.tokens_error is not None], 0.5) <= 0.035


def test_verdicts(core: tuple[Row, ...]) -> None:
    """Nearly every boot and refusal is foretold."""
    verdicts = [row.verdict for row in core if row.verdict is not None]
    assert sum(verdicts) >= 0.94 * len(verdicts)


def test_bands_hold_what_was_measured(core: tuple[Row, ...]) -> None:
    """The interval given for the KV cache holds the measured one in most boots, excerpts of logs included."""
    covered = [row.covered for row in core if row.covered is not None]
    assert sum(covered) >= 0.60 * len(covered)

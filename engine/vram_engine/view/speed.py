"""The estimated speed of a plan as one line; never called a benchmark, because it is none."""

from __future__ import annotations

from vram_engine.performance import Performance, Range
from vram_engine.plan import Plan


def speed_words(plan: Plan) -> str:
    """Ranges of decoding, prefill and the first token; empty where there are none."""
    said = plan.performance
    if not isinstance(said, Performance):
        return ""
    return (
        f"Estimated speed (a roofline, not a benchmark): {_span(said.decode_per_request)} tokens/s per request, "
        f"{_span(said.decode_total)} in total, prefill {_span(said.prefill)} tokens/s, "
        f"first token after {_span(said.first_token_ms)} ms"
    )


def _span(figure: Range) -> str:
    return f"{_rounded(figure.low)} to {_rounded(figure.high)}"


def _rounded(value: float) -> str:
    """Two digits that mean something, as people read them."""
    return f"{float(f'{value:.2g}'):,g}"

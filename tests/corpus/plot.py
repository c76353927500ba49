"""The scatter of predicted against measured KV caches as a small SVG that reads on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tests.corpus.score import Row

SIZE, MARGIN = 560, 56
# GiB at the ends of both axes, which are logarithmic.
LEAST, MOST = 0.25, 256.0
TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)
COLOURS = {
    "dense": "#3b82f6",
    "moe": "#f59e0b",
    "hybrid": "#10b981",
    "swa": "#a855f7",
    "mla": "#ef4444",
    "vlm": "#0ea5b7",
}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.grid{stroke:#8b949e;stroke-opacity:.25}"
    ".even{stroke:#8b949e}.band{stroke-opacity:.45;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#b1bac4}}"
)


def scatter(rows: Sequence[Row]) -> str:
    """The SVG: a dot a boot with its band, on logarithmic axes; boots outside the axes lie on their rim."""
    drawn = [row for row in rows if row.kv_error is not None]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img">',
        f"<title>KV cache of {len(drawn)} real boots, predicted against measured, in GiB per GPU</title>",
        f"<style>{STYLE}</style>",
        *_axes(),
        *(_dot(row) for row in sorted(drawn, key=lambda row: row.case.id)),
        *_legend({row.case.kind for row in drawn}),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _at(gib: float) -> float:
    """Distance along an axis."""
    share = math.log(min(max(gib, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return round(share * (SIZE - 2 * MARGIN), 1)


def _x(gib: float) -> float:
    return MARGIN + _at(gib)


def _y(gib: float) -> float:
    return SIZE - MARGIN - _at(gib)


def _axes() -> list[str]:
    low, high = MARGIN, SIZE - MARGIN
    lines = []
    for tick in TICKS:
        x, y = _x(tick), _y(tick)
        lines.append(f'<path class="grid" d="M{x} {low}V{high}M{low} {y}H{high}"/>')
        lines.append(f'<text x="{x}" y="{high + 18}" text-anchor="middle">{tick:g}</text>')
        lines.append(f'<text x="{low - 8}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    middle = SIZE // 2
    return [
        *lines,
        f'<path class="even" d="M{low} {high}L{high} {low}"/>',
        f'<text x="{middle}" y="{SIZE - 12}" text-anchor="middle">measured KV cache, GiB per GPU</text>',
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">predicted, with its band</text>',
    ]


def _dot(row: Row) -> str:
    said, truth = row.said, row.case.measured["available_kv_gib"]
    assert said.kv is not None
    assert said.kv_low is not None
    assert said.kv_high is not None
    colour, x = COLOURS[row.case.kind], _x(truth)
    label = escape(f"{row.case.model} on {row.case.gpu_name}: {truth:.2f} measured, {said.kv:.2f} predicted")
    return (
        f'<g stroke="{colour}" fill="{colour}"><title>{label}</title>'
        f'<path class="band" d="M{x} {_y(said.kv_low)}V{_y(said.kv_high)}"/>'
        f'<circle cx="{x}" cy="{_y(said.kv)}" r="3.5" stroke="none"/></g>'
    )


def _legend(kinds: set[str]) -> list[str]:
    shown = [kind for kind in COLOURS if kind in kinds]
    return [
        f'<circle cx="{MARGIN + 14}" cy="{MARGIN + 14 + 18 * place}" r="4" fill="{COLOURS[kind]}"/>'
        f'<text x="{MARGIN + 24}" y="{MARGIN + 18 + 18 * place}">{kind}</text>'
        for place, kind in enumerate(shown)
    ]

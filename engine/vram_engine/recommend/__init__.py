"""What would fit instead: the smallest changes while typing, and a search over whole configurations when asked."""

from __future__ import annotations

from vram_engine.recommend.remedies import FP8_CAPABILITY, Failing, Recommendation, recommendations

__all__ = ["FP8_CAPABILITY", "Failing", "Recommendation", "recommendations"]

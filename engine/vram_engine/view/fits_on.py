"""Which GPUs of the catalogue a deployment fits, for when nothing says which GPU it runs on."""

from __future__ import annotations

from vram_engine.estimate import Estimate, estimate
from vram_engine.feasibility import fits
from vram_engine.hardware import Gpu, Node
from vram_engine.model.reference import FoundModel
from vram_engine.plan import Plan
from vram_engine.recommend.gpus import candidates
from vram_engine.resolution import workload


def fits_on(plan: Plan) -> tuple[Gpu, ...]:
    """The GPUs the deployment fits as it is written, smallest memory first; empty when the model is not known."""
    if not isinstance(plan.model, FoundModel) or plan.unmodelled:
        return ()
    return tuple(gpu for gpu in candidates() if _fits(plan, plan.model, gpu))


def _fits(plan: Plan, model: FoundModel, gpu: Gpu) -> bool:
    sized = estimate(plan.deployment, model.spec, Node(gpu, None))
    if not isinstance(sized, Estimate):
        return False
    return fits(sized.budget, sized.demand, workload(plan.deployment))

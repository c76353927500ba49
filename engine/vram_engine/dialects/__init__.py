"""The dialects: which YAML documents launch vLLM, and what they say."""

from __future__ import annotations

from vram_engine.dialects.aibrix import AIBRIX
from vram_engine.dialects.aim_profile import AIM_PROFILE
from vram_engine.dialects.base import Dialect
from vram_engine.dialects.compose import COMPOSE
from vram_engine.dialects.dstack import DSTACK
from vram_engine.dialects.dynamo import DYNAMO
from vram_engine.dialects.kaito import KAITO
from vram_engine.dialects.kserve import KSERVE
from vram_engine.dialects.kubeai import KUBEAI
from vram_engine.dialects.kubernetes import KUBERNETES
from vram_engine.dialects.launch import may_launch
from vram_engine.dialects.llama_swap import LLAMA_SWAP
from vram_engine.dialects.llm_d import LLM_D
from vram_engine.dialects.localai import LOCALAI
from vram_engine.dialects.nemo_evaluator import NEMO_EVALUATOR
from vram_engine.dialects.production_stack import PRODUCTION_STACK
from vram_engine.dialects.profile import PROFILE
from vram_engine.dialects.ray_serve import RAY_SERVE
from vram_engine.dialects.serve_config import SERVE_CONFIG
from vram_engine.dialects.skypilot import SKYPILOT
from vram_engine.dialects.spark_recipe import SPARK_RECIPE
from vram_engine.dialects.templates import is_template
from vram_engine.dialects.truss import TRUSS
from vram_engine.syntax.nodes import Tree

# Told by their keys alone: cheap, and asked of every document.
FLAT: tuple[Dialect, ...] = (PROFILE, SERVE_CONFIG)
# Kubernetes comes behind the kinds that say more than their containers do.
DIALECTS: tuple[Dialect, ...] = (
    COMPOSE,
    PRODUCTION_STACK,
    KSERVE,
    LLM_D,
    RAY_SERVE,
    DYNAMO,
    KUBEAI,
    KAITO,
    AIBRIX,
    KUBERNETES,
    SKYPILOT,
    DSTACK,
    TRUSS,
    SPARK_RECIPE,
    LLAMA_SWAP,
    LOCALAI,
    NEMO_EVALUATOR,
    AIM_PROFILE,
    *FLAT,
)


def recognise(tree: Tree, number: int, *, known_as: str | None, ours: bool) -> Dialect | None:
    """The dialect of document ``number``.

    ``known_as`` is what it was before the last edit, and ``ours`` says that it carries a directive: both make a
    half-typed document keep its dialect where it could still be one.
    """
    document = tree.documents[number]
    candidates = DIALECTS if may_launch(tree.text, document.span) and not is_template(tree.text, document) else FLAT
    for dialect in candidates:
        if dialect.claims(tree, number):
            return dialect
    before = [dialect for dialect in DIALECTS if dialect.name == known_as]
    return next((dialect for dialect in (*before, *(DIALECTS if ours else ())) if dialect.suits(document)), None)

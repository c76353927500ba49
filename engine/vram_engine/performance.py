"""How fast a deployment may answer: ranges from a roofline of one engine step. Not a benchmark.

A step takes as long as the slower of its memory traffic and its arithmetic, plus what two all-reduces a layer take,
plus a nearly fixed time for kernels that wait for each other. Every figure that no model or data sheet gives has a slow
and a fast end (``facts/data/performance.toml``). Ranges are centred on what is expected; their ends are apart as
independent causes make them: memory, waiting, arithmetic and links.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from vram_engine.deployment import Deployment
from vram_engine.estimate import Estimate
from vram_engine.facts.performance import EXPECTED, FASTER, SLOWER, Pace, figure
from vram_engine.hardware import Gpu, Node
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.resolution import engine_args, workload
from vram_engine.sizing.batch import batch
from vram_engine.sizing.collectives import LINK_WORDS, PER_LAYER, Collective, Link, collective, link_between
from vram_engine.sizing.demand import KvDemand
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import model_runner
from vram_engine.sizing.kv_cache import KvLayout
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.step import Arithmetic, Step, kv_bytes, step

# What is assumed of requests where nothing says how long they are.
PROMPT_TOKENS = 1024
GENERATED_TOKENS = 256
ACTIVATION_BYTES = 2
_VENDORS = ("nvidia", "amd")
# Settings that change what a step does in ways the roofline does not follow.
_OUTSIDE = ("speculative-config", "cpu-offload-gb", "cpu-offload-params", "enable-dbo", "prefill-context-parallel-size")
_WEIGHT_ONLY = {
    9: "weight_only_share_hopper",
    10: "weight_only_share_blackwell",
    11: "weight_only_share_blackwell",
    12: "weight_only_share_blackwell_consumer",
}


@dataclass(frozen=True, slots=True)
class Range:
    """A figure that may turn out anywhere between ``low`` and ``high``; ``expected`` is the best single guess."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class Performance:
    """Ranges in steady state: tokens per second, and milliseconds to the first token. ``assumptions`` are sentences."""

    decode_per_request: Range
    decode_total: Range
    prefill: Range
    first_token_ms: Range
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Requests an engine runs at once, of ``prompt`` and ``generated`` tokens; ``replicas`` engines share the rest."""

    running: int
    prompt: int
    generated: int
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine replica: what its steps do, on what, and the most tokens and requests a step holds."""

    args: EngineArgs
    gpu: Gpu
    link: Link
    step: Step
    layout: KvLayout
    hidden_size: int
    most_tokens: int
    most_requests: int
    early: bool


def performance(deployment: Deployment, spec: ModelSpec, node: Node, sized: Estimate) -> Performance | Unavailable:
    """Ranges for a deployment that has been sized; ``Unavailable`` where something they rest on is not known."""
    engine = _engine(deployment, spec, node, sized)
    if isinstance(engine, Unavailable):
        return engine
    load = load_of(deployment, sized, engine)
    if load.running < 1:
        return Unavailable("no request fits the KV cache")
    expected = _point(engine, load, EXPECTED)
    ends = (
        tuple(_point(engine, load, pace) for pace in SLOWER),
        tuple(_point(engine, load, pace) for pace in FASTER),
    )
    return Performance(
        decode_per_request=_range(expected, ends, lambda point: point.per_request),
        decode_total=_range(expected, ends, lambda point: point.total),
        prefill=_range(expected, ends, lambda point: point.prefill),
        first_token_ms=_first_token(expected, ends),
        assumptions=tuple(_assumptions(deployment, engine, load)),
    )


def _engine(deployment: Deployment, spec: ModelSpec, node: Node, sized: Estimate) -> Engine | Unavailable:
    args, gpu = engine_args(deployment), node.gpu
    reason = _unknown(deployment, spec, gpu)
    if reason:
        return Unavailable(reason)
    if sized.layout is None:
        return Unavailable("the rule of thumb has no layers to follow")
    work = step(spec, args, gpu)
    if isinstance(work, Refusal):
        return Unavailable(work.message)
    if isinstance(work, Unavailable):
        return work
    limits = batch(args, gpu, sized.budget.max_model_len, spec)
    return Engine(
        args=args,
        gpu=gpu,
        link=link_between(gpu, stated=deployment.text("interconnect"), machines=_machines(deployment, node, args)),
        step=work,
        layout=sized.layout,
        hidden_size=spec.hidden_size,
        most_tokens=limits.max_num_batched_tokens,
        most_requests=limits.max_num_seqs,
        early=model_runner(spec, args, gpu.capability) == "V0",
    )


def _unknown(deployment: Deployment, spec: ModelSpec, gpu: Gpu) -> str:
    """What is missing for a roofline; empty when nothing is."""
    if gpu.bandwidth_gbs is None or gpu.tflops_16bit is None:
        return f"the bandwidth or arithmetic rate of {gpu.name} is not known"
    if gpu.vendor not in _VENDORS:
        return f"no measurement stands behind a roofline of {gpu.name}"
    if spec.runner != "generate":
        return "the model generates no tokens"
    if spec.shapes_guessed:
        return "the shapes of the model are assumed"
    outside = [name for name in _OUTSIDE if deployment.value(name) not in (None, False, 0, 1, "")]
    return f"{outside[0]} is not followed" if outside else ""


def _machines(deployment: Deployment, node: Node, args: EngineArgs) -> int:
    """Machines that one tensor-parallel group spans; each has an equal part of the GPUs."""
    machines = max(deployment.integer("nodes") or 1, 1)
    each = (node.count or machines) // machines
    return machines if args.tensor_parallel_size > max(each, 1) else 1


def load_of(deployment: Deployment, sized: Estimate, engine: Engine) -> Load:
    """The requests at work at once: those asked for, as far as batch limit and KV cache hold them.

    Where nothing says how long prompts are, a short length is split as the usual prompt and answer are.
    """
    args, length = engine.args, sized.budget.max_model_len
    usual = min(PROMPT_TOKENS, length * PROMPT_TOKENS // (PROMPT_TOKENS + GENERATED_TOKENS))
    prompt = min(_tokens(deployment, "prompt-tokens", usual), max(length - 1, 1))
    generated = min(_tokens(deployment, "gen-tokens", GENERATED_TOKENS), max(length - prompt, 1))
    asked = -(-max(workload(deployment).concurrency, 1) // args.data_parallel_size)
    held = _held(sized.demand, sized.budget.available.expected, prompt + generated // 2)
    return Load(min(asked, engine.most_requests, held), prompt, generated, args.data_parallel_size)


def _tokens(deployment: Deployment, name: str, assumed: int) -> int:
    said = deployment.integer(name)
    return said if said is not None and said > 0 else assumed


def _held(demand: KvDemand, available: int, tokens: int) -> int:
    return int(demand.max_concurrency(available, tokens))


@dataclass(frozen=True, slots=True)
class _Point:
    """The figures at one pace; ``together_ms`` is the mean wait for a first token when all requests arrive at once."""

    per_request: float
    total: float
    prefill: float
    alone_ms: float
    together_ms: float


# Points with one cause slower each, and with one cause faster each.
_Ends: TypeAlias = tuple[tuple[_Point, ...], tuple[_Point, ...]]


def _point(engine: Engine, load: Load, pace: Pace) -> _Point:
    token_ms = _token_ms(engine, load, pace)
    prefill_ms = _prefill_ms(engine, load, pace)
    first_ms = prefill_ms + figure("first_token_ms", pace)
    whole_ms = first_ms + (load.generated - 1) * token_ms
    return _Point(
        per_request=1e3 / token_ms,
        total=load.replicas * load.running * load.generated * 1e3 / whole_ms,
        prefill=1e3 * load.prompt / prefill_ms,
        alone_ms=first_ms,
        together_ms=first_ms + prefill_ms * (load.running - 1) / 2,
    )


def _token_ms(engine: Engine, load: Load, pace: Pace) -> float:
    """Mean time between two tokens of a request, the prefills of the requests beside it included.

    A pipeline's stages work on as many parts of the batch at once; a token passes through all of them.
    """
    part = load.running / engine.args.pipeline_parallel_size
    context = load.prompt + load.generated / 2
    decoding = _Batch(max(part, 1.0), context)
    alone = _step_ms(engine, decoding, pace)
    prompts = max(part - 1, 0.0) / load.generated
    if prompts == 0:
        return alone
    chunk = min(load.prompt * max(1.0, prompts), _chunk(engine, part))
    share = prompts * load.prompt / chunk
    mixed = _step_ms(engine, replace(decoding, prefilled=chunk, prompt=load.prompt), pace)
    return share * mixed + (1 - share) * alone if share < 1 else share * mixed


def _prefill_ms(engine: Engine, load: Load, pace: Pace) -> float:
    """Time of the steps that one prompt takes while the other requests decode."""
    decoding = max(load.running / engine.args.pipeline_parallel_size - 1, 0.0)
    chunk = _chunk(engine, decoding)
    whole, rest = divmod(load.prompt, chunk)
    steps = [(chunk, whole), (rest, 1.0)]
    context = load.prompt + load.generated / 2
    return sum(
        times * _step_ms(engine, _Batch(decoding, context, tokens, load.prompt), pace)
        for tokens, times in steps
        if times and tokens
    )


def _chunk(engine: Engine, decoding: float) -> float:
    """Prompt tokens that fit a step beside the decoding requests."""
    return max(engine.most_tokens - decoding, 1.0)


@dataclass(frozen=True, slots=True)
class _Batch:
    """One step: requests that decode a token at a mean context, and tokens of a prompt that are prefilled."""

    decoding: float
    context: float
    prefilled: float = 0.0
    prompt: int = 0

    @property
    def tokens(self) -> float:
        """Tokens that pass through the layers."""
        return self.decoding + self.prefilled


def _step_ms(engine: Engine, batch: _Batch, pace: Pace) -> float:
    work = max(_memory_ms(engine, batch, pace), _arithmetic_ms(engine, batch, pace)) + _communication_ms(
        engine, batch, pace
    )
    fixed = _fixed_ms(engine, batch, pace)
    if not engine.args.enforce_eager:
        return work + fixed
    host = figure("early_step_us" if engine.early else "step_us", pace)
    layers = engine.step.layers * figure("eager_layer_us", pace)
    experts = engine.step.expert_layers * figure("eager_experts_us", pace)
    return max(work + fixed, (host + layers + experts) / 1e3)


def _memory_ms(engine: Engine, batch: _Batch, pace: Pace) -> float:
    routed = engine.step.routed
    experts = routed.touched(batch.tokens, figure("routing_skew", pace)) if routed is not None else 0.0
    size = engine.step.weights_bytes + experts + batch.decoding * kv_bytes(engine.layout, batch.context)
    bandwidth = (engine.gpu.bandwidth_gbs or 0.0) * figure("memory_bandwidth_share", pace)
    return size / bandwidth / 1e6


def _arithmetic_ms(engine: Engine, batch: _Batch, pace: Pace) -> float:
    """Time of all products. ``head`` is done for sampled tokens only; a prompt attends to half of itself on average."""
    work, share = engine.step, figure("dense_share", pace)
    plain = _rate(engine.gpu, "16-bit", pace) * share
    head = work.head_product * (batch.decoding + (1 if batch.prefilled else 0)) / plain
    attention = batch.prefilled * work.attention(batch.prompt / 2) / plain
    layers = batch.tokens * _per_token(work.products, engine.gpu, share, pace)
    experts = batch.tokens * _per_token(work.expert_products, engine.gpu, share * figure("experts_share", pace), pace)
    return (head + attention + layers + experts) / 1e9


def _per_token(products: Mapping[Arithmetic, float], gpu: Gpu, share: float, pace: Pace) -> float:
    return sum(operations / (_rate(gpu, arithmetic, pace) * share) for arithmetic, operations in products.items())


def _rate(gpu: Gpu, arithmetic: Arithmetic, pace: Pace) -> float:
    """TFLOP/s of a kind of product before the share that real steps reach."""
    if arithmetic == "8-bit":
        return (gpu.tflops_fp8 or 0.0) * figure("eight_bit_share", pace)
    if arithmetic == "4-bit":
        return (gpu.tflops_fp4 or 0.0) * figure("four_bit_share", pace)
    plain = gpu.tflops_16bit or 0.0
    if arithmetic == "16-bit":
        return plain
    major = gpu.capability[0] if gpu.capability is not None else 0
    return plain * figure(_WEIGHT_ONLY.get(major, "weight_only_share"), pace)


def _communication_ms(engine: Engine, batch: _Batch, pace: Pace) -> float:
    group: Collective = collective(engine.gpu, engine.link, engine.args.tensor_parallel_size, pace)
    size = batch.tokens * engine.hidden_size * ACTIVATION_BYTES
    return PER_LAYER * engine.step.layers * group.milliseconds(size)


def _fixed_ms(engine: Engine, batch: _Batch, pace: Pace) -> float:
    """Kernels waiting for each other, and the host between steps; whatever is read or computed."""
    work = engine.step
    special = work.expert_layers * figure("experts_us", pace) + work.latent_layers * figure("latent_us", pace)
    if engine.early:
        special *= figure("early_experts", pace)
    layers = work.layers * figure("layer_us", pace) + work.state_layers * figure("state_us", pace)
    prefix = "early_" if engine.early else ""
    host = figure(f"{prefix}step_us", pace) + batch.decoding * figure(f"{prefix}request_us", pace)
    return (layers + special + host) / 1e3


def _range(expected: _Point, ends: _Ends, of: Callable[[_Point], float]) -> Range:
    """A range around what is expected whose ends have the ratio that independent causes give together."""
    middle = of(expected)
    half = middle * math.tanh(_apart(expected, ends, of))
    return Range(middle - half, middle, middle + half)


def _apart(expected: _Point, ends: _Ends, of: Callable[[_Point], float]) -> float:
    """Half the logarithm of the ratio between the ends."""
    middle = of(expected)
    return sum(math.hypot(*(math.log(of(point) / middle) for point in end)) for end in ends) / 2


def _first_token(expected: _Point, ends: _Ends) -> Range:
    """From a prompt that meets no other to the mean of prompts that all arrive at once."""
    alone = _range(expected, ends, lambda point: point.alone_ms)
    together = expected.together_ms * math.exp(_apart(expected, ends, lambda point: point.together_ms))
    return Range(alone.low, alone.expected, together)


def _assumptions(deployment: Deployment, engine: Engine, load: Load) -> list[str]:
    said = [
        "a roofline of published rates and the steps of vLLM, not a benchmark",
        f"requests at once: {load.running:,}, each {load.prompt:,} tokens in and {load.generated:,} out, "
        "none of them found in the prefix cache",
        "decoding shares its steps with the prefills of the other requests",
    ]
    asked = -(-workload(deployment).concurrency // load.replicas)
    if asked > load.running:
        said.append(f"{asked - load.running:,} more requests wait for KV cache or a slot; their waiting is not counted")
    if load.replicas > 1:
        said.append(f"requests are spread evenly over {load.replicas} data-parallel replicas")
    if engine.args.tensor_parallel_size > 1:
        said.append(f"{engine.args.tensor_parallel_size} ranks add up over {LINK_WORDS[engine.link]}")
    if deployment.peers:
        said.append("no other engine is at work on the GPU")
    return said

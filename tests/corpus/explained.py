"""What the corpus cannot tell: why a boot is off, and the argument that its excerpt hides where one explains it.

Arguments were found by hand from other lines of the same log, never from the KV cache that is scored; the report
shows what the engine says with them beside what it says without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from vram_engine.facts.versions import Version


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a boot is off. ``arguments`` are those that the excerpt hides, by the names of EngineArgs."""

    reason: str
    arguments: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


EXPLANATIONS: Mapping[str, Explanation] = MappingProxyType(
    {
        "gie-pr-550": Explanation(
            "2,048 requests at once: their sampler is the activation of 2.38 GiB that the log prints",
            {"max_num_seqs": 2048},
        ),
        "mellea-pr-416": Explanation(
            "few requests at once: the log prints 0.23 GiB of activation, 256 requests would take 1.4",
            {"max_num_seqs": 32},
        ),
        "vllm-issue-11251-b": Explanation(
            "chunked prefill off: a step of 40,000 tokens is the activation of 2.53 GiB that the log prints",
            {"enable_chunked_prefill": False},
        ),
        "gh-69421856836-a": Explanation(
            "a step of 32,768 tokens is the activation of 1.06 GiB that the log prints",
            {"max_num_batched_tokens": 32768},
        ),
        "gh-62467978649-a": Explanation(
            "started from Python, where a step has 8,192 tokens by default",
            {"max_num_batched_tokens": 8192},
        ),
        "gh-63390294774-b": Explanation(
            "the log names model runner V1, which this release takes for such a model only when told to, and videos",
            {"vllm_version": Version(0, 24, 0)},
        ),
        "club3090-127": Explanation(
            "few requests at once: the log prints a graph estimate of 0.17 GiB", {"max_num_seqs": 2}
        ),
        "club3090-104-b": Explanation(
            "few requests at once: the log prints a graph estimate of 0.13 GiB; and a draft", {"max_num_seqs": 2}
        ),
        "vllm-issue-16570-c": Explanation(
            "a short length: the log prints 2.51 GiB of activation, a step of 128,000 tokens would take 15",
            {"max_model_len": 4096},
        ),
        "gh-61933690157-a": Explanation(
            "images of at most 2,700 tokens, as its checkpoint's processor makes them; 16,384 would take 3.4 GiB",
            {"mm_processor_kwargs": (("max_pixels", 2700 * 28 * 28),)},
        ),
        "vllm-pr-12569": Explanation("the V1 engine before it was the default, which is not followed"),
        "vllm-pr-10511-a": Explanation("a build from before the accounting it prints was released"),
        "vllm-pr-10511-b": Explanation("a build from before the accounting it prints was released"),
        "gh-59920075651-a": Explanation("another program gave 0.5 GiB back meanwhile: non-torch memory is -0.51 GiB"),
        "gh-60168338778-e": Explanation("a later launch, with everything compiled before: inside the band"),
        "gh-69057007511-a": Explanation("1 GiB more than modelled, as in its sister; not explained"),
        "gh-69057007511-b": Explanation("1 GiB more than modelled, as in its sister; not explained"),
        "vllm-issue-21348": Explanation("a KV connector, which is not followed"),
        "vllm-issue-15529": Explanation("where it ran out of memory is inferred from a picture of the log"),
        "vllm-pr-12126": Explanation("cross attention to images (mllama) is not derived"),
        "gh-66441966339-a": Explanation("12 GiB of the weights are in CPU memory, and a draft"),
        "club3090-37-a": Explanation("a DFlash draft: its weights, its KV cache and its graphs"),
        "gh-56819795714-a": Explanation("a draft of two tokens by multi-token prediction"),
        "gh-63390294774-a": Explanation("a DSpark draft, which makes vLLM take model runner V2"),
        "vllm-pr-51590-rtxpro4500": Explanation("eight ranks over PCIe: graphs were not seen by the estimate at all"),
    }
)

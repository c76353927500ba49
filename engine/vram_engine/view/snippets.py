"""Files to begin with: a whole deployment with places to fill in, offered where a document holds nothing yet.

A compose service is also offered below ``services:``. Places are written ``${1:default}`` as in LSP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vram_engine.analysis import Analysis
from vram_engine.facts.versions import NEWEST
from vram_engine.text import Span

_IMAGE = f"vllm/vllm-openai:v{NEWEST}"
_MODEL = "meta-llama/Llama-3.1-8B-Instruct"
_GPU = "h100-sxm-80"

_CONFIG = f"""\
# vram: gpu=${{1:{_GPU}}} gpus=${{2:1}} vllm={NEWEST}
model: ${{3:{_MODEL}}}
max-model-len: ${{4:8192}}
tensor-parallel-size: ${{5:1}}
$0"""
_PROFILE = f"""\
profile_version: 1
model:
  id: ${{1:{_MODEL}}}
  max_model_len: ${{2:8192}}
hardware:
  gpu_name: ${{3:{_GPU}}}
  gpus: ${{4:1}}
workload:
  prompt_tokens: ${{5:2000}}
  gen_tokens: ${{6:500}}
  concurrency: ${{7:8}}
$0"""
_SERVICE = f"""\
${{1:vllm}}:
  # vram: gpu=${{2:{_GPU}}}
  image: {_IMAGE}
  command: ["--model", "${{3:{_MODEL}}}", "--max-model-len", "${{4:8192}}"]
  ports: ["8000:8000"]
  ipc: host
  deploy:
    resources:
      reservations:
        devices:
          - driver: nvidia
            count: ${{5:1}}
            capabilities: [gpu]
$0"""
_KUBERNETES = f"""\
# vram: gpu=${{1:{_GPU}}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${{2:vllm}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app: ${{2:vllm}}}}
  template:
    metadata:
      labels: {{app: ${{2:vllm}}}}
    spec:
      containers:
        - name: vllm
          image: {_IMAGE}
          args:
            - --model=${{3:{_MODEL}}}
            - --max-model-len=${{4:8192}}
            - --tensor-parallel-size=${{5:1}}
          resources:
            limits:
              nvidia.com/gpu: ${{5:1}}
          volumeMounts:
            - {{name: shm, mountPath: /dev/shm}}
      volumes:
        - name: shm
          emptyDir: {{medium: Memory, sizeLimit: 16Gi}}
$0"""
_HELM = f"""\
# vram: gpu=${{1:{_GPU}}}
servingEngineSpec:
  modelSpec:
    - name: ${{2:llm}}
      repository: {_IMAGE.partition(":")[0]}
      tag: {_IMAGE.partition(":")[2]}
      modelURL: ${{3:{_MODEL}}}
      replicaCount: 1
      requestCPU: 8
      requestMemory: 32Gi
      requestGPU: ${{4:1}}
      vllmConfig:
        maxModelLen: ${{5:8192}}
        tensorParallelSize: ${{4:1}}
$0"""

_NOTHING_YET = re.compile(r"(?:[ \t]*(?:#[^\n]*|---)?\r?\n)*(?P<word>[\w-]*)[ \t\r\n]*")
_WORD = re.compile(r"(?P<indent> +)(?P<word>[\w-]*)\Z")
_SERVICES = re.compile(r"services[ \t]*:[ \t]*(?:#.*)?")
_BLANK = re.compile(r"[ \t]*(?:#.*)?")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A beginning: its name in the list, what it is, and the text for ``span`` with its places."""

    label: str
    detail: str
    span: Span
    text: str


def snippets(analysis: Analysis, offset: int) -> Iterator[Snippet]:
    """The beginnings that fit at ``offset``."""
    word = _word_of_an_empty_document(analysis, offset)
    if word is not None:
        for label, detail, text in _FILES:
            yield Snippet(label, detail, word, text)
        return
    found = _word_below_services(analysis, offset)
    if found is not None:
        word, indent = found
        yield Snippet("vllm-service", "a compose service with vLLM", word, _SERVICE.replace("\n", f"\n{indent}"))


_FILES = (
    ("vllm-config", "a file for vllm serve --config", _CONFIG),
    ("vllm-profile", "a profile: model, hardware, workload", _PROFILE),
    ("vllm-compose", "a compose file with vLLM", "services:\n  " + _SERVICE.replace("\n", "\n  ")),
    ("vllm-kubernetes", "a Kubernetes Deployment with vLLM", _KUBERNETES),
    ("vllm-helm", "Helm values of vLLM's production-stack", _HELM),
)


def _word_of_an_empty_document(analysis: Analysis, offset: int) -> Span | None:
    """The word at ``offset``, or the empty place, in a document with nothing else but comments."""
    for document in analysis.tree.documents:
        found = _NOTHING_YET.fullmatch(analysis.tree.text, document.span.start, document.span.end)
        if found is not None and found.start("word") <= offset <= found.end("word"):
            return Span(*found.span("word"))
    return None


def _word_below_services(analysis: Analysis, offset: int) -> tuple[Span, str] | None:
    """The first word of a line that is indented like a service, and the indentation."""
    lines, text = analysis.tree.lines, analysis.tree.text
    number = lines.line_of(offset)
    here = lines.line_span(number)
    found = _WORD.fullmatch(text, here.start, offset)
    if found is None or text[offset : here.end].strip():
        return None
    for above in range(number - 1, -1, -1):
        span = lines.line_span(above)
        line = text[span.start : span.end]
        if _SERVICES.fullmatch(line):
            return Span(*found.span("word")), found["indent"]
        indent = len(line) - len(line.lstrip(" "))
        if not _BLANK.fullmatch(line) and indent < len(found["indent"]):
            return None
        if not _BLANK.fullmatch(line) and _is_nearer(line, indent, found["indent"]):
            return None
    return None


def _is_nearer(line: str, indent: int, wanted: str) -> bool:
    """Whether a line is part of a list at the level of the services, which then are none."""
    return indent == len(wanted) and line.lstrip().startswith("-")

"""Models in containers: a mounted directory stands for the one it is mounted from."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context, analyse

COMPOSE = """\
services:
  vllm:
    image: vllm/vllm-openai:v0.32.0
    command: --model /models/llama --max-model-len 8192
    volumes: %s
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.32.0
      args: [--model, /models/llama, --max-model-len, "8192"]
      volumeMounts: [{name: models, mountPath: /models%s}]
  volumes: [%s]
"""
HOST = "{name: models, hostPath: {path: /srv/repo/models}}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (COMPOSE % "[./models:/models]", "./models/llama"),
        (COMPOSE % "[../m:/models/llama:ro]", "../m"),
        (COMPOSE % "[/srv/repo/m:/models]", "/srv/repo/m/llama"),
        (COMPOSE % "[models:/models]", "/models/llama"),
        (COMPOSE % "[/data:/models]", "/models/llama"),
        (COMPOSE % "[./models:/models, cache:/models/llama]", "/models/llama"),
        (COMPOSE % "[7, {}, [], null, ':', './a:']", "/models/llama"),
        (POD % ("", HOST), "/srv/repo/models/llama"),
        (POD % (", subPath: a", HOST), "/srv/repo/models/a/llama"),
        (POD % (", subPathExpr: $(A)", HOST), "/models/llama"),
        (POD % ("", "{name: models, persistentVolumeClaim: {claimName: c}}"), "/models/llama"),
        (POD % ("", HOST.replace("/srv/repo", "/mnt")), "/models/llama"),
    ],
)
def test_a_model_is_looked_up_where_it_is_mounted_from(text, name):
    """Bind mounts and the node's paths where they lead into the workspace; anything else stays what it is."""
    assert [each.name for each in analyse(text, Context(folders=("/srv/repo",))).wants] == [name]

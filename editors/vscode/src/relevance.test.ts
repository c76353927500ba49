import assert from "node:assert/strict";
import { test } from "node:test";
import { mayBeOurs } from "./relevance";

const OURS = [
  "image: vllm/vllm-openai:v0.32.0",
  "# vram: gpu=l4",
  "model: org/name",
  "kv-cache-dtype: fp8\nmax-num-batched-tokens: 8192",
  "inference:\n  preset:\n    name: x",
];

for (const text of OURS) {
  test(`starts the server for ${JSON.stringify(text)}`, () => assert.ok(mayBeOurs(text)));
}

test("unrelated YAML starts nothing", () => {
  assert.ok(!mayBeOurs("on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n"));
});

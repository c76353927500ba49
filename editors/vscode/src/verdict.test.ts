import assert from "node:assert/strict";
import { test } from "node:test";
import { type Deployment, type Verdict, statusLines, statusText } from "./verdict";

function deployment(verdict: Verdict, more: Partial<Deployment> = {}): Deployment {
  return {
    name: "a",
    verdict,
    model: { id: "org/model" },
    gpu: { name: "L4", count: 1 },
    memory: { headroom_bytes: 3 * 2 ** 30 },
    failure: null,
    ...more,
  };
}

test("a file without a deployment shows nothing", () => {
  assert.equal(statusText({ schema_version: 1, deployments: [] }), undefined);
});

test("one that fits says what is free", () => {
  assert.equal(statusText({ schema_version: 1, deployments: [deployment("fits")] }), "$(check) vLLM fits, 3.00 GiB free");
});

test("of several the worst is shown", () => {
  const deployments = [deployment("fits"), deployment("infeasible"), deployment("unknown")];
  assert.equal(statusText({ schema_version: 1, deployments }), "$(error) vLLM does not fit");
});

test("the tooltip names each model, its GPU and why it fails", () => {
  const failed = deployment("infeasible", { failure: { message: "too large" } });
  assert.deepEqual(statusLines({ schema_version: 1, deployments: [failed] }), [
    "org/model on L4: does not fit: too large",
  ]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { receiptText } from "./receiptText";

test("a receipt shows predicted and measured side by side, and what is not known as that", () => {
  const page = receiptText({
    log: "boot.log",
    model: "org/model",
    vllm_version: "0.32.0",
    gpu: "l4",
    outcome: "started",
    verdict: "fits",
    refusal: null,
    terms: [
      {
        name: "weights",
        predicted_bytes: 2 ** 30,
        interval_bytes: [2 ** 29, 2 ** 31],
        measured_bytes: 3 * 2 ** 29,
        difference_bytes: -(2 ** 29),
      },
    ],
    kv_cache: { capacity_tokens: { predicted: 1234, measured: null } },
    notes: ["a note"],
  });
  assert.ok(page.includes("| weights | 1.00 | 0.50 to 2.00 | 1.50 | -0.50 |"));
  assert.ok(page.includes("- capacity tokens: predicted 1,234, measured not known"));
  assert.ok(page.includes("org/model, l4, vLLM 0.32.0: the log says started, predicted fits."));
  assert.ok(page.includes("- a note"));
});

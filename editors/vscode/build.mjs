// Bundles the extension into dist/, and with --tests its unit tests into dist/test/.
import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

const common = { bundle: true, platform: "node", format: "cjs", target: "node20", external: ["vscode"] };

rmSync("dist", { recursive: true, force: true });
await build({ ...common, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", minify: true });
if (existsSync("../../vram_lsp/planview")) {
  cpSync("../../vram_lsp/planview", "dist/planview", { recursive: true });
}
if (process.argv.includes("--tests")) {
  const entryPoints = readdirSync("src").filter((name) => name.endsWith(".test.ts")).map((name) => `src/${name}`);
  await build({ ...common, entryPoints, outdir: "dist/test" });
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { asTyped, steps } from "./installation";
import { candidates } from "./serverCommand";

const WHEEL = "/e/vram lsp.whl";

for (const tool of ["uv", "pipx", "pip"] as const) {
  test(`${tool} installs the wheel where the server is looked for`, () => {
    const done = steps({ tool, program: `/bin/${tool}` }, WHEEL, "/s", false);
    const said = done.map((step) => [asTyped(step), ...Object.values(step.env)].join(" ")).join("\n");
    assert.ok(said.includes('"/e/vram lsp.whl"'));
    assert.ok(said.includes("/s/server"));
    const own = candidates({ setting: "", environments: [], searchPath: [], storage: "/s", isWindows: false })[0];
    assert.equal(own?.file, "/s/server/bin/vram-lsp");
  });
}

test("pipx is told to put its scripts where the server is looked for", () => {
  const [only] = steps({ tool: "pipx", program: "pipx" }, WHEEL, "/s", false);
  assert.equal(only?.env["PIPX_BIN_DIR"], "/s/server/bin");
});

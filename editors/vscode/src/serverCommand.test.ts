import assert from "node:assert/strict";
import { test } from "node:test";
import { candidates, findServer } from "./serverCommand";

const PLACES = {
  setting: "",
  environments: ["/w/.venv"],
  searchPath: ["/usr/bin"],
  storage: "/s",
  isWindows: false,
};

test("the environment comes before the search path, our own installation last", () => {
  const files = candidates(PLACES).map((each) => each.file);
  assert.deepEqual(files, ["/w/.venv/bin/vram-lsp", "/usr/bin/vram-lsp", "/s/server/bin/vram-lsp"]);
});

test("a setting is the only candidate, even when it names nothing", () => {
  assert.equal(findServer({ ...PLACES, setting: "/x" }, (file) => file !== "/x"), undefined);
  assert.deepEqual(findServer({ ...PLACES, setting: "/x" }, () => true), { file: "/x", origin: "setting" });
});

test("the first that exists is taken", () => {
  assert.equal(findServer(PLACES, (file) => file.startsWith("/usr"))?.origin, "search path");
});

test("without any there is none", () => {
  assert.equal(findServer(PLACES, () => false), undefined);
});

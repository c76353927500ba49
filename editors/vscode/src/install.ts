// Offers to install the server into the extension's own folder, and does it when asked to.

import { spawn } from "node:child_process";
import * as vscode from "vscode";
import { type Found, type Step, type Tool, asTyped, steps } from "./installation";

const TOOLS: readonly (readonly [Tool, readonly string[]])[] = [
  ["uv", ["uv"]],
  ["pipx", ["pipx"]],
  ["pip", ["python3", "python"]],
];
const CHECK: Readonly<Record<Tool, readonly string[]>> = {
  uv: ["--version"],
  pipx: ["--version"],
  pip: ["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"],
};

/** Asks, installs, and says whether the server is there now. Nothing is run before the answer. */
export async function offerInstallation(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
): Promise<boolean> {
  const tools = await toolsFound();
  if (tools.length === 0) {
    return explainPython();
  }
  const choices = tools.map((found) => `Install with ${found.tool}`);
  const settings = "Open Settings";
  const chosen = await vscode.window.showInformationMessage(
    "vram-lsp's server was not found. It can be installed into the extension's own folder, or named in vramLsp.server.path.",
    ...choices,
    settings,
  );
  if (chosen === settings) {
    await vscode.commands.executeCommand("workbench.action.openSettings", "vramLsp.server.path");
    return false;
  }
  const found = tools[choices.indexOf(chosen ?? "")];
  return found === undefined ? false : install(found, context, log);
}

async function explainPython(): Promise<boolean> {
  await vscode.window.showErrorMessage(
    "vram-lsp needs Python 3.11 or newer with venv, or uv or pipx, and found none. " +
      "Install one of them, or name an installed server in vramLsp.server.path.",
  );
  return false;
}

async function install(
  found: Found,
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
): Promise<boolean> {
  const wheel = await bundledWheel(context);
  if (wheel === undefined) {
    await vscode.window.showErrorMessage("This build of the extension carries no server to install.");
    return false;
  }
  const storage = context.globalStorageUri.fsPath;
  await vscode.workspace.fs.createDirectory(context.globalStorageUri);
  const title = `Installing vram-lsp with ${found.tool}`;
  return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, async () => {
    for (const step of steps(found, wheel, storage, process.platform === "win32")) {
      log.info(asTyped(step));
      if (!(await succeeds(step, (text) => log.info(text)))) {
        await vscode.window.showErrorMessage(`vram-lsp could not be installed: ${asTyped(step)} failed.`, "Show Logs");
        log.show();
        return false;
      }
    }
    return true;
  });
}

async function bundledWheel(context: vscode.ExtensionContext): Promise<string | undefined> {
  const folder = vscode.Uri.joinPath(context.extensionUri, "dist", "server");
  try {
    const [wheel] = (await vscode.workspace.fs.readDirectory(folder)).filter(([name]) => name.endsWith(".whl"));
    return wheel === undefined ? undefined : vscode.Uri.joinPath(folder, wheel[0]).fsPath;
  } catch {
    return undefined;
  }
}

async function toolsFound(): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const [tool, programs] of TOOLS) {
    for (const program of programs) {
      if (await succeeds({ program, args: CHECK[tool], env: {} }, () => undefined)) {
        found.push({ tool, program });
        break;
      }
    }
  }
  return found;
}

function succeeds(step: Step, heard: (text: string) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(step.program, step.args, { env: { ...process.env, ...step.env } });
    child.stdout.on("data", (data: Buffer) => heard(data.toString().trimEnd()));
    child.stderr.on("data", (data: Buffer) => heard(data.toString().trimEnd()));
    child.on("error", () => resolve(false));
    child.on("close", (code) => resolve(code === 0));
  });
}

// Python environments of the workspace that may hold the server.

import * as path from "node:path";
import * as vscode from "vscode";

const FOLDERS: readonly string[] = [".venv", "venv", "env"];

interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
  };
}

/** Folders of environments, the selected one first. None in a workspace that is not trusted: they are programs. */
export async function pythonEnvironments(): Promise<readonly string[]> {
  if (!vscode.workspace.isTrusted) {
    return [];
  }
  const roots = (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath);
  const usual = roots.flatMap((root) => FOLDERS.map((name) => path.join(root, name)));
  const selected = await selectedEnvironment();
  return selected === undefined ? usual : [selected, ...usual];
}

/** The environment chosen in the Python extension, where there is one. */
async function selectedEnvironment(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonExtension>("ms-python.python");
  if (extension === undefined) {
    return undefined;
  }
  try {
    const api = await extension.activate();
    return path.dirname(path.dirname(api.environments.getActiveEnvironmentPath().path));
  } catch {
    return undefined;
  }
}

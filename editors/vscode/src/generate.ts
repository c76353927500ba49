// "Generate Artifacts": a serve command, a compose file, a manifest ... of the active file's deployment, in a new editor.

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { execute } from "./client";

const KINDS: readonly (readonly [string, string, string])[] = [
  ["serve", "vllm serve command", "shellscript"],
  ["docker", "docker run command", "shellscript"],
  ["compose", "Docker compose file", "yaml"],
  ["kubernetes", "Kubernetes Deployment and Service", "yaml"],
  ["helm", "Helm values of the vLLM production stack", "yaml"],
  ["config", "vLLM config file", "yaml"],
  ["profile", "vram profile", "yaml"],
];

interface Generated {
  readonly artifacts: readonly { readonly deployment: string; readonly text: string | null; readonly refused: string | null }[];
}

type Choice = vscode.QuickPickItem & { readonly emit: string; readonly language: string };

/** Asks for a kind and opens what the server writes as an unsaved document. */
export async function generate(client: LanguageClient, uri: vscode.Uri): Promise<void> {
  const choices: readonly Choice[] = KINDS.map(([kind, label, language]) => ({ label, emit: kind, language }));
  const chosen = await vscode.window.showQuickPick(choices, { title: "Generate from this file" });
  if (chosen === undefined) {
    return;
  }
  const made = await execute<Generated>(client, "vramLsp.generate", uri.toString(), { kind: chosen.emit });
  for (const artifact of made.artifacts) {
    if (artifact.text === null) {
      void vscode.window.showWarningMessage(`${artifact.deployment}: ${artifact.refused ?? "nothing to write"}`);
      continue;
    }
    const document = await vscode.workspace.openTextDocument({ language: chosen.language, content: artifact.text });
    await vscode.window.showTextDocument(document, { preview: false });
  }
}

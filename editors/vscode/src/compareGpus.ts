// "Compare GPUs": which GPUs of the catalogue hold a deployment as it is written, and how many; the server says it.

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { execute } from "./client";
import type { PlanDocument } from "./verdict";

/** Has the server say it for the deployment chosen. */
export async function compareGpus(client: LanguageClient, uri: vscode.Uri): Promise<void> {
  const { deployments } = await execute<PlanDocument>(client, "vramLsp.plan", uri.toString());
  const index = deployments.length > 1 ? await chosen(deployments.map((each) => each.name)) : 0;
  if (index !== undefined) {
    await execute(client, "vramLsp.otherGpus", uri.toString(), index);
  }
}

async function chosen(names: readonly string[]): Promise<number | undefined> {
  const items = names.map((label, index) => ({ label, index }));
  return (await vscode.window.showQuickPick(items, { title: "Which deployment?" }))?.index;
}

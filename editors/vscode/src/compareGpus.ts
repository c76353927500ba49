// "Compare GPUs": the verdict on the active file's deployment for other GPUs of the catalogue.

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { execute } from "./client";
import { type PlanDocument, statusLines, statusText } from "./verdict";

const GPUS: readonly string[] = ["l4", "l40s", "rtx-4090", "a100-sxm-40", "a100-sxm-80", "h100-sxm-80", "h200-141", "b200"];

/** Sizes the file on each GPU and lists the verdicts; choosing one opens nothing and changes nothing. */
export async function compareGpus(client: LanguageClient, uri: vscode.Uri): Promise<void> {
  const sized = GPUS.map(async (gpu): Promise<vscode.QuickPickItem> => {
    const document = await execute<PlanDocument>(client, "vramLsp.plan", uri.toString(), { overrides: { gpu } });
    return { label: `${gpu}`, description: statusText(document) ?? "", detail: statusLines(document).join("; ") };
  });
  await vscode.window.showQuickPick(Promise.all(sized), { title: "This deployment on other GPUs", matchOnDetail: true });
}

// "Recommend Configuration": what would fit, chosen from a list and applied as the server's own edit.

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { WorkspaceEdit } from "vscode-languageserver-protocol";
import { execute } from "./client";
import { gib } from "./verdict";

interface Recommendation {
  readonly title: string;
  readonly headroom_bytes: number;
  readonly because: readonly string[];
  readonly edit: WorkspaceEdit | null;
}

interface Recommendations {
  readonly deployments: readonly {
    readonly name: string;
    readonly recommendations: readonly Recommendation[];
    readonly reasons: readonly string[];
  }[];
}

type Choice = vscode.QuickPickItem & { readonly edit: WorkspaceEdit };

/** Shows the recommendations for a document and applies the one chosen. */
export async function recommend(client: LanguageClient, uri: vscode.Uri): Promise<void> {
  const found = await execute<Recommendations>(client, "vramLsp.recommend", uri.toString());
  const choices = found.deployments.flatMap((deployment) =>
    deployment.recommendations.flatMap((each) => choice(deployment.name, each)),
  );
  if (choices.length === 0) {
    const [why] = found.deployments.flatMap((deployment) => deployment.reasons);
    void vscode.window.showInformationMessage(why ?? "vram-lsp has nothing to recommend for this file.");
    return;
  }
  const chosen = await vscode.window.showQuickPick(choices, { title: "Apply a configuration that fits" });
  if (chosen !== undefined) {
    await vscode.workspace.applyEdit(await client.protocol2CodeConverter.asWorkspaceEdit(chosen.edit));
  }
}

function choice(deployment: string, each: Recommendation): readonly Choice[] {
  if (each.edit === null) {
    return [];
  }
  return [{ label: each.title, description: deployment, detail: [`${gib(each.headroom_bytes)} free per GPU`, ...each.because].join("; "), edit: each.edit }];
}

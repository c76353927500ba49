// The extension: one server, its status bar item, its commands.

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { generate } from "./generate";
import { compareGpus } from "./compareGpus";
import { PlanViews } from "./planView";
import { receipt } from "./receipt";
import { recommend } from "./recommend";
import { Server } from "./server";
import { StatusBar } from "./statusBar";

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("vram-lsp", { log: true });
  const plans = new PlanViews(context.extensionUri, () => server?.ready() ?? Promise.resolve(undefined));
  const started = new Server(context, log, (uri) => plans.show(vscode.Uri.parse(uri)));
  server = started;
  context.subscriptions.push(log, plans, new StatusBar(started), ...commands(started, plans, log));
  started.startForOpen();
}

export async function deactivate(): Promise<void> {
  await server?.dispose();
  server = undefined;
}

type OnDocument = (client: LanguageClient, uri: vscode.Uri) => Promise<void>;

function commands(started: Server, plans: PlanViews, log: vscode.LogOutputChannel): readonly vscode.Disposable[] {
  const onDocument: Readonly<Record<string, OnDocument>> = {
    "vramLsp.showPlan": (_client, uri) => plans.show(uri),
    "vramLsp.recommendConfiguration": recommend,
    "vramLsp.generateArtifacts": generate,
    "vramLsp.compareGpus": compareGpus,
  };
  return [
    ...Object.entries(onDocument).map(([id, run]) =>
      vscode.commands.registerCommand(id, (uri?: vscode.Uri) => withDocument(started, uri, run)),
    ),
    vscode.commands.registerCommand("vramLsp.openReceipt", (uri?: vscode.Uri) => withServer(started, (client) => receipt(client, uri))),
    vscode.commands.registerCommand("vramLsp.restart", () => started.restart()),
    vscode.commands.registerCommand("vramLsp.showLogs", () => log.show()),
  ];
}

async function withDocument(started: Server, uri: vscode.Uri | undefined, run: OnDocument): Promise<void> {
  const target = uri ?? vscode.window.activeTextEditor?.document.uri;
  if (target === undefined) {
    void vscode.window.showInformationMessage("Open the YAML that launches vLLM first.");
    return;
  }
  await vscode.workspace.openTextDocument(target);
  await withServer(started, (client) => run(client, target));
}

async function withServer(started: Server, run: (client: LanguageClient) => Promise<void>): Promise<void> {
  const client = await started.ready();
  if (client === undefined) {
    return;
  }
  try {
    await run(client);
  } catch (error) {
    void vscode.window.showErrorMessage(`vram-lsp: ${error instanceof Error ? error.message : String(error)}`);
  }
}

// The verdict on the active file, in the status bar; a click opens its plan.

import * as vscode from "vscode";
import { LANGUAGES, execute } from "./client";
import type { Server } from "./server";
import { type PlanDocument, statusLines, statusText } from "./verdict";

// The plan is asked for when the text has stood still: it is for reading, not for typing.
const SETTLE_MS = 400;

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("vramLsp.verdict", vscode.StatusBarAlignment.Right, 90);
  private readonly subscriptions: vscode.Disposable[];
  private waiting: NodeJS.Timeout | undefined;

  constructor(private readonly server: Server) {
    this.item.name = "vram-lsp verdict";
    this.item.command = "vramLsp.showPlan";
    this.subscriptions = [
      this.item,
      vscode.window.onDidChangeActiveTextEditor(() => this.update()),
      vscode.languages.onDidChangeDiagnostics((event) => {
        const active = vscode.window.activeTextEditor?.document.uri.toString();
        if (event.uris.some((uri) => uri.toString() === active)) {
          this.later();
        }
      }),
      vscode.workspace.onDidChangeTextDocument((event) => {
        if (event.document === vscode.window.activeTextEditor?.document) {
          this.later();
        }
      }),
      server.onStarted(() => this.update()),
    ];
  }

  dispose(): void {
    clearTimeout(this.waiting);
    this.subscriptions.forEach((each) => each.dispose());
  }

  private later(): void {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => void this.update(), SETTLE_MS);
  }

  private async update(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    const plan = document === undefined ? undefined : await this.plan(document);
    const text = plan === undefined ? undefined : statusText(plan);
    if (document !== vscode.window.activeTextEditor?.document) {
      return;
    }
    void vscode.commands.executeCommand("setContext", "vramLsp.isOurs", text !== undefined);
    if (plan === undefined || text === undefined) {
      this.item.hide();
      return;
    }
    this.item.text = text;
    this.item.tooltip = [...statusLines(plan), "", "Click for the memory plan"].join("\n");
    this.item.show();
  }

  private async plan(document: vscode.TextDocument): Promise<PlanDocument | undefined> {
    const client = this.server.client;
    if (client === undefined || !LANGUAGES.includes(document.languageId)) {
      return undefined;
    }
    try {
      return await execute<PlanDocument>(client, "vramLsp.plan", document.uri.toString());
    } catch {
      return undefined;
    }
  }
}

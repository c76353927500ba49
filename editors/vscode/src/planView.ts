// The plan view: hosts the page of dist/planview and carries its messages to the server and back.

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { execute } from "./client";
import { pageOf } from "./planPage";
import type { PlanDocument } from "./verdict";

// The page is redrawn when the text has stood still.
const SETTLE_MS = 250;

type FromPage =
  | { readonly type: "ready" }
  | { readonly type: "resize"; readonly overrides: Readonly<Record<string, unknown>> }
  | ({ readonly type: "apply" } & Trial);

/** Values to write into one deployment of the version of the text that the page shows. */
interface Trial {
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly deployment: number;
  readonly version: number;
}

/** One panel for each document. */
export class PlanViews implements vscode.Disposable {
  private readonly panels = new Map<string, PlanView>();
  private readonly changes = vscode.workspace.onDidChangeTextDocument((event) => {
    this.panels.get(event.document.uri.toString())?.textChanged();
  });

  constructor(
    private readonly extension: vscode.Uri,
    private readonly server: () => Promise<LanguageClient | undefined>,
  ) {}

  /** Opens the plan of a document, or brings it to the front. */
  async show(uri: vscode.Uri): Promise<void> {
    const key = uri.toString();
    const open = this.panels.get(key);
    if (open !== undefined) {
      open.reveal();
      return;
    }
    const view = await PlanView.open(this.extension, uri, this.server);
    this.panels.set(key, view);
    view.onClosed(() => this.panels.delete(key));
  }

  dispose(): void {
    this.changes.dispose();
    this.panels.forEach((view) => view.close());
  }
}

class PlanView {
  private waiting: NodeJS.Timeout | undefined;
  private overrides: Readonly<Record<string, unknown>> = {};

  private constructor(
    private readonly panel: vscode.WebviewPanel,
    private readonly uri: vscode.Uri,
    private readonly server: () => Promise<LanguageClient | undefined>,
  ) {
    panel.webview.onDidReceiveMessage((message: FromPage) => this.received(message));
    panel.onDidDispose(() => clearTimeout(this.waiting));
  }

  static async open(
    extension: vscode.Uri,
    uri: vscode.Uri,
    server: () => Promise<LanguageClient | undefined>,
  ): Promise<PlanView> {
    const folder = vscode.Uri.joinPath(extension, "dist", "planview");
    const title = `Plan: ${uri.path.slice(uri.path.lastIndexOf("/") + 1)}`;
    const panel = vscode.window.createWebviewPanel("vramLsp.plan", title, vscode.ViewColumn.Beside, {
      enableScripts: true,
      localResourceRoots: [folder],
    });
    const view = new PlanView(panel, uri, server);
    panel.webview.html = await pageOf(panel.webview, folder);
    return view;
  }

  get onClosed(): vscode.Event<void> {
    return this.panel.onDidDispose;
  }

  reveal(): void {
    this.panel.reveal();
  }

  close(): void {
    this.panel.dispose();
  }

  /** The text was edited: what the sliders tried is dropped, and the plan asked for again. */
  textChanged(): void {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.overrides = {};
      void this.send();
    }, SETTLE_MS);
  }

  private async received(message: FromPage): Promise<void> {
    switch (message.type) {
      case "ready":
        return this.send();
      case "resize":
        this.overrides = message.overrides;
        return this.send();
      case "apply":
        return this.apply(message);
    }
  }

  private async send(): Promise<void> {
    await this.guarded(async (client) => {
      const overrides = this.overrides;
      const document = await execute<PlanDocument>(client, "vramLsp.plan", this.uri.toString(), overrides);
      if (overrides === this.overrides) {
        await this.panel.webview.postMessage({ type: "plan", document, overrides });
      }
    });
  }

  private async apply({ overrides, deployment, version }: Trial): Promise<void> {
    await this.guarded((client) =>
      execute(client, "vramLsp.apply", this.uri.toString(), overrides, { deployment, version }),
    );
  }

  private async guarded(work: (client: LanguageClient) => Promise<unknown>): Promise<void> {
    try {
      const client = await this.server();
      if (client !== undefined) {
        await work(client);
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      await this.panel.webview.postMessage({ type: "error", message: text });
    }
  }
}

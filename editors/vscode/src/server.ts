// The life of the server: found, started on the first text that may be ours, restarted, stopped.

import { accessSync, constants } from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { LANGUAGES, languageClient } from "./client";
import { pythonEnvironments } from "./environments";
import { offerInstallation } from "./install";
import { mayBeOurs } from "./relevance";
import { type Candidate, findServer } from "./serverCommand";

export class Server implements vscode.Disposable {
  private running: LanguageClient | undefined;
  private starting: Promise<LanguageClient | undefined> | undefined;
  private readonly started = new vscode.EventEmitter<LanguageClient>();
  private readonly subscriptions: vscode.Disposable[];

  /** Fires whenever a server is ready, after restarts too. */
  readonly onStarted = this.started.event;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly showPlan: (uri: string) => Promise<void>,
  ) {
    this.subscriptions = [
      this.started,
      vscode.workspace.onDidOpenTextDocument((document) => this.startFor(document)),
      vscode.workspace.onDidChangeTextDocument((event) => this.startFor(event.document)),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("vramLsp.server")) {
          void this.restart();
        }
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.startForOpen()),
    ];
  }

  /** The client if the server runs. */
  get client(): LanguageClient | undefined {
    return this.running;
  }

  /** Starts the server if an open text may be ours. */
  startForOpen(): void {
    vscode.workspace.textDocuments.forEach((document) => this.startFor(document));
  }

  /** The client, started if need be; undefined when there is no server. */
  async ready(): Promise<LanguageClient | undefined> {
    this.starting ??= this.start();
    return this.starting;
  }

  /** Stops the server and starts it again, looking for it anew. */
  async restart(): Promise<void> {
    await this.stop();
    this.starting = undefined;
    await this.ready();
  }

  async dispose(): Promise<void> {
    this.subscriptions.forEach((each) => each.dispose());
    await this.stop();
  }

  private startFor(document: vscode.TextDocument): void {
    if (this.starting === undefined && LANGUAGES.includes(document.languageId) && mayBeOurs(document.getText())) {
      void this.ready();
    }
  }

  private async start(): Promise<LanguageClient | undefined> {
    const found = (await this.find()) ?? ((await offerInstallation(this.context, this.log)) ? await this.find() : undefined);
    if (found === undefined) {
      return undefined;
    }
    this.log.info(`server: ${found.file} (${found.origin})`);
    const client = languageClient(found, this.log, this.showPlan);
    try {
      await client.start();
    } catch (error) {
      await this.explain(found, error);
      return undefined;
    }
    this.running = client;
    this.started.fire(client);
    return client;
  }

  private async stop(): Promise<void> {
    const client = this.running;
    this.running = undefined;
    try {
      await client?.dispose();
    } catch (error) {
      this.log.warn(`the server did not stop in order: ${String(error)}`);
    }
  }

  private async find(): Promise<Candidate | undefined> {
    const places = {
      setting: vscode.workspace.getConfiguration("vramLsp").get("server.path", ""),
      environments: await pythonEnvironments(),
      searchPath: (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => path.isAbsolute(folder)),
      storage: this.context.globalStorageUri.fsPath,
      isWindows: process.platform === "win32",
    };
    const found = findServer(places, isExecutable);
    if (found === undefined && places.setting !== "") {
      this.log.error(`vramLsp.server.path names ${places.setting}, which is not a program`);
    }
    return found;
  }

  private async explain(found: Candidate, error: unknown): Promise<void> {
    this.log.error(`${found.file}: ${String(error)}`);
    const chosen = await vscode.window.showErrorMessage(`vram-lsp's server (${found.file}) did not start.`, "Show Logs");
    if (chosen !== undefined) {
      this.log.show();
    }
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

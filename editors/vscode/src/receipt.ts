// "Open vLLM Log as Receipt": what a log measured beside what is predicted, in a new editor.

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { execute } from "./client";

interface Receipt {
  readonly text: string;
}

/** Asks for a log where none is given, and shows the receipt of it. */
export async function receipt(client: LanguageClient, uri: vscode.Uri | undefined): Promise<void> {
  const log = uri ?? (await vscode.window.showOpenDialog({ title: "A log of vLLM's start-up" }))?.[0];
  if (log === undefined) {
    return;
  }
  const made = await execute<Receipt>(client, "vramLsp.receipt", log.toString());
  const document = await vscode.workspace.openTextDocument({ language: "plaintext", content: made.text });
  await vscode.window.showTextDocument(document, { preview: false });
}

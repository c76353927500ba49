// The page of the plan view, with the addresses and the content security policy of this webview filled in.

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

/** The HTML for `webview` from the template in `folder`. */
export async function pageOf(webview: vscode.Webview, folder: vscode.Uri): Promise<string> {
  const template = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder, "index.html"));
  const nonce = randomBytes(16).toString("base64");
  const base = webview.asWebviewUri(folder).toString();
  const policy = [
    "default-src 'none'",
    `style-src ${webview.cspSource}`,
    `script-src 'nonce-${nonce}'`,
  ].join("; ");
  return new TextDecoder()
    .decode(template)
    .replace("{{csp}}", () => policy)
    .replace("{{style}}", () => `<link rel="stylesheet" href="${base}/planview.css">`)
    .replace("{{data}}", "")
    .replace("{{script}}", () => `<script type="module" nonce="${nonce}" src="${base}/planview.js"></script>`);
}

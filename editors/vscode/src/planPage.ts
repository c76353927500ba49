// The page of the plan view, with the addresses and the content security policy of this webview filled in.

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

/** The HTML for `webview` from the template in `folder`. */
export async function pageOf(webview: vscode.Webview, folder: vscode.Uri): Promise<string> {
  const template = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder, "index.html"));
  const nonce = randomBytes(16).toString("base64");
  const policy = [
    "default-src 'none'",
    `style-src ${webview.cspSource}`,
    `script-src 'nonce-${nonce}'`,
    `img-src ${webview.cspSource}`,
  ].join("; ");
  return new TextDecoder()
    .decode(template)
    .replaceAll("{{csp}}", policy)
    .replaceAll("{{nonce}}", nonce)
    .replaceAll("{{base}}", webview.asWebviewUri(folder).toString());
}

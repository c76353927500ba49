// The language client: what is sent to the server, and how it is started.

import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions, type ServerOptions } from "vscode-languageclient/node";
import type { Candidate } from "./serverCommand";

export const LANGUAGES: readonly string[] = ["yaml", "dockercompose"];

/** A client of the server at `server`; not started. `showPlan` is what a click on a code lens does. */
export function languageClient(
  server: Candidate,
  log: vscode.LogOutputChannel,
  showPlan: (uri: string) => Promise<void>,
): LanguageClient {
  const serverOptions: ServerOptions = { command: server.file, args: ["serve"] };
  const clientOptions: LanguageClientOptions = {
    documentSelector: LANGUAGES.flatMap((language) => [
      { language, scheme: "file" },
      { language, scheme: "untitled" },
    ]),
    outputChannel: log,
    synchronize: { configurationSection: "vramLsp" },
    middleware: {
      executeCommand: async (command, args, next): Promise<unknown> => {
        const [uri] = args as unknown[];
        if (command === "vramLsp.plan" && typeof uri === "string" && args.length === 1) {
          return showPlan(uri);
        }
        return next(command, args);
      },
    },
  };
  return new LanguageClient("vramLsp", "vram-lsp", serverOptions, clientOptions);
}

/** Asks the server to run one of its commands. */
export function execute<T>(client: LanguageClient, command: string, ...args: unknown[]): Promise<T> {
  return client.sendRequest<T>("workspace/executeCommand", { command, arguments: args });
}

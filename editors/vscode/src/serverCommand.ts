// Where the server is: the setting, the workspace's Python environment, the search path, or our own installation.

import * as path from "node:path";

export type Origin = "setting" | "environment" | "search path" | "installed";

/** An executable that may be the server, and why it is looked at. */
export interface Candidate {
  readonly file: string;
  readonly origin: Origin;
}

/** What is known about this machine and workspace. Folders are absolute paths; `environments` are Python environments. */
export interface Places {
  readonly setting: string;
  readonly environments: readonly string[];
  readonly searchPath: readonly string[];
  readonly storage: string;
  readonly isWindows: boolean;
}

const NAME = "vram-lsp";

/** The executables to try, best first. A setting is the user's word: nothing else is tried beside it. */
export function candidates(places: Places): readonly Candidate[] {
  if (places.setting !== "") {
    return [{ file: places.setting, origin: "setting" }];
  }
  return [
    ...places.environments.map((folder) => ({ file: script(folder, places.isWindows), origin: "environment" as const })),
    ...places.searchPath.map((folder) => ({ file: executable(folder, places.isWindows), origin: "search path" as const })),
    { file: script(installedIn(places.storage), places.isWindows), origin: "installed" },
  ];
}

/** The first candidate that exists, or undefined. */
export function findServer(places: Places, exists: (file: string) => boolean): Candidate | undefined {
  return candidates(places).find((each) => exists(each.file));
}

/** The Python environment that the extension keeps for itself. */
export function installedIn(storage: string): string {
  return path.join(storage, "server");
}

/** Where an environment keeps its Python. */
export function pythonOf(environment: string, isWindows: boolean): string {
  return isWindows ? path.join(environment, "Scripts", "python.exe") : path.join(environment, "bin", "python");
}

function script(environment: string, isWindows: boolean): string {
  return executable(path.join(environment, isWindows ? "Scripts" : "bin"), isWindows);
}

function executable(folder: string, isWindows: boolean): string {
  return path.join(folder, isWindows ? `${NAME}.exe` : NAME);
}

// How the server is installed into the extension's own folder, by whichever tool there is.

import { installedIn, pythonOf } from "./serverCommand";

export type Tool = "uv" | "pipx" | "pip";

/** One program to run, with its arguments and what it needs in its environment. */
export interface Step {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A tool found on this machine: the program that runs it. */
export interface Found {
  readonly tool: Tool;
  readonly program: string;
}

/** The steps that put `wheel` and what it needs into the extension's folder. */
export function steps(found: Found, wheel: string, storage: string, isWindows: boolean): readonly Step[] {
  const environment = installedIn(storage);
  const python = pythonOf(environment, isWindows);
  switch (found.tool) {
    case "uv":
      return [
        run(found.program, ["venv", "--allow-existing", "--python", ">=3.11", environment]),
        run(found.program, ["pip", "install", "--python", python, "--upgrade", wheel]),
      ];
    case "pipx":
      return [
        run(found.program, ["install", "--force", wheel], { PIPX_HOME: `${environment}-pipx`, PIPX_BIN_DIR: bin(python) }),
      ];
    case "pip":
      return [
        run(found.program, ["-m", "venv", environment]),
        run(python, ["-m", "pip", "install", "--disable-pip-version-check", "--upgrade", wheel]),
      ];
  }
}

/** What a person would type: shown before anything is run. */
export function asTyped(step: Step): string {
  return [step.program, ...step.args].map((word) => (/\s/.test(word) ? JSON.stringify(word) : word)).join(" ");
}

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Step {
  return { program, args, env };
}

function bin(python: string): string {
  return python.replace(/[\\/][^\\/]+$/, "");
}

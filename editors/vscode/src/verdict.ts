// The plan document of the server, as far as the extension reads it, and its verdict in a few words.

export type Verdict = "fits" | "at-risk" | "infeasible" | "unknown";

export interface Deployment {
  readonly name: string;
  readonly verdict: Verdict;
  readonly model: { readonly id: string | null };
  readonly gpu: { readonly name: string | null; readonly count: number | null };
  readonly memory: { readonly headroom_bytes: number } | null;
  readonly failure: { readonly message: string } | null;
}

export interface PlanDocument {
  readonly schema_version: number;
  readonly deployments: readonly Deployment[];
}

const GIB = 2 ** 30;
const WORDS: Readonly<Record<Verdict, string>> = {
  fits: "fits",
  "at-risk": "at risk",
  infeasible: "does not fit",
  unknown: "no verdict",
};
const ICONS: Readonly<Record<Verdict, string>> = {
  fits: "$(check)",
  "at-risk": "$(warning)",
  infeasible: "$(error)",
  unknown: "$(question)",
};
const WORST_FIRST: readonly Verdict[] = ["infeasible", "at-risk", "unknown", "fits"];

/** The verdict that matters most of a file with several deployments; undefined where there is none. */
export function worst(deployments: readonly Deployment[]): Verdict | undefined {
  return WORST_FIRST.find((verdict) => deployments.some((each) => each.verdict === verdict));
}

/** What the status bar says of a file; undefined where it holds no deployment. */
export function statusText(document: PlanDocument): string | undefined {
  const verdict = worst(document.deployments);
  if (verdict === undefined) {
    return undefined;
  }
  const [only, ...others] = document.deployments;
  const free = others.length === 0 && only?.memory ? `, ${gib(only.memory.headroom_bytes)} free` : "";
  return `${ICONS[verdict]} vLLM ${WORDS[verdict]}${verdict === "fits" ? free : ""}`;
}

/** One line for each deployment, for the status bar's tooltip. */
export function statusLines(document: PlanDocument): readonly string[] {
  return document.deployments.map((each) => {
    const model = each.model.id ?? each.name;
    const on = each.gpu.name === null ? "" : ` on ${each.gpu.name}`;
    const why = each.failure === null ? "" : `: ${each.failure.message}`;
    return `${model}${on}: ${WORDS[each.verdict]}${why}`;
  });
}

/** Bytes as the server writes them. */
export function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(2)} GiB`;
}

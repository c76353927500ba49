// The receipt document of the server as a Markdown page.

export interface Receipt {
  readonly log: string;
  readonly model: string | null;
  readonly vllm_version: string | null;
  readonly gpu: string | null;
  readonly outcome: string;
  readonly verdict: string;
  readonly refusal: { readonly message: string } | null;
  readonly terms: readonly Term[];
  readonly kv_cache: Readonly<Record<string, { readonly predicted: number | null; readonly measured: number | null }>>;
  readonly notes: readonly string[];
}

interface Term {
  readonly name: string;
  readonly predicted_bytes: number | null;
  readonly interval_bytes: readonly [number, number] | null;
  readonly measured_bytes: number | null;
  readonly difference_bytes: number | null;
}

const GIB = 2 ** 30;

/** The page: what was measured beside what is predicted, in GiB per GPU. */
export function receiptText(receipt: Receipt): string {
  const said = [receipt.model, receipt.gpu, receipt.vllm_version === null ? null : `vLLM ${receipt.vllm_version}`];
  return [
    `# ${receipt.log}`,
    "",
    `${said.filter((each) => each !== null).join(", ")}: the log says ${receipt.outcome}, predicted ${receipt.verdict}.`,
    ...(receipt.refusal === null ? [] : ["", receipt.refusal.message]),
    "",
    "| GiB per GPU | predicted | between | measured | difference |",
    "|:--|--:|--:|--:|--:|",
    ...receipt.terms.map(line),
    "",
    ...Object.entries(receipt.kv_cache).map(
      ([name, { predicted, measured }]) => `- ${name.replaceAll("_", " ")}: predicted ${number(predicted)}, measured ${number(measured)}`,
    ),
    ...receipt.notes.map((note) => `- ${note}`),
    "",
  ].join("\n");
}

function line(term: Term): string {
  const between = term.interval_bytes === null ? "" : term.interval_bytes.map(gib).join(" to ");
  const cells = [term.name, gib(term.predicted_bytes), between, gib(term.measured_bytes), gib(term.difference_bytes)];
  return `| ${cells.join(" | ")} |`;
}

function gib(bytes: number | null): string {
  return bytes === null ? "" : (bytes / GIB).toFixed(2);
}

function number(value: number | null): string {
  return value === null ? "not known" : value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

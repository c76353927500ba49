// The plan as a page: draws the plan document, and where an editor hosts it, tries other values and writes them.
// Every number comes from the document; this file only lays it out.

const GIB = 2 ** 30;
const VERDICTS = { fits: "fits", "at-risk": "at risk", infeasible: "does not fit", unknown: "no verdict" };
const CELLS = { fits: ["✓", "fits"], "at-risk": ["~", "at risk"], infeasible: ["✗", "does not fit"] };
// Which colour a term or a part of the weights has; anything else of the weights shares the last.
const WEIGHTS = [
  ["attention", /attention|mamba|mla|linear|conv/],
  ["experts", /expert/],
  ["mlp", /mlp/],
  ["weights", /./],
];
const OTHERS = { activations: "activations", "CUDA graphs": "graphs", "other memory": "other" };
const SETTLE_MS = 60;
const BAR = { left: 84, width: 820, height: 34, row: 62, top: 20 };

const host = typeof acquireVsCodeApi === "function" ? acquireVsCodeApi() : null;
const main = document.getElementById("plan");
let shown = null;
let overrides = {};
let waiting = 0;

const gib = (bytes) => `${(bytes / GIB).toFixed(2)} GiB`;
const count = (number) => number.toLocaleString("en-US");

/** An element with attributes and children; texts are always texts. */
function el(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") {
      element.addEventListener(key, value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

function show(plan) {
  const focused = document.activeElement?.id;
  const opened = new Set([...document.querySelectorAll("details[open]")].map((each) => each.id));
  shown = plan;
  main.replaceChildren(...plan.deployments.map(section), findings(plan.findings));
  for (const id of opened) {
    document.getElementById(id)?.setAttribute("open", "");
  }
  if (focused) {
    document.getElementById(focused)?.focus();
  }
}

function section(deployment, index) {
  return el(
    "section",
    { "aria-label": deployment.name },
    heading(deployment),
    deployment.failure ? el("p", {}, deployment.failure.message) : null,
    ...(deployment.memory ? bought(deployment) : [el("p", {}, "There is no budget to draw.")]),
    host ? controls(deployment, index) : null,
    ...(deployment.memory ? tables(deployment, index) : []),
    recommendations(deployment),
  );
}

function heading(deployment) {
  const { gpu, verdict, vllm_version: version } = deployment;
  const gpus = deployment.tensor_parallel_size * deployment.pipeline_parallel_size;
  const where = gpu.name ? ` on ${gpus} x ${gpu.name}` : "";
  return el(
    "h1",
    {},
    el("span", { class: `verdict ${verdict}` }, VERDICTS[verdict]),
    `: ${deployment.model.id ?? deployment.name}${where}, vLLM ${version}`,
  );
}

function bought(deployment) {
  return [
    el("h2", {}, "Memory of each GPU"),
    bars(deployment),
    key(deployment),
    el("p", {}, words(deployment)),
    speed(deployment),
  ];
}

function tables(deployment, index) {
  return [
    details(`table-${index}`, "The same as a table", table(deployment)),
    el("h2", {}, "What fits: requests at once by tokens of each"),
    grid(deployment),
  ];
}

// Each segment: a class for its colour, a name, bytes.
function segments(terms, available, required, requested, total) {
  const found = terms.flatMap((term) => (term.name === "weights" ? weights(term) : [[OTHERS[term.name] ?? "other", term.name, term.bytes]]));
  const pool = Math.max(available, 0);
  return [
    ...found,
    ["kv-used", "KV cache of the workload", required],
    ["kv-spare", "KV cache to spare", pool - required],
    ["unreserved", "not reserved", total - Math.max(requested, taken(terms) + Math.max(pool, required))],
  ].filter(([, , bytes]) => bytes > 0);
}

function weights(term) {
  if (term.parts.length === 0) {
    return [["weights", "weights", term.bytes]];
  }
  return WEIGHTS.map(([kind], place) => {
    const mine = term.parts.filter((part) => WEIGHTS.findIndex(([, pattern]) => pattern.test(part.name)) === place);
    const name = kind === "weights" ? "other weights" : `weights: ${kind}`;
    return [kind, name, mine.reduce((sum, part) => sum + part.bytes, 0)];
  });
}

const taken = (terms) => terms.reduce((sum, term) => sum + term.bytes, 0);

function rows(deployment) {
  const { memory, ranks, tensor_parallel_size: ranksPerStage } = deployment;
  const known = ranks.filter((rank) => rank.terms.length > 0);
  if (known.length === 0) {
    return [["GPU", memory.terms, memory.kv_cache_available_bytes, memory.interval.kv_cache_available_bytes]];
  }
  return known.map((rank) => {
    const [low, expected, high] = rank.kv_cache_available_bytes;
    const each = ranksPerStage > 1 ? `${ranksPerStage} GPUs` : "GPU";
    return [known.length > 1 ? `stage ${rank.pipeline_stage}` : each, rank.terms, expected, [low, high]];
  });
}

function bars(deployment) {
  const { memory } = deployment;
  const all = rows(deployment);
  const most = Math.max(memory.total_bytes, ...all.map(([, terms]) => taken(terms) + memory.kv_cache_required_bytes));
  const scale = (bytes) => (bytes / most) * BAR.width;
  const height = BAR.top + all.length * BAR.row + 12;
  const words = `${gib(memory.required_bytes)} required, ${gib(memory.requested_bytes)} reserved of ${gib(memory.total_bytes)} on each GPU`;
  const edge = BAR.left + scale(memory.requested_bytes);
  const needed = BAR.left + scale(memory.required_bytes);
  return svg(
    "svg",
    { viewBox: `0 0 ${BAR.left + BAR.width + 16} ${height}`, role: "img", "aria-label": words },
    ...all.map((row, place) => bar(row, BAR.top + place * BAR.row, memory, scale)),
    svg("line", { class: "mark", x1: edge, x2: edge, y1: 14, y2: height - 18 }),
    svg("line", { class: "needed", x1: needed, x2: needed, y1: 16, y2: height - 14 }),
    svg("text", { x: needed, y: height - 2, "text-anchor": needed > BAR.width / 2 ? "end" : "start" }, `required ${gib(memory.required_bytes)}`),
    svg("text", { x: Math.min(edge, BAR.left + BAR.width - 4), y: 11, "text-anchor": "end" }, `reserved ${gib(memory.requested_bytes)}`),
  );
}

function bar([name, terms, available, [low, high]], top, memory, scale) {
  let left = BAR.left;
  const drawnSegments = segments(terms, available, memory.kv_cache_required_bytes, memory.requested_bytes, memory.total_bytes).map(
    ([kind, words, bytes]) => {
      const width = scale(bytes);
      const piece = svg("rect", { class: `segment ${kind}`, x: left, y: top, width, height: BAR.height });
      piece.append(svg("title", {}, `${words}: ${gib(bytes)}`));
      left += width;
      return piece;
    },
  );
  const from = BAR.left + scale(Math.max(memory.requested_bytes - high, 0));
  const to = BAR.left + scale(Math.max(memory.requested_bytes - low, 0));
  const under = top + BAR.height + 7;
  return svg(
    "g",
    {},
    svg("text", { x: BAR.left - 8, y: top + 21, "text-anchor": "end" }, name),
    ...drawnSegments,
    svg("rect", { class: "outline", x: BAR.left, y: top, width: scale(memory.total_bytes), height: BAR.height }),
    svg("path", { class: "whisker", fill: "none", d: `M${from} ${under - 4}v8M${from} ${under}H${to}M${to} ${under - 4}v8` }),
    svg("title", {}, `taken before the KV cache: ${gib(memory.requested_bytes - high)} to ${gib(memory.requested_bytes - low)}`),
  );
}

function key(deployment) {
  const { memory } = deployment;
  const [, terms, available] = rows(deployment)[0];
  const listed = segments(terms, available, memory.kv_cache_required_bytes, memory.requested_bytes, memory.total_bytes);
  return el(
    "ul",
    { class: "key", "aria-label": "Colours" },
    listed.map(([kind, words, bytes]) =>
      el("li", {}, el("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), `${words} ${gib(bytes)}`),
    ),
    el("li", { class: "dim" }, "├─┤ what is taken before the KV cache is between these ends"),
  );
}

/** What the memory buys, and how little would be enough. */
function words({ memory, kv_cache: kv, max_model_len: length }) {
  const parts = [];
  if (kv.capacity_tokens !== null && memory.kv_cache_available_bytes > 0) {
    parts.push(
      `The KV cache of ${gib(memory.kv_cache_available_bytes)} per GPU holds ${count(kv.capacity_tokens)} tokens: ` +
        `${kv.max_concurrency.toFixed(2)} requests of ${count(length)}.`,
    );
  }
  parts.push(`Required: ${gib(memory.required_bytes)}. Reserved whatever is required: ${gib(memory.requested_bytes)}.`);
  const enough = memory.enough;
  if (enough && enough.gpu_memory_utilization !== null) {
    const bytes = enough.kv_cache_memory_bytes;
    parts.push(
      `Enough for this workload: gpu-memory-utilization ${enough.gpu_memory_utilization.toFixed(2)}` +
        (bytes === null ? "." : `, or kv-cache-memory-bytes ${count(bytes)} (${gib(bytes)}).`),
    );
  }
  return parts.join(" ");
}

function speed({ performance: said }) {
  if (!said) {
    return null;
  }
  const range = (ends) => ends.map((end) => count(Number(end.toPrecision(2)))).join(" to ");
  return el(
    "p",
    { class: "dim" },
    `Estimated speed (a roofline, not a benchmark): ${range(said.decode_tokens_per_s_per_request)} tokens/s per request, ` +
      `${range(said.decode_tokens_per_s_total)} in total, prefill ${range(said.prefill_tokens_per_s)} tokens/s.`,
  );
}

function table({ memory, name }) {
  const lines = [
    ...memory.terms.map((term) => [term.name, term.bytes, term.because, false]),
    ["KV cache of the workload", memory.kv_cache_required_bytes, "", false],
    ["required", memory.required_bytes, "the sum of the above", true],
    ["free", memory.headroom_bytes, "inside what is reserved", true],
    ["reserved by vLLM", memory.requested_bytes, `of ${gib(memory.total_bytes)}`, true],
  ];
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `Memory of a GPU as a table: ${name}` },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, el("th", { class: "words", scope: "col" }, "per GPU"), el("th", { scope: "col" }, "GiB"), el("th", { class: "words", scope: "col" }, "why"))),
      el(
        "tbody",
        {},
        lines.map(([name, bytes, why, strong]) =>
          el(
            "tr",
            { class: strong ? "strong" : null },
            el("th", { scope: "row" }, name),
            el("td", {}, (bytes / GIB).toFixed(2)),
            el("td", { class: "words" }, why),
          ),
        ),
      ),
    ),
  );
}

function grid({ kv_cache: { grid: found }, max_model_len: length, settings, name }) {
  if (found === null) {
    return el("p", {}, "This model keeps no KV cache: any number of requests fits.");
  }
  const asked = settings.concurrency?.value ?? 1;
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `What fits, by length and concurrency: ${name}` },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "tokens"), found.concurrency.map((each) => el("th", { scope: "col" }, count(each))))),
      el(
        "tbody",
        {},
        found.max_model_len.map((tokens, row) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, count(tokens)),
            found.concurrency.map((requests, column) => {
              const verdict = found.verdicts[row][column];
              const [sign, words] = CELLS[verdict];
              const here = tokens === length && requests === asked;
              return el("td", { class: `${verdict}${here ? " asked" : ""}`, "aria-label": here ? `${words}, as asked` : words }, sign);
            }),
          ),
        ),
      ),
    ),
  );
}

function details(id, title, content) {
  return el("details", { id }, el("summary", {}, title), content);
}

function controls(deployment, index) {
  const { choices, settings } = deployment;
  const said = (name, otherwise) => overrides[name] ?? settings[name.replaceAll("_", "-")]?.value ?? otherwise;
  const utilization = said("gpu_memory_utilization", deployment.memory ? (deployment.memory.requested_bytes / deployment.memory.total_bytes).toFixed(2) : 0.9);
  const changed = Object.keys(overrides).length > 0;
  return el(
    "form",
    { submit: (event) => event.preventDefault(), "aria-label": "Try other values" },
    slider(index, "max_model_len", "Tokens of a request", Math.log2(said("max_model_len", deployment.max_model_len ?? 4096)), 10, 20, 0.25, (power) => nearest(2 ** power), count),
    slider(index, "concurrency", "Requests at once", Math.log2(said("concurrency", 1)), 0, 10, 1, (power) => 2 ** power, count),
    slider(index, "gpu_memory_utilization", "Share of the GPU", utilization, 0.1, 0.98, 0.01, (share) => share, (share) => share.toFixed(2)),
    pick(index, "tensor_parallel_size", "Tensor parallel size", choices.tensor_parallel_size, deployment.tensor_parallel_size, Number),
    pick(index, "kv_cache_dtype", "KV cache dtype", choices.kv_cache_dtype, said("kv_cache_dtype", "auto"), String),
    pick(index, "gpu", "GPU", choices.gpu, said("gpu", deployment.gpu.id), String),
    el("button", { id: `apply-${index}`, type: "button", disabled: !changed || deployment.edit === null, click: () => host.postMessage({ type: "apply", deployment: index, overrides, version: shown.document.version }) }, "Write these into the file"),
    el("button", { id: `reset-${index}`, type: "button", disabled: !changed, click: () => resize({}) }, "Back to what the file says"),
  );
}

/** A round number of tokens: a multiple of 256. */
const nearest = (tokens) => Math.max(256, Math.round(tokens / 256) * 256);

function slider(index, name, title, value, min, max, step, read, words) {
  const id = `${name}-${index}`;
  const output = el("output", { for: id }, words(read(Number(value))));
  const moved = (event) => {
    const chosen = read(Number(event.target.value));
    output.textContent = words(chosen);
    event.target.setAttribute("aria-valuetext", words(chosen));
    resize({ ...overrides, [name]: chosen });
  };
  return el(
    "label",
    { for: id },
    el("span", {}, `${title}: `, output),
    el("input", { id, type: "range", min, max, step, value, "aria-valuetext": words(read(Number(value))), input: moved }),
  );
}

function pick(index, name, title, options, value, read) {
  const id = `${name}-${index}`;
  const listed = options.includes(value) || value === null ? options : [value, ...options];
  return el(
    "label",
    { for: id },
    el("span", {}, title),
    el(
      "select",
      { id, change: (event) => resize({ ...overrides, [name]: read(event.target.value) }) },
      value === null ? el("option", { value: "", selected: true, disabled: true }, "not known") : null,
      listed.map((each) => el("option", { value: each, selected: each === value }, String(each))),
    ),
  );
}

function resize(wanted) {
  overrides = wanted;
  clearTimeout(waiting);
  waiting = setTimeout(() => host.postMessage({ type: "resize", overrides }), SETTLE_MS);
}

function recommendations({ recommendations: found }) {
  if (found.length === 0) {
    return null;
  }
  return el("div", {}, el("h2", {}, "What would fit"), el("ul", {}, found.map((each) => el("li", {}, each.title))));
}

function findings(found) {
  if (found.length === 0) {
    return el("p", { class: "dim" }, "No findings.");
  }
  return el("section", { "aria-label": "Findings" }, el("h2", {}, "Findings"), el("ul", {}, found.map((each) => el("li", {}, `${each.severity}[${each.rule}], line ${each.range.start.line + 1}: ${each.message}`))));
}

function failed(message) {
  main.querySelector(".error")?.remove();
  main.prepend(el("p", { class: "error", role: "alert" }, message));
}

if (host) {
  window.addEventListener("message", ({ data }) => {
    if (data.type === "plan") {
      overrides = data.overrides ?? {};
      show(data.document);
    } else if (data.type === "error") {
      failed(data.message);
    }
  });
  host.postMessage({ type: "ready" });
} else {
  show(JSON.parse(document.getElementById("document").textContent));
}

// Which YAML is worth starting the server for.

// Every dialect names vLLM, a model or a GPU, or has one of vLLM's own keys; the server itself decides what is its own.
const MENTIONS = /vllm|vram|model|gpu|cuda|nvidia|inference|kv.cache|max.num|parallel.size|prefix.caching/i;

/** Whether a text may be for the server. Most YAML is not, and costs nothing. */
export function mayBeOurs(text: string): boolean {
  return MENTIONS.test(text);
}

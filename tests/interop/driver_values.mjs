// Arguments as the cases write them: bytes are { "binary": <hex> }, and so much of a text as { "text of": <length> }.

export function fromCase(value) {
  if (Array.isArray(value)) return value.map(fromCase);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.binary === "string") return Buffer.from(value.binary, "hex");
  if (typeof value["text of"] === "number") return "x".repeat(value["text of"]);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fromCase(inner)]));
}

export function toCase(value) {
  if (Buffer.isBuffer(value)) return { binary: value.toString("hex") };
  if (Array.isArray(value)) return value.map(toCase);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toCase(inner)]));
}

// What an emit that asks for an answer hears in the end.
export function answerTo(error, answer) {
  return error ? { error: error.message } : { answer: toCase(answer) };
}

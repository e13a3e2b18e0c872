// Where an answer stands in the log, and the proof of it, checked here.

import { h } from "./dom.js";

const ASKED_MAX = 40;
const PAUSE_MS = 250;

const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

async function node(left, right) {
  const input = new Uint8Array(1 + left.length + right.length);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + left.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", input));
}

/** The root that an inclusion proof leads to (RFC 9162, 2.1.3.2); null when it has the wrong length. */
export async function root(leaf, index, size, hashes) {
  // BigInt: an index may be larger than 32 bits.
  let [at, last, found] = [BigInt(index), BigInt(size) - 1n, leaf];
  for (const hash of hashes) {
    if (last === 0n) return null;
    if (at & 1n || at === last) {
      found = await node(hash, found);
      while (!(at & 1n) && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else {
      found = await node(found, hash);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  return last === 0n ? found : null;
}

/** Waits until a checkpoint covers the entry, then asks for the proof; null when none does in time. */
async function proven(index, log) {
  for (let asked = 0; asked < ASKED_MAX; asked++) {
    const { logs } = await (await fetch("/v1/logs", { cache: "no-store" })).json();
    const own = logs.find((known) => known.name === log) ?? logs[0];
    if (own.published_size > index) return (await fetch(proofUrl(index, log), { cache: "no-store" })).json();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return null;
}

function proofUrl(index, log) {
  return `/v1/log/proof/inclusion?index=${index}${log ? `&log=${log}` : ""}`;
}

/** The line below an answer that speaks of an entry. */
export function place(answer, index, environment) {
  const log = environment === "sandbox" ? "sandbox" : "";
  const says = h("p", { class: "proof-says", role: "status" });
  const button = h("button", { type: "button", class: "outlined small" }, "Check the proof");
  button.addEventListener("click", async () => {
    button.disabled = true;
    says.textContent = "Waiting for a checkpoint that covers it…";
    says.textContent = await judge(answer, index, log);
    button.disabled = false;
  });
  return h("div", { class: "proof" },
    h("p", {}, "Entry ", h("b", {}, String(index)), ` of the ${environment} log · `,
      h("a", { href: proofUrl(index, log), target: "_blank", rel: "noopener" }, "inclusion proof")),
    button, says);
}

async function judge(answer, index, log) {
  let proof;
  try {
    proof = await proven(index, log);
  } catch (error) {
    return `The node did not answer: ${error.message}`;
  }
  if (!proof?.checkpoint) return "No checkpoint covers the entry yet. Ask again in a second.";
  const [origin, size, rootText] = proof.checkpoint.split("\n");
  if (!answer?.leaf_hash) return `In the tree of ${proof.size} entries; the answer names no leaf to check.`;
  if (!globalThis.crypto?.subtle) return "A browser checks hashes on https or localhost only; maip verify checks everywhere.";
  if (Number(size) !== proof.size) return "The checkpoint has moved on. Ask again.";
  const found = await root(unhex(answer.leaf_hash), index, proof.size, proof.hashes.map(bytes));
  return found && same(found, bytes(rootText))
    ? `✓ Checked in this browser: ${proof.hashes.length === 1 ? "1 hash leads" : `${proof.hashes.length} hashes lead`} from the leaf to the root of ${origin} at size ${size}. Signatures and witnesses: maip verify.`
    : "✗ The proof does not lead to the root of the checkpoint.";
}

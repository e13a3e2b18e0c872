// The right pane: the call as code, the form that makes it, and what came back.

import { copy, h, json, tabs } from "./dom.js";
import { content, isCommon } from "./operation.js";
import { place } from "./proof.js";
import { resolve } from "./schema.js";
import { samples } from "./samples.js";
import { session } from "./session.js";

/** Ids that answers have told, by name: the next operation on the same thing finds them filled in. */
const seen = new Map();
/** What was typed, by operation, so that looking elsewhere loses nothing. */
const typed = new Map();
/** Headers of an answer that are worth showing. */
const SHOWN = ["x-log-index", "idempotency-replayed", "etag", "retry-after", "deprecation", "x-ratelimit-remaining", "x-trace-id"];

function start(operation, document) {
  const values = {};
  for (const parameter of operation.parameters) {
    // A wrong id only gives a 404; a level or an index of a tile is as good as another.
    const known = operation.open && parameter.required ? sample(parameter, document) : "";
    values[parameter.name] = (parameter.in === "path" && seen.get(parameter.name)) || known;
  }
  const [, body] = content(operation.requestBody);
  return { values, body: body ? JSON.stringify(body.example ?? {}, null, 2) : "" };
}

function sample(parameter, document) {
  return String(parameter.example ?? resolve(parameter.schema, document).examples?.[0] ?? "");
}

/** The request that the form stands for. */
function request(operation, state) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = session.headers(operation);
  for (const { name, in: where } of operation.parameters) {
    const value = state.values[name] ?? "";
    if (where === "path") path = path.replace(`{${name}}`, value ? encodeURIComponent(value).replaceAll("%3A", ":") : `{${name}}`);
    else if (value === "") continue;
    else if (where === "query") query.append(name, value);
    else headers[name] = value;
  }
  const body = operation.requestBody ? state.body.trim() : "";
  if (body) headers["Content-Type"] = "application/json";
  const text = query.toString();
  return { method: operation.method, url: `${location.origin}${path}${text ? `?${text}` : ""}`, headers, body };
}

export function tryit(operation, document) {
  const state = typed.get(operation.operationId) ?? start(operation, document);
  for (const { name, in: where } of operation.parameters) {
    if (where === "path" && !state.values[name]) state.values[name] = seen.get(name) ?? "";
  }
  typed.set(operation.operationId, state);
  const result = h("div", { class: "result", "aria-live": "polite" });
  const written = () => samples(request(operation, state), operation.open);
  const code = tabs("language", written().map(([language], at) => [language, () => {
    const text = () => written()[at][1];
    return h("pre", {}, copy(text), h("code", {}, text()));
  }]));
  session.onChange(() => code.body.isConnected && code.refresh());
  const send = h("button", { type: "submit", class: "filled" }, "Send");
  const form = h("form", { class: "try", "aria-label": "Try it" }, inputs(operation, document, state, () => code.refresh()),
    h("div", { class: "send" }, send, h("span", { class: "note" }, who(operation))));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    send.textContent = "Sending…";
    result.replaceChildren(...await call(operation, request(operation, state)));
    send.disabled = false;
    send.textContent = "Send";
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
  });
  return [
    h("section", { class: "card code" }, code.list, code.body),
    h("section", { class: "card" }, h("h2", {}, "Try it"), form),
    result,
    example(operation),
  ].filter(Boolean);
}

function who(operation) {
  if (operation.open) return "Needs no credential.";
  return operation.admin ? "Needs the operator's admin key, as the API key." : "Uses the credential above.";
}

function inputs(operation, document, state, changed) {
  const input = (parameter) => {
    const { name, required } = parameter;
    const words = resolve(parameter.schema, document).enum;
    const listener = { oninput: (event) => ((state.values[name] = event.target.value), changed()) };
    const element = words
      ? h("select", { ...listener, name }, h("option", { value: "" }, "–"), words.map((word) => h("option", { value: word, selected: state.values[name] === word }, word)))
      : h("input", { ...listener, name, required, autocomplete: "off", spellcheck: "false", placeholder: sample(parameter, document), value: state.values[name] ?? "" });
    return h("label", {}, h("span", {}, name, required && h("i", { class: "required" }, " required")), element);
  };
  const list = operation.parameters.filter((parameter) => parameter.name !== "X-Environment");
  const common = list.filter(isCommon);
  return [
    ...list.filter((parameter) => !isCommon(parameter)).map(input),
    operation.requestBody && h("label", {}, h("span", {}, "Body"),
      h("textarea", {
        name: "body", spellcheck: "false", rows: Math.min(14, Math.max(3, state.body.split("\n").length)), value: state.body,
        oninput: (event) => ((state.body = event.target.value), changed()),
      })),
    common.length > 0 && h("details", {}, h("summary", {}, "More parameters"), common.map(input)),
  ].filter(Boolean);
}

async function call(operation, { method, url, headers, body }) {
  if (!operation.open && !session.key && !session.token) {
    const button = h("button", { type: "button", class: "outlined small", onclick: () => window.dispatchEvent(new Event("credentials")) }, "Enter one");
    return [h("section", { class: "card answer" }, h("p", {}, "This operation needs a credential. "), button)];
  }
  const begin = performance.now();
  let response, text;
  try {
    response = await fetch(url, { method, headers, body: body || undefined, cache: "no-store" });
    text = await response.text();
  } catch (error) {
    return [h("section", { class: "card answer" }, h("p", { class: "failed" }, `The node did not answer: ${error.message}`))];
  }
  return [shown(response, text, Math.round(performance.now() - begin))];
}

function remember(answer) {
  for (const [name, id] of Object.entries(answer ?? {})) {
    if (name.endsWith("_id") && typeof id === "string") seen.set(name, id);
  }
}

function shown(response, text, ms) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (response.ok) remember(value);
  const headers = SHOWN.filter((name) => response.headers.has(name));
  const index = value?.log_index ?? response.headers.get("x-log-index");
  return h("section", { class: "card answer" },
    h("div", { class: "answer-head" },
      h("span", { class: `status ${response.ok ? "good" : "bad"}` }, `${response.status} ${response.statusText}`.trim()),
      h("span", { class: "note" }, `${ms} ms · ${text.length.toLocaleString("en")} bytes`)),
    response.ok && index !== null && index !== undefined && place(value, Number(index), session.environment),
    value?.details?.fix && h("p", { class: "fix" }, h("b", {}, value.details.field || "Fix"), ": ", value.details.fix),
    h("pre", {}, copy(() => text), value === undefined ? h("code", {}, text) : json(value)),
    headers.length > 0 && h("details", {}, h("summary", {}, "Headers"),
      h("dl", {}, headers.flatMap((name) => [h("dt", {}, name), h("dd", {}, response.headers.get(name))]))));
}

function example(operation) {
  const good = Object.entries(operation.responses).find(([status]) => status < 300);
  const [kind, inside] = content(good?.[1]);
  if (inside?.example === undefined) return null;
  const text = kind === "application/json" ? JSON.stringify(inside.example, null, 2) : String(inside.example);
  return h("section", { class: "card code" }, h("h2", {}, `Example of an answer, ${good[0]}`),
    h("pre", {}, copy(() => text), kind === "application/json" ? json(inside.example) : h("code", {}, text)));
}

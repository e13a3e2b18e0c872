// The middle pane: what an operation does, takes and answers.

import { h, json, paragraphs } from "./dom.js";
import { field, fields } from "./schema.js";

const STATUS_WORDS = {
  200: "OK", 201: "Created", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required",
  403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 409: "Conflict", 412: "Precondition Failed",
  413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content", 429: "Too Many Requests",
  500: "Internal Server Error", 503: "Service Unavailable", 504: "Gateway Timeout",
};
/** Parameters that every operation knows: shown last and folded. */
const COMMON = new Set(["min_index", "timeout_ms", "ack", "Idempotency-Key", "X-Environment"]);

export function isCommon(parameter) {
  return COMMON.has(parameter.name);
}

export function method(name) {
  return h("span", { class: `method ${name.toLowerCase()}` }, name === "DELETE" ? "DEL" : name);
}

/** `/v1/agents/{agent_id}` with its parameters marked. */
export function path(text) {
  return h("code", { class: "path" }, text.split(/(\{[^}]+\})/).map((part) =>
    part.startsWith("{") ? h("em", {}, part) : part.split(/(?<=\/)/).flatMap((piece) => [piece, h("wbr")])));
}

/** The media type and its content. */
export function content(holder) {
  return Object.entries(holder?.content ?? {})[0] ?? [];
}

export function describe(operation, document) {
  const own = operation.parameters.filter((parameter) => !isCommon(parameter));
  const common = operation.parameters.filter(isCommon);
  const [, body] = content(operation.requestBody);
  return [
    h("p", { class: "crumb" }, h("a", { href: `#/group/${encodeURIComponent(operation.tag)}` }, operation.tag)),
    h("h1", {}, operation.summary),
    h("p", { class: "place" }, method(operation.method), path(operation.path),
      operation.deprecated && h("span", { class: "older" }, "for older clients")),
    h("div", { class: "about" }, paragraphs(operation.description)),
    own.length > 0 && h("section", {}, h("h2", {}, "Parameters"), parameters(own, document)),
    body && h("section", {}, h("h2", {}, "Body", !operation.requestBody.required && h("small", {}, " optional")),
      fields(body.schema, document)),
    common.length > 0 && h("details", { class: "folded" }, h("summary", {}, "Parameters of every operation"),
      parameters(common, document)),
    h("section", {}, h("h2", {}, "Answers"), answers(operation, document)),
  ].filter(Boolean);
}

function parameters(list, document) {
  return h("ul", { class: "fields" }, list.map((parameter) => {
    const where = { path: "in the path", query: "in the query", header: "header" }[parameter.in];
    const schema = { ...parameter.schema, description: parameter.description };
    const item = field(parameter.name, schema, document, parameter.required);
    item.querySelector(".field-kind").append(`, ${where}`);
    return item;
  }));
}

function answers(operation, document) {
  return h("div", { class: "answers" }, Object.entries(operation.responses).map(([status, answer]) => {
    const [kind, inside] = content(answer);
    const good = status < 400;
    const headers = Object.entries(answer.headers ?? {});
    return h("details", { class: good ? "good" : "refusal", open: good },
      h("summary", {}, h("b", {}, status), " ", h("span", {}, STATUS_WORDS[status] ?? ""), h("span", { class: "says" }, answer.description)),
      good && inside?.schema && kind === "application/json" && fields(inside.schema, document),
      good && kind && kind !== "application/json" && h("p", {}, h("code", {}, kind)),
      !good && inside?.example && h("pre", {}, json(inside.example)),
      headers.length > 0 && h("details", { class: "folded" }, h("summary", {}, "Headers"),
        h("ul", { class: "fields" }, headers.map(([name, header]) =>
          field(name, { ...header.schema, description: header.description }, document, false)))));
  }));
}

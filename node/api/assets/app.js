// The reference: contents on the left, an operation in the middle, its call on the right. Made from the OpenAPI document.

import { h, paragraphs } from "./dom.js";
import { describe, method, path } from "./operation.js";
import { session } from "./session.js";
import { tryit } from "./tryit.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const get = (id) => document.getElementById(id);
const main = get("main");

/** Every operation, in the order of the document. */
function operations(api) {
  const found = [];
  for (const [where, item] of Object.entries(api.paths)) {
    for (const name of METHODS.filter((name) => item[name])) {
      const operation = item[name];
      const schemes = (operation.security ?? []).flatMap(Object.keys);
      found.push({
        ...operation, path: where, method: name.toUpperCase(), tag: operation.tags[0],
        parameters: operation.parameters ?? [], open: schemes.length === 0, admin: schemes.includes("adminKey"),
        words: `${operation.summary} ${where} ${operation.operationId.replaceAll("_", " ")} ${operation.description}`.toLowerCase(),
      });
    }
  }
  return found;
}

function contents(api, all) {
  const groups = api.tags.map((tag) => {
    const own = all.filter((operation) => operation.tag === tag.name);
    if (own.length === 0) return null;
    const links = own.map((operation) => h("li", { "data-id": operation.operationId },
      h("a", { href: `#/${operation.operationId}` }, h("span", {}, operation.summary), method(operation.method))));
    return h("details", { class: "group", "data-tag": tag.name }, h("summary", {}, tag.name), h("ul", {}, links));
  });
  get("groups").replaceChildren(...groups.filter(Boolean));
}

function search(all) {
  const box = get("search");
  const find = () => {
    const wanted = box.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fits = new Set(all.filter((operation) => wanted.every((word) => operation.words.includes(word))).map((operation) => operation.operationId));
    for (const group of document.querySelectorAll("#groups .group")) {
      const items = [...group.querySelectorAll("li")];
      items.forEach((item) => (item.hidden = !fits.has(item.dataset.id)));
      group.hidden = items.every((item) => item.hidden);
      if (wanted.length > 0) group.open = true;
    }
    get("nothing").hidden = fits.size > 0;
  };
  box.addEventListener("input", find);
  box.addEventListener("keydown", (event) => {
    const first = document.querySelector("#groups .group:not([hidden]) li:not([hidden]) a");
    if (event.key === "Enter" && first) location.hash = first.hash;
    if (event.key === "Escape") ((box.value = ""), find());
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "/" && !typing) (event.preventDefault(), get("nav").classList.add("open"), box.focus());
  });
}

function home(api, all) {
  return [
    h("h1", {}, api.info.title, " API"),
    h("div", { class: "about" }, paragraphs(api.info.description)),
    h("p", {}, "Try every operation here, on this node: choose an environment above and enter a credential, or ",
      h("button", { type: "button", class: "link", onclick: () => credentials() }, "get one for the sandbox"), ". ",
      h("a", { href: "/docs/guides/quick-start" }, "The quick start"), " takes five minutes; ",
      h("a", { href: "/v1/openapi.json" }, "the OpenAPI document"), " is for programs."),
    h("div", { class: "cards" }, api.tags.map((tag) => {
      const count = all.filter((operation) => operation.tag === tag.name).length;
      return count > 0 && h("a", { class: "card", href: `#/group/${encodeURIComponent(tag.name)}` },
        h("h2", {}, tag.name), h("p", {}, tag.description ?? ""), h("p", { class: "note" }, count === 1 ? "1 operation" : `${count} operations`));
    }).filter(Boolean)),
  ];
}

function group(tag, all) {
  return [
    h("h1", {}, tag.name),
    h("div", { class: "about" }, paragraphs(tag.description)),
    h("ul", { class: "list" }, all.filter((operation) => operation.tag === tag.name).map((operation) => h("li", {},
      h("a", { href: `#/${operation.operationId}` }, method(operation.method), path(operation.path), h("span", {}, operation.summary))))),
  ];
}

function show(api, all) {
  const where = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
  const operation = all.find((operation) => operation.operationId === where);
  const tag = api.tags.find((tag) => where === `group/${tag.name}`);
  const middle = h("div", { class: "middle" }, operation ? describe(operation, api) : tag ? group(tag, all) : home(api, all));
  const right = operation && h("aside", { class: "right", "aria-label": "The call" }, tryit(operation, api));
  main.className = operation ? "operation" : "page";
  main.replaceChildren(...[middle, right].filter(Boolean));
  document.title = `${operation?.summary ?? tag?.name ?? "API"} · MAIP Ledger`;
  for (const item of document.querySelectorAll("#groups li a")) {
    const current = item.hash === location.hash && Boolean(operation);
    item.toggleAttribute("aria-current", current);
    if (current) (item.setAttribute("aria-current", "page"), (item.closest("details").open = true), item.scrollIntoView({ block: "nearest" }));
  }
  menu(false);
  window.scrollTo(0, 0);
}

function menu(open) {
  get("nav").classList.toggle("open", open);
  get("menu").setAttribute("aria-expanded", String(open));
}

function environment() {
  for (const input of document.querySelectorAll('input[name="environment"]')) {
    input.checked = input.value === session.environment;
  }
  document.documentElement.dataset.environment = session.environment;
  const there = session.token ? "Token" : session.key ? `${session.key.slice(0, 14)}…` : "Credentials";
  get("credentials-text").textContent = there;
  get("credentials").classList.toggle("there", Boolean(session.token || session.key));
}

function credentials() {
  get("credentials-environment").textContent = session.environment === "sandbox" ? "the sandbox" : "production";
  get("api-key").value = session.key;
  get("bearer").value = session.token;
  get("credentials-note").textContent = "";
  get("sandbox-key").hidden = session.environment !== "sandbox";
  get("credentials-dialog").showModal();
}

/** Where the operator allows it, anybody gets a tenant of the sandbox. */
async function sandboxKey() {
  const says = get("credentials-note");
  try {
    const response = await fetch("/v1/developers/register", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Environment": "sandbox" },
      body: JSON.stringify({ email: "playground@example.com", source: "docs" }),
    });
    const answer = await response.json();
    if (response.ok) get("api-key").value = answer.api_key;
    says.textContent = response.ok ? "A new tenant of the sandbox, with this key. Copy it if you want to keep it." : answer.message;
  } catch (error) {
    says.textContent = `The node did not answer: ${error.message}`;
  }
}

function controls() {
  get("menu").addEventListener("click", () => menu(!get("nav").classList.contains("open")));
  get("credentials").addEventListener("click", credentials);
  window.addEventListener("credentials", credentials);
  get("sandbox-key").addEventListener("click", sandboxKey);
  get("forget").addEventListener("click", () => (session.forget(), get("credentials-dialog").close()));
  get("credentials-dialog").querySelector("form").addEventListener("submit", () => session.use(get("api-key").value.trim(), get("bearer").value.trim()));
  for (const input of document.querySelectorAll('input[name="environment"]')) {
    input.addEventListener("change", () => session.choose(input.value));
  }
  session.onChange(environment);
  environment();
}

controls();
try {
  const response = await fetch("/v1/openapi.json");
  if (!response.ok) throw new Error(`status ${response.status}`);
  const api = await response.json();
  const all = operations(api);
  contents(api, all);
  search(all);
  show(api, all);
  window.addEventListener("hashchange", () => show(api, all));
} catch (error) {
  main.replaceChildren(h("p", { class: "failed" }, `The OpenAPI document of this node cannot be read: ${error.message}`));
}

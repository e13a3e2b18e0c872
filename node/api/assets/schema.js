// Schemas as people read them: fields with their types, bounds and meaning.

import { h, words } from "./dom.js";

const DEPTH_MAX = 6;

/** The schema itself, references followed, `allOf` put together. */
export function resolve(schema, document) {
  let found = schema ?? {};
  for (let step = 0; found.$ref && step < DEPTH_MAX; step++) {
    const { $ref, ...own } = found;
    found = { ...document.components.schemas[$ref.split("/").pop()], ...own };
  }
  if (!found.allOf) return found;
  const parts = found.allOf.map((part) => resolve(part, document));
  return {
    ...found,
    type: "object",
    properties: Object.assign({}, ...parts.map((part) => part.properties ?? {}), found.properties),
    required: parts.flatMap((part) => part.required ?? []),
  };
}

/** Its shapes, without the null that says "or nothing". */
function shapes(schema) {
  return (schema.oneOf ?? schema.anyOf ?? []).filter((shape) => shape.type !== "null");
}

/** A type in words. */
export function kind(schema, document) {
  const found = resolve(schema, document);
  const options = shapes(found);
  if (options.length === 1) return kind(options[0], document);
  if (options.length > 1) return options.map((shape) => kind(shape, document)).join(" or ");
  const types = [found.type ?? (found.properties ? "object" : "any")].flat().filter((type) => type !== "null");
  if (types[0] === "array") return `list of ${kind(found.items, document)}`;
  if (found.format === "date-time") return "time";
  return types.join(" or ");
}

function bounds(schema) {
  const range = (least, most, unit) =>
    least !== undefined && most !== undefined ? `${least} to ${most}${unit}`
      : most !== undefined ? `at most ${most}${unit}` : least ? `at least ${least}${unit}` : "";
  return [
    range(schema.minimum, schema.maximum, ""),
    range(schema.minLength, schema.maxLength, " characters"),
    range(schema.minItems, schema.maxItems, " items"),
    schema.default !== undefined ? `default ${JSON.stringify(schema.default)}` : "",
  ].filter(Boolean).join(", ");
}

/** One field: name, type, meaning, and what is inside it. */
export function field(name, schema, document, required, depth = 0) {
  let found = resolve(schema, document);
  if (shapes(found).length === 1) found = { ...resolve(shapes(found)[0], document), description: found.description ?? resolve(shapes(found)[0], document).description };
  const inner = inside(found, document);
  const limits = bounds(found);
  return h("li", { class: "field" },
    h("div", { class: "field-head" },
      h("code", { class: "field-name" }, name),
      h("span", { class: "field-kind" }, kind(found, document)),
      required && h("span", { class: "required" }, "required")),
    found.description && h("p", {}, words(found.description)),
    found.enum && h("p", { class: "enum" }, "One of ", found.enum.flatMap((word, at) => [at ? " " : "", h("code", {}, String(word))])),
    limits && h("p", { class: "bounds" }, limits),
    inner && depth < DEPTH_MAX && h("details", {}, h("summary", {}, "Inside"), fields(inner, document, depth + 1)));
}

/** The schema of what is inside a field, if that has fields. */
function inside(schema, document) {
  const target = schema.type === "array" || [schema.type].flat().includes("array") ? resolve(schema.items, document) : schema;
  return target.properties || shapes(target).length > 1 ? target : null;
}

/** All fields of an object; of several shapes, each. */
export function fields(schema, document, depth = 0) {
  const found = resolve(schema, document);
  const options = shapes(found);
  if (options.length > 1) {
    return h("div", { class: "shapes" }, options.map((shape, at) => {
      const own = resolve(shape, document);
      return h("details", { open: at === 0 }, h("summary", {}, own.description ? words(own.description.split(/\.\s|\.$/)[0]) : `Shape ${at + 1}`),
        fields(shape, document, depth));
    }));
  }
  if (found.type === "array" || !found.properties) return h("p", {}, kind(found, document));
  const required = new Set(found.required ?? []);
  const names = Object.keys(found.properties).sort((a, b) => required.has(b) - required.has(a));
  return h("ul", { class: "fields" },
    names.map((name) => field(name, found.properties[name], document, required.has(name), depth)));
}

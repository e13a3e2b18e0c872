// Making elements. Text is always text: nothing of an answer or of the document becomes markup.

/** An element: `h("p", { class: "note" }, "text", child)`. A property that begins with `on` is a listener. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Words with `code` in backticks. */
export function words(text) {
  return text.split(/(`[^`]+`)/).filter(Boolean).map((part) =>
    part.startsWith("`") && part.length > 2 ? h("code", {}, part.slice(1, -1)) : part);
}

/** Paragraphs of such words. */
export function paragraphs(text) {
  return (text ?? "").split(/\n\s*\n/).filter(Boolean).map((part) => h("p", {}, words(part)));
}

/** JSON in colours. */
export function json(value) {
  const text = JSON.stringify(value, null, 2);
  const code = h("code", {});
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  let last = 0;
  for (const match of text.matchAll(token)) {
    const kind = match[2] ? "key" : match[1] ? "text" : match[3] ? "word" : "number";
    const shown = match[1] ?? match[0];
    code.append(text.slice(last, match.index), h("span", { class: `json-${kind}` }, shown));
    last = match.index + shown.length;
  }
  code.append(text.slice(last));
  return code;
}

/** A button that copies a text. */
export function copy(text) {
  const button = h("button", { type: "button", class: "copy quiet", "aria-label": "Copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Cannot copy";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return button;
}

/** Tabs: `[name, makeContent]` each; remembers the choice under `group`. */
const chosen = new Map();
export function tabs(group, entries) {
  const body = h("div", { class: "tab-body", role: "tabpanel", tabindex: "0" });
  const buttons = entries.map(([name, make], at) => h("button", {
    type: "button", role: "tab", class: "quiet",
    onclick: () => show(at),
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (at + step + entries.length) % entries.length;
      show(next);
      buttons[next].focus();
    },
  }, name));
  function show(at) {
    chosen.set(group, entries[at][0]);
    buttons.forEach((button, own) => {
      button.setAttribute("aria-selected", String(own === at));
      button.tabIndex = own === at ? 0 : -1;
    });
    body.replaceChildren(...[entries[at][1]()].flat());
  }
  const start = Math.max(0, entries.findIndex(([name]) => name === chosen.get(group)));
  show(start);
  return {
    list: h("div", { class: "tabs", role: "tablist" }, buttons),
    body,
    refresh: () => show(Math.max(0, entries.findIndex(([name]) => name === chosen.get(group)))),
  };
}

// What the reader has chosen: environment and credentials. Kept for this tab only.

const PLACE = "maip-docs";
const empty = () => ({ environment: "sandbox", keys: {}, tokens: {} });
const kept = read();
const listeners = [];

function read() {
  try {
    return { ...empty(), ...JSON.parse(sessionStorage.getItem(PLACE) ?? "{}") };
  } catch {
    return empty();
  }
}

function changed() {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(kept));
  } catch {
    // Without storage, the choice lasts as long as the page.
  }
  listeners.forEach((listener) => listener());
}

/** The environment that a key itself names; undefined where it names none. */
export function environmentOf(key) {
  return /^(maip|tl)_test_/.test(key) ? "sandbox" : /^(maip|tl)_live_/.test(key) ? "production" : undefined;
}

export const session = {
  get environment() { return kept.environment; },
  get key() { return kept.keys[kept.environment] ?? ""; },
  get token() { return kept.tokens[kept.environment] ?? ""; },
  onChange(listener) { listeners.push(listener); },
  choose(environment) {
    kept.environment = environment;
    changed();
  },
  use(key, token) {
    // A key decides the environment, so it is kept with the one that it reaches.
    kept.environment = environmentOf(key) ?? kept.environment;
    kept.keys[kept.environment] = key;
    kept.tokens[kept.environment] = token;
    changed();
  },
  forget() {
    kept.keys = {};
    kept.tokens = {};
    changed();
  },
  /** Headers of the credential. A public operation is told its environment instead. */
  headers(operation) {
    const headers = {};
    if (operation.open) headers["X-Environment"] = kept.environment;
    else if (this.token) headers.Authorization = `Bearer ${this.token}`;
    else if (this.key) headers["X-API-Key"] = this.key;
    return headers;
  },
};

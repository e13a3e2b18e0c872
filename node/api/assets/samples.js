// The call that is on the screen, in the languages of those who make it.

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const python = (text) => JSON.stringify(text);

/** A credential is never written out: a sample is made to be pasted somewhere. */
function placed(request) {
  return Object.entries(request.headers).map(([name, value]) =>
    name === "X-API-Key" ? [name, "", "MAIP_API_KEY"]
      : name === "Authorization" ? [name, "Bearer ", "MAIP_TOKEN"] : [name, value, null]);
}

function curl({ method, url, body }, headers) {
  const lines = [`curl -sS ${method === "GET" ? "" : `-X ${method} `}${shell(url)}`];
  for (const [name, text, variable] of headers) {
    lines.push(variable ? `-H "${name}: ${text}$${variable}"` : `-H ${shell(`${name}: ${text}`)}`);
  }
  if (body) lines.push(`--data ${shell(body)}`);
  return lines.join(" \\\n  ");
}

function inPython({ method, url, body }, headers) {
  const list = headers.map(([name, text, variable]) =>
    `    ${python(name)}: ${variable ? `${text ? `${python(text)} + ` : ""}os.environ[${python(variable)}]` : python(text)},`);
  return [
    "import json, os, urllib.request", "",
    "request = urllib.request.Request(", `    ${python(url)},`, `    method=${python(method)},`,
    `    headers={`, ...list.map((line) => `    ${line}`), "    },",
    ...(body ? [`    data=${python(body)}.encode(),`] : []),
    ")", "with urllib.request.urlopen(request) as response:", "    print(json.load(response))",
  ].join("\n");
}

function inJavaScript({ method, url, body }, headers) {
  const list = headers.map(([name, text, variable]) =>
    `    ${JSON.stringify(name)}: ${variable ? `${text ? `${JSON.stringify(text)} + ` : ""}process.env.${variable}` : JSON.stringify(text)},`);
  return [
    `const response = await fetch(${JSON.stringify(url)}, {`, `  method: ${JSON.stringify(method)},`,
    "  headers: {", ...list, "  },", ...(body ? [`  body: ${JSON.stringify(body)},`] : []), "});",
    "console.log(await response.json());",
  ].join("\n");
}

/** Name and text of each sample of a request `{method, url, headers, body}`; one that is not open needs a credential. */
export function samples(request, open) {
  const headers = placed(request);
  const has = headers.some(([, , variable]) => variable);
  if (!open && !has) headers.unshift(["X-API-Key", "", "MAIP_API_KEY"]);
  return [["curl", curl(request, headers)], ["Python", inPython(request, headers)], ["JavaScript", inJavaScript(request, headers)]];
}

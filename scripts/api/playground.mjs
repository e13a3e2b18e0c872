// What a person does with /docs, in a browser: looks, searches, enters a key, calls, checks a proof, reads a guide.
//
// Anything that the page asks of another host, any error on its console, any step that does not come out fails the run.

import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";

const { MAIP_NODE: node, MAIP_KEY_PRODUCTION: live, MAIP_CHROMIUM: executablePath, MAIP_PLAYWRIGHT, MAIP_SHOTS: shots } = process.env;
const { chromium } = createRequire(MAIP_PLAYWRIGHT)("playwright-core");

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
fs.mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

/** Runs steps on a fresh page; afterwards nothing may have gone wrong or gone out. */
async function visit(name, { size = "desktop", colorScheme = "light", expected = [] } = {}, steps) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => message.type() === "error" && wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${node}/`) && !url.startsWith("data:")) wrong.push(`asked outside: ${url}`);
  });
  await steps(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0, `${name}: the page is ${wide} px wider than the window`);
  await page.screenshot({ path: `${shots}/${name}.png` });
  await context.close();
  const unexpected = wrong.filter((line) => !expected.some((known) => line.includes(known)));
  assert.deepEqual(unexpected, [], `${name}: ${unexpected.join("\n")}`);
  console.log(`ok ${name}`);
}

const open = async (page, place = "") => {
  await page.goto(`${node}/docs${place}`);
  await page.waitForSelector("#groups .group", { state: "attached" });
};
const send = async (page) => {
  await page.click(".try .filled");
  await page.waitForSelector(".answer .status");
  return page.textContent(".answer .status");
};
const enter = async (page, key) => {
  await page.click("#credentials");
  await page.fill("#api-key", key);
  await page.click("#save");
};
const chosen = (page) => page.getAttribute("html", "data-environment");

await visit("home", {}, async (page) => {
  await open(page);
  const groups = await page.$$eval("#groups summary", (list) => list.map((each) => each.textContent));
  assert.equal(groups[0], "Machine Agents");
  assert.ok(groups.includes("Transparency") && groups.includes("Health"));
  const api = await (await fetch(`${node}/v1/openapi.json`)).json();
  const count = Object.values(api.paths).flatMap((item) => Object.keys(item)).length;
  assert.equal(await page.locator("#groups li").count(), count, "every operation is in the contents");
});

await visit("search", {}, async (page) => {
  await open(page);
  await page.keyboard.press("/");
  await page.keyboard.type("kill");
  assert.equal(await page.locator("#groups li:visible").count() > 0, true);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("h1").textContent === "Kill switch");
});

await visit("sandbox", {}, async (page) => {
  await open(page, "#/register_agent");
  assert.equal(await chosen(page), "sandbox");
  await page.click(".try .filled");
  await page.waitForSelector(".answer");
  assert.match(await page.textContent(".answer"), /needs a credential/);
  await page.click("#credentials");
  await page.click("#sandbox-key");
  await page.waitForFunction(() => document.getElementById("api-key").value.startsWith("maip_test_"));
  await page.click("#save");
  assert.match(await send(page), /^201/);
  await page.click(".proof button");
  await page.waitForFunction(() => /✓/.test(document.querySelector(".proof-says").textContent), null, { timeout: 20_000 });
  assert.match(await page.textContent(".proof-says"), /\/sandbox at size/);
  await page.evaluate(() => document.querySelector(".answer").scrollIntoView());
  // The id of the answer is filled in where the next operation needs it.
  await page.evaluate(() => (location.hash = "#/get_agent"));
  await page.waitForFunction(() => document.querySelector("h1").textContent === "Get an agent");
  assert.match(await page.inputValue('[name="agent_id"]'), /^maip-agent:/);
  assert.match(await send(page), /^200/);
  // A credential is never written into a sample.
  for (const language of ["curl", "Python", "JavaScript"]) {
    await page.click(`.tabs button:text-is("${language}")`);
    const code = await page.textContent(".tab-body");
    assert.ok(code.includes("MAIP_API_KEY") && !code.includes("maip_test_"), code);
  }
});

await visit("production", { expected: ["422", "404"] }, async (page) => {
  await open(page, "#/create_api_key");
  // The key itself decides the environment.
  await enter(page, live);
  assert.equal(await chosen(page), "production");
  await page.fill('[name="body"]', '{"name": ""}');
  assert.match(await send(page), /^422/);
  assert.match(await page.textContent(".fix"), /name/);
  await page.fill('[name="body"]', '{"name": "from the playground"}');
  await page.click(".try .filled");
  await page.waitForFunction(() => /^201/.test(document.querySelector(".answer .status").textContent));
  // Credentials are kept apart by environment, and survive a reload of the tab.
  await page.click('.switch label:has-text("Sandbox")');
  assert.equal(await page.textContent("#credentials-text"), "Credentials");
  await page.reload();
  await page.waitForSelector("#groups .group", { state: "attached" });
  await page.click('.switch label:has-text("Production")');
  assert.match(await page.textContent("#credentials-text"), /^maip_live_/);
  await page.evaluate(() => (location.hash = "#/list_agents"));
  await page.waitForFunction(() => document.querySelector("h1").textContent === "List agents");
  assert.match(await send(page), /^200/);
});

await visit("bearer", {}, async (page) => {
  await open(page, "#/list_agents");
  await page.click('.switch label:has-text("Production")');
  await page.click("#credentials");
  await page.fill("#bearer", live);
  await page.click("#save");
  const asked = page.waitForRequest((request) => request.url().includes("/v1/agents"));
  await page.click(".try .filled");
  assert.equal((await asked).headers().authorization, `Bearer ${live}`);
  await page.waitForSelector(".answer .status.good");
});

await visit("public", {}, async (page) => {
  await open(page, "#/get_log_checkpoint");
  assert.match(await send(page), /^200/);
  await page.waitForSelector(".answer pre");
});

for (const [size, colorScheme] of [["desktop", "dark"], ["phone", "light"], ["phone", "dark"]]) {
  await visit(`operation-${size}-${colorScheme}`, { size, colorScheme }, (page) => open(page, "#/register_agent"));
  await visit(`home-${size}-${colorScheme}`, { size, colorScheme }, (page) => open(page));
  await visit(`guide-${size}-${colorScheme}`, { size, colorScheme }, (page) => page.goto(`${node}/docs/guides/quick-start`));
}
await visit("contents-phone", { size: "phone" }, async (page) => {
  await open(page, "#/kill_agent");
  await page.click("#menu");
  await page.click('#groups a:has-text("List agents")');
  await page.waitForFunction(() => document.querySelector("h1").textContent === "List agents");
  assert.equal(await page.isVisible("#nav"), false);
});

for (const guide of ["quick-start", "authorization", "policies", "trust-scores", "claims", "delegation", "orchestration", "verification"]) {
  await visit(`guide-${guide}`, {}, async (page) => {
    const response = await page.goto(`${node}/docs/guides/${guide}`);
    assert.equal(response.status(), 200);
    assert.ok((await page.locator("main h2").count()) >= 2);
    assert.equal(await page.locator('nav a[aria-current="page"]').count(), 1);
    // Every link within the pages leads somewhere.
    for (const link of await page.$$eval("main a", (list) => list.map((each) => each.href).filter((href) => href.startsWith(location.origin)))) {
      assert.equal((await fetch(link)).status, 200, link);
    }
  });
}

await browser.close();

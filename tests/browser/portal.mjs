// A walk through the portal in a real browser. node portal.mjs URL PLACE OUT_DIR
// PLACE is zoom/latitude/longitude of a spot with imagery. Writes OUT_DIR/report.json, what was seen and asked for,
// and pictures of the map; judging them is the caller's part.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DESKTOP, PHONE, askAtCentre, settled, withBrowser } from "./browser.mjs";

const [url, place, out] = process.argv.slice(2);
const report = { console: [], requests: [] };

await withBrowser(async (browser) => {
  const page = await watchedPage(browser, DESKTOP);
  await page.goto(`${url}#map=${place}`);
  await settled(page);
  report.start = await look(page, "start");

  await page.locator(".strip label").first().click();
  await settled(page);
  report.oldest = await look(page, "oldest");

  await askAtCentre(page);
  report.card = await page.locator("#scene").innerText();
  const link = page.locator("#scene a.item").first();
  report.item = await page.evaluate(
    (href) => fetch(href).then((answer) => answer.json()),
    await link.getAttribute("href"),
  );

  await page.locator("#language").click();
  report.english = await look(page, "english");
  report.englishCard = await page.locator("#scene").innerText();

  const shared = await watchedPage(browser, DESKTOP);
  await shared.goto(page.url());
  await settled(shared);
  report.shared = await look(shared, "shared");

  const keyboard = await watchedPage(browser, DESKTOP);
  await keyboard.goto(`${url}#map=${place}`);
  await settled(keyboard);
  await keyboard.locator("#map").focus();
  await keyboard.keyboard.press("Enter");
  await keyboard.locator("#scene a.item").first().waitFor();
  await keyboard.keyboard.press("Escape");
  await keyboard.locator("#scene").waitFor({ state: "hidden" });
  await keyboard.locator("#dates input:checked").focus();
  await keyboard.keyboard.press("ArrowLeft");
  await settled(keyboard);
  report.keyboard = await look(keyboard, "keyboard");

  const phone = await watchedPage(browser, PHONE);
  await phone.goto(url);
  await settled(phone);
  report.phone = await look(phone, "phone");
  report.phone.width = await phone.evaluate(() => document.scrollingElement.scrollWidth);

  report.tileFailure = await noticeWhen(browser, "**/tiles/**");
  report.nodeFailure = await noticeWhen(browser, "**/raster/layers");
});
writeFileSync(join(out, "report.json"), JSON.stringify(report));

/** A page whose requests and console are kept in the report. */
async function watchedPage(browser, device) {
  const page = await (await browser.newContext(device)).newPage();
  page.on("request", (request) => report.requests.push(request.url()));
  page.on("console", (message) => report.console.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => report.console.push(`error: ${error.message}`));
  return page;
}

/** What a person sees: texts, and the picture name.png. */
async function look(page, name) {
  await page.screenshot({ path: join(out, `${name}.png`) });
  return {
    title: await page.title(),
    heading: await page.locator("#site-title").innerText(),
    legal: await page.locator("#legal").innerText(),
    language: await page.locator("html").getAttribute("lang"),
    shown: await page.locator("#shown-date").innerText(),
    dates: await page.locator(".strip input").evaluateAll((radios) => radios.map((radio) => radio.value)),
    chosen: await page.locator("#dates input:checked").getAttribute("value"),
    layers: await page.locator("#layers .name").allInnerTexts(),
    hash: new URL(page.url()).hash,
    requests: report.requests.length,
  };
}

/** The portal's notice when the node fails at these addresses, on a page whose console may complain. */
async function noticeWhen(browser, addresses) {
  const page = await (await browser.newContext(DESKTOP)).newPage();
  await page.route(addresses, (route) => route.fulfill({ status: 503, json: { detail: "The store is away." } }));
  await page.goto(`${url}#map=${place}`);
  await page.locator("#notice").waitFor();
  return page.locator("#notice").innerText();
}

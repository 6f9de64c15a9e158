// Pictures of the portal for the documents: node screenshots.mjs URL OUT_DIR

import { join } from "node:path";
import { DESKTOP, askAtCentre, settled, withBrowser } from "./browser.mjs";

const [url, out] = process.argv.slice(2);

await withBrowser(async (browser) => {
  await picture(browser, "portal-zh", "#lang=zh", async (page) => askAtCentre(page));
  await picture(browser, "portal-en", "#lang=en", async (page) => {
    await page.locator(".strip label").first().click();
  });
});

async function picture(browser, name, hash, act) {
  const page = await (await browser.newContext(DESKTOP)).newPage();
  await page.goto(`${url}${hash}`);
  await settled(page);
  await act(page);
  await settled(page);
  await page.screenshot({ path: join(out, `${name}.png`) });
}

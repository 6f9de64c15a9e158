// Pictures of the portal for the documents: node screenshots.mjs URL OUT_DIR

import { join } from "node:path";
import { DESKTOP, PHONE, askAtCentre, settled, withBrowser } from "./browser.mjs";

const [url, out] = process.argv.slice(2);

await withBrowser(async (browser) => {
  await picture(browser, "portal-zh", DESKTOP, "#lang=zh", async (page) => askAtCentre(page));
  await picture(browser, "portal-en", DESKTOP, "#lang=en", async (page) => {
    await page.locator(".strip label").first().click();
  });
  await picture(browser, "portal-dark", { ...DESKTOP, colorScheme: "dark" }, "#lang=zh");
  await picture(browser, "portal-phone", PHONE, "#lang=zh");
});

async function picture(browser, name, device, hash, act = async () => {}) {
  const page = await (await browser.newContext(device)).newPage();
  await page.goto(`${url}${hash}`);
  await settled(page);
  await act(page);
  await settled(page);
  await page.screenshot({ path: join(out, `${name}.png`) });
}

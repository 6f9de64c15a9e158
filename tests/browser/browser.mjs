// Chromium as the portal's tests and screenshots drive it.

import { chromium } from "playwright-core";

const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 3, hasTouch: true };

/** Run `work` with a fresh browser and close it whatever happens. */
export async function withBrowser(work) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: QUIET });
  try {
    await work(browser);
  } finally {
    await browser.close();
  }
}

/** Wait until the map has drawn its tiles and the dates in view are known. */
export async function settled(page) {
  await page.locator('#map[aria-busy="false"]').waitFor();
  await page.locator("#time:not([aria-busy]) .strip label").first().waitFor();
  // The last tiles fade in.
  await page.waitForTimeout(600);
  await page.locator('#map[aria-busy="false"]').waitFor();
}

/** Click the middle of the map and wait for the card with its link. */
export async function askAtCentre(page) {
  const { width, height } = page.viewportSize();
  await page.mouse.click(width / 2, height / 2);
  await page.locator("#scene a.item").first().waitFor();
}

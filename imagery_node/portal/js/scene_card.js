// The card about the imagery at the clicked place.

import { byId, element } from "./dom.js";
import { clock, fullDay, platformCode, platformName, position, shortDay } from "./format.js";
import { itemPath } from "./node.js";

const card = byId("scene");

/** Show what was found at a place: `scenes` topmost first, or undefined while asking. `close` is called by its button. */
export function showCard({ place, scenes, thumbnail }, language, text, close) {
  const button = element("button", { type: "button", className: "close", title: text.close }, "×");
  button.setAttribute("aria-label", text.close);
  button.addEventListener("click", close);
  card.replaceChildren(button, ...body(place, scenes, thumbnail, language, text));
  card.hidden = false;
}

/** Take the card away. */
export function hideCard() {
  card.hidden = true;
  card.replaceChildren();
}

function body(place, scenes, thumbnail, language, text) {
  if (scenes === undefined) return [element("p", {}, text.searching)];
  if (!scenes[0]?.used) return [element("p", {}, text.noScene), facts([[text.position, position(place)]])];
  const [top, ...below] = scenes;
  const times = [text.beijingTime(clock(top.datetime, "Asia/Shanghai")), `${clock(top.datetime, "UTC")} UTC`];
  return [
    thumbnail ? element("img", { src: thumbnail, alt: text.thumbnail }) : null,
    element("h2", {}, fullDay(top.datetime, language)),
    facts([
      [text.acquired, (language === "zh" ? times : times.reverse()).join("\n")],
      [text.platform, top.satellite && platformName(top.satellite, language)],
      [text.instruments, top.sensor?.toUpperCase()],
      [text.gsd, top.gsd && text.gsdValue(Number(top.gsd.toFixed(2)))],
      [text.cloud, top.cloud_cover === null ? text.unknown : `${Math.round(top.cloud_cover)} %`],
      [text.position, position(place)],
    ]),
    itemLink(top, text.item),
    below.length ? others(below, language, text) : null,
  ].filter(Boolean);
}

/** A list of names and values; what is not known of a scene is left out. */
function facts(rows) {
  const known = rows.filter(([, value]) => value);
  return element("dl", {}, ...known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function itemLink(scene, label) {
  return element(
    "a",
    { href: itemPath(scene), target: "_blank", rel: "noopener", className: "item", title: scene.title },
    label,
  );
}

function others(scenes, language, text) {
  const line = (scene) => {
    const year = scene.datetime.slice(0, 4);
    const label = `${year} · ${shortDay(scene.datetime, language)} · ${platformCode(scene.satellite ?? "")}`;
    return element("li", {}, itemLink(scene, label));
  };
  return element(
    "details",
    {},
    element("summary", {}, text.below(scenes.length)),
    element("ul", {}, ...scenes.map(line)),
  );
}

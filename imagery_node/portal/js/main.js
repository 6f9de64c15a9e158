// The portal: one state, shown by the map, the layer list, the time strip and the scene card.

import { readAddress, writeAddress } from "./address.js";
import { byId, element } from "./dom.js";
import { showLayers } from "./layer_list.js";
import { createMap, overlap, tileAt } from "./map.js";
import { MESSAGES } from "./messages.js";
import { askDates, askItem, askNode, askScenes, hasImagery, newestOnly } from "./node.js";
import { hideCard, showCard } from "./scene_card.js";
import { listenForDates, markDate, showDates } from "./time_strip.js";

/** The last zoom of the grid: a tile of it, two metres wide, stands for a place on the map. */
const POINT_ZOOM = 24;

const asked = readAddress();
const state = {
  language: asked.language,
  date: asked.date,
  site: null,
  layer: null,
  layers: [],
  dates: null,
  card: null,
  tilesPending: 0,
  notice: null,
};
const map = createMap(byId("map"), { scale: byId("scale"), coordinates: byId("coordinates") });
const newestDates = newestOnly();
const newestScenes = newestOnly();
const text = () => MESSAGES[state.language];

async function start() {
  showTexts();
  try {
    Object.assign(state, await askNode());
  } catch (failure) {
    showFailure(failure, start);
    return;
  }
  clearNotice();
  const layers = state.layers.filter(hasImagery);
  const layer = layers.find(({ id }) => id === asked.layer) ?? layers[0];
  if (!layer) {
    notice((words) => words.empty);
    showTexts();
    return;
  }
  state.layer = layer;
  showTexts();
  if (asked.view) map.place = asked.view;
  else map.fit(layer.bbox, freeMargins(), { animate: false });
  drawMap();
  map.onMoved(moved);
  map.onAsked(inspect);
}

function chooseLayer(id) {
  state.layer = state.layers.find((layer) => layer.id === id);
  if (!overlap(state.layer.bbox, map.bbox)) map.fit(state.layer.bbox, freeMargins(), { animate: true });
  closeCard();
  drawMap();
  moved();
}

function chooseDate(date) {
  state.date = date;
  closeCard();
  drawMap();
  showDate();
  writeHash();
}

function chooseLanguage() {
  state.language = state.language === "zh" ? "en" : "zh";
  showTexts();
  writeHash();
}

/** The view has changed: ask which dates are here now. */
async function moved() {
  writeHash();
  byId("time").setAttribute("aria-busy", "true");
  try {
    const dates = await newestDates((signal) => askDates(state.layer.id, map.bbox, signal));
    if (!dates) return;
    state.dates = dates;
    if (state.notice?.retry === moved) clearNotice();
  } catch (failure) {
    state.dates = null;
    showFailure(failure, moved);
  }
  showTime();
  byId("time").removeAttribute("aria-busy");
}

/** Tell about the imagery at a place (longitude, latitude). */
async function inspect(place) {
  state.card = { place };
  map.mark(place);
  showScene();
  try {
    const tile = tileAt(place, POINT_ZOOM);
    const scenes = await newestScenes((signal) => askScenes(state.layer.id, tile, state.date, signal));
    if (!scenes) return;
    state.card = { place, scenes };
    showScene();
    if (scenes[0]?.used) await addItem(place, scenes);
  } catch (failure) {
    closeCard();
    showFailure(failure, () => inspect(place));
  }
}

async function addItem(place, scenes) {
  const item = await newestScenes((signal) => askItem(scenes[0], signal));
  if (!item) return;
  map.mark(place, item.geometry);
  const href = item.assets.thumbnail?.href;
  // Only the path: behind another host name the node's own addresses may name that other one.
  const thumbnail = href && new URL(href, location.href).pathname;
  state.card = { place, scenes, thumbnail };
  showScene();
}

function closeCard() {
  newestScenes(async () => undefined);
  state.card = null;
  map.unmark();
  hideCard();
}

function drawMap() {
  clearNotice();
  map.show(state.layer, state.date, {
    onTile(change) {
      state.tilesPending += change;
      byId("map").setAttribute("aria-busy", String(state.tilesPending > 0));
      byId("progress").hidden = state.tilesPending === 0;
    },
    onFailed: () => notice((words) => words.tilesFailed, map.retry),
  });
}

function showTexts() {
  const words = text();
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", words[node.dataset.label]);
    if (node.matches("button")) node.title = words[node.dataset.label];
  }
  byId("language").textContent = words.otherLanguage;
  byId("language").lang = state.language === "zh" ? "en" : "zh-CN";
  byId("site-title").textContent = document.title = state.site?.name || words.siteTitle;
  showCredits();
  showLayers(state.layers, state.layer?.id, state.language, chooseLayer);
  showTime();
  if (state.card) showScene();
  if (state.notice) showNotice();
}

function showCredits() {
  const { attribution, review_number: number } = state.site ?? {};
  const parts = [attribution, number && text().reviewNumber(number)];
  byId("legal").textContent = parts.filter(Boolean).join(" · ");
}

function showTime() {
  byId("time").hidden = !state.layer;
  showDates(state.dates, state.language, text());
  showDate();
}

const showDate = () => markDate(state.date, state.dates, state.language, text());
const showScene = () => showCard(state.card, state.language, text(), closeCard);

function writeHash() {
  writeAddress({ view: map.place, layer: state.layer?.id, date: state.date, language: state.language });
}

/** Room that the panels take at the edges of the map: top, right, bottom, left in pixels. */
function freeMargins() {
  const panel = document.querySelector("header").getBoundingClientRect();
  const dock = document.querySelector(".dock").getBoundingClientRect();
  const beside = panel.width < innerWidth / 2;
  return [beside ? 24 : panel.bottom + 12, 24, innerHeight - dock.top + 12, beside ? panel.right + 24 : 24];
}

/** Tell of something in the dock: `sentence` gives it in the words of a language; `retry` tries again. */
function notice(sentence, retry = null) {
  state.notice = { sentence, retry };
  showNotice();
}

function clearNotice() {
  state.notice = null;
  byId("notice").hidden = true;
}

function showNotice() {
  const { sentence, retry } = state.notice;
  const button = element("button", { type: "button", hidden: !retry }, text().retry);
  button.addEventListener("click", () => {
    clearNotice();
    retry();
  });
  byId("notice").replaceChildren(element("span", {}, sentence(text())), button);
  byId("notice").hidden = false;
}

function showFailure(failure, retry) {
  if (!failure.kind) throw failure;
  const { kind, requestId } = failure;
  notice((words) => (requestId ? `${words[kind]} ${words.requestId(requestId)}` : words[kind]), retry);
}

byId("language").addEventListener("click", chooseLanguage);
byId("zoom-in").addEventListener("click", () => map.zoomBy(+1));
byId("zoom-out").addEventListener("click", () => map.zoomBy(-1));
byId("fit").addEventListener("click", () => state.layer && map.fit(state.layer.bbox, freeMargins(), { animate: true }));
addEventListener("keydown", ({ key }) => key === "Escape" && closeCard());
// Someone put another shared link into this very page; our own changes of the hash do not fire this.
addEventListener("hashchange", () => location.reload());
listenForDates(chooseDate);
start();

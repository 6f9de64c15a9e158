// The time strip: the dates of the place in view, oldest left, and "latest" at its end.

import { byId, element } from "./dom.js";
import { fullDay, platformCode, shortDay } from "./format.js";

const strip = byId("dates").querySelector(".strip");
/** Sorts after every ISO date. */
const LATEST = "latest";

/** Call `choose` with the date a person picks: an ISO date, or null for the latest. */
export function listenForDates(choose) {
  byId("dates").addEventListener("change", (event) => choose(event.target.value || null));
  byId("earlier").addEventListener("click", () => earlier()?.click());
  byId("later").addEventListener("click", () => later()?.click());
}

/** Draw the dates in view, none while they are not known (null); `text` holds the messages of the language. */
export function showDates(known, language, text) {
  const dates = known ?? [];
  const years = [...new Set(dates.map(yearOf))];
  strip.replaceChildren(
    ...years.map((year) => {
      const choices = dates.filter((entry) => yearOf(entry) === year).map((entry) => choice(entry, language, text));
      const group = element("div", { className: "year" }, element("b", {}, year), ...choices);
      group.style.flexGrow = choices.length;
      return group;
    }),
  );
}

/** Mark the date that the map shows; null is the latest. */
export function markDate(date, dates, language, text) {
  byId("shown-date").textContent = date ? fullDay(date, language) : text.latest;
  byId("date-count").textContent = dates ? summary(date, dates, text) : "";
  byId("dates").dataset.shown = date ?? LATEST;
  for (const radio of radios()) radio.checked = radio.value === (date ?? "");
  byId("earlier").disabled = !earlier();
  byId("later").disabled = !later();
  const chosen = radios().find((radio) => radio.checked && radio.value);
  if (chosen) chosen.closest("label").scrollIntoView({ block: "nearest", inline: "center" });
  else strip.scrollLeft = date ? 0 : strip.scrollWidth;
}

function summary(date, dates, text) {
  if (dates.length === 0) return text.noDates;
  const here = date === null || dates.some((entry) => entry.date === date);
  return here ? text.dateCount(dates.length) : text.notHere;
}

const yearOf = ({ date }) => date.slice(0, 4);

function choice({ date, scenes, platforms }, language, text) {
  return element(
    "label",
    { title: `${fullDay(date, language)} · ${text.sceneCount(scenes)}` },
    element("input", { type: "radio", name: "date", value: date }),
    element("span", { className: "dot" }),
    element("span", { className: "day" }, shortDay(date, language)),
    element("span", { className: "platforms" }, platforms.map(platformCode).join(" ")),
  );
}

const radios = () => [...byId("dates").querySelectorAll("input")];
const timeOf = (radio) => radio.value || LATEST;
const earlier = () => radios().findLast((radio) => timeOf(radio) < byId("dates").dataset.shown);
const later = () => radios().find((radio) => timeOf(radio) > byId("dates").dataset.shown);

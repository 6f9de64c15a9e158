// The address hash: what is seen, so that a link can be shared. #map=12.5/39.90000/116.40000&layer=img&date=2024-03-15&lang=en

/** What the hash asks for; whatever it does not say, or says wrongly, is null. */
export function readAddress() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const [zoom, latitude, longitude] = (hash.get("map") ?? "").split("/").map(Number);
  const onMap = Number.isFinite(zoom) && Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  const date = hash.get("date");
  return {
    view: onMap ? { zoom, latitude, longitude } : null,
    layer: hash.get("layer"),
    date: /^\d{4}-\d{2}-\d{2}$/.test(date) ? date : null,
    language: hash.get("lang") === "en" ? "en" : "zh",
  };
}

/** Put what is seen into the hash without adding to the browser's history. */
export function writeAddress({ view, layer, date, language }) {
  const parts = [`map=${view.zoom.toFixed(2)}/${view.latitude.toFixed(5)}/${view.longitude.toFixed(5)}`];
  if (layer) parts.push(`layer=${encodeURIComponent(layer)}`);
  if (date) parts.push(`date=${date}`);
  if (language !== "zh") parts.push(`lang=${language}`);
  history.replaceState(null, "", `#${parts.join("&")}`);
}

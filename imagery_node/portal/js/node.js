// What the portal asks the node. Every path is relative, so the portal also works below a path prefix of a proxy.

/** A failed request; `kind` is a key of the messages, `requestId` finds it in the node's log. */
export class NodeError extends Error {
  constructor(kind, requestId = null) {
    super(kind);
    this.kind = kind;
    this.requestId = requestId;
  }
}

/** Whose node this is and what it shows: {site: {name, attribution, review_number}, layers}. */
export const askNode = () => askJson("raster/layers");

/** Whether a layer holds any scene: only then is the end of its time known. */
export const hasImagery = ({ interval }) => interval[1] !== null;

/** The acquisition dates of a layer inside a box (west, south, east, north in degrees), oldest first. */
export async function askDates(layer, bbox, signal) {
  const { dates } = await askJson(`raster/layers/${encodeURIComponent(layer)}/dates?bbox=${bbox.join(",")}`, signal);
  return dates.sort((a, b) => a.date.localeCompare(b.date));
}

/** The scenes of one tile: those with pixels in its picture before those without, topmost first. */
export async function askScenes(layer, [z, x, y], date, signal) {
  const { scenes } = await askJson(tilePath(layer, `${z}/${x}/${y}/scenes`, date), signal);
  return scenes.sort((a, b) => Number(b.used) - Number(a.used));
}

/** The address of a scene's STAC item. */
export const itemPath = ({ collection, item }) =>
  `stac/collections/${encodeURIComponent(collection)}/items/${encodeURIComponent(item)}`;

/** The STAC item of a scene. */
export const askItem = (scene, signal) => askJson(itemPath(scene), signal);

/** One map tile as a picture; null where nothing was imaged. */
export async function askTile(layer, z, x, y, date, signal) {
  const answer = await ask(tilePath(layer, `${z}/${x}/${y}`, date), { signal });
  return answer.status === 204 ? null : createImageBitmap(await answer.blob());
}

function tilePath(layer, rest, date) {
  const datetime = date ? `?datetime=${date}/${date}` : "";
  return `raster/layers/${encodeURIComponent(layer)}/tiles/WebMercatorQuad/${rest}${datetime}`;
}

async function askJson(path, signal) {
  const answer = await ask(path, { signal });
  return answer.json();
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new NodeError("unreachable");
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new NodeError(kindOf(answer.status, problem.code), problem.request_id);
}

function kindOf(status, code) {
  if (code === "limit.scenes") return "tooManyScenes";
  if (status === 404) return "notFound";
  return status < 500 ? "refused" : "nodeFailed";
}

/** Of overlapping requests only the newest matters: starting one aborts the one before, which then gives undefined. */
export function newestOnly() {
  let controller = new AbortController();
  return async (request) => {
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    try {
      const answer = await request(signal);
      return signal.aborted ? undefined : answer;
    } catch (failure) {
      if (signal.aborted) return undefined;
      throw failure;
    }
  };
}

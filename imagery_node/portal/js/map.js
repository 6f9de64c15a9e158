// The map: OpenLayers (a plain script, global `ol`) with one imagery layer over a graticule.

import { position } from "./format.js";
import { askTile } from "./node.js";

const WGS84 = "EPSG:4326";
const NOTHING_IMAGED = document.createElement("canvas");
/** On a dense screen each 256-pixel tile is drawn 128 wide: still the stored tiles, only sharper. */
const TILE_WIDTH = devicePixelRatio > 1.25 ? 128 : 256;
const DEEPER_THAN_LAYER = 3;

/** A map inside `target`; `readouts` names the elements for its scale and coordinates. */
export function createMap(target, readouts) {
  const map = new ol.Map({
    target,
    controls: [
      new ol.control.ScaleLine({ target: readouts.scale, minWidth: 72 }),
      new ol.control.MousePosition({
        target: readouts.coordinates,
        projection: WGS84,
        coordinateFormat: position,
        placeholder: "",
      }),
    ],
    view: new ol.View({ center: ol.proj.fromLonLat([105, 35]), zoom: 4, maxZoom: 20, enableRotation: false }),
  });
  map.addLayer(graticule());
  const marks = addMarks(map);
  const view = map.getView();
  let imagery = null;

  return {
    /**
     * Draw a layer as of a date (null: the latest). The picture before stays until the new one is complete.
     * `events` are told of tiles: onTile(+1) when one is asked for, onTile(-1) when it is done, onFailed() when it failed.
     */
    show(layer, date, events) {
      const before = imagery;
      imagery = imageryLayer(layer, date, events);
      view.setMaxZoom(layer.maxzoom + DEEPER_THAN_LAYER);
      map.getLayers().insertAt(map.getLayers().getLength() - 1, imagery); // below the marks
      map.once("rendercomplete", () => before && map.removeLayer(before));
    },
    retry: () => imagery?.getSource().refresh(),

    /** Bring a box (west, south, east, north in degrees) into view. */
    fit(bbox, padding, { animate }) {
      const duration = animate && !matchMedia("(prefers-reduced-motion: reduce)").matches ? 400 : 0;
      view.fit(toMap(bbox), { padding, duration, maxZoom: 17 });
    },
    zoomBy: (steps) => view.animate({ zoom: view.getZoom() + steps, duration: 150 }),

    /** What is in view: {zoom, latitude, longitude}. */
    get place() {
      const [longitude, latitude] = ol.proj.toLonLat(view.getCenter());
      return { zoom: view.getZoom(), latitude, longitude };
    },
    set place({ zoom, latitude, longitude }) {
      view.setCenter(ol.proj.fromLonLat([longitude, latitude]));
      view.setZoom(zoom);
    },
    /** The box in view, west, south, east, north in degrees, inside the world of Web Mercator. */
    get bbox() {
      const world = ol.proj.get("EPSG:3857").getExtent();
      const inView = ol.extent.getIntersection(view.calculateExtent(map.getSize()), world);
      return ol.proj.transformExtent(inView, "EPSG:3857", WGS84).map((degrees) => Number(degrees.toFixed(6)));
    },

    /** Mark a place (longitude, latitude) and, once it is known, the footprint of its scene (GeoJSON geometry). */
    mark(place, footprint) {
      const features = [new ol.Feature(new ol.geom.Point(ol.proj.fromLonLat(place)))];
      if (footprint) {
        const geometry = new ol.format.GeoJSON({ featureProjection: "EPSG:3857" }).readGeometry(footprint);
        features.unshift(new ol.Feature(geometry));
      }
      marks.clear();
      marks.addFeatures(features);
    },
    unmark: () => marks.clear(),

    onMoved: (listener) => map.on("moveend", listener),
    /** `listener` gets the place (longitude, latitude) of a click, or the centre when Enter is pressed. */
    onAsked(listener) {
      map.on("singleclick", ({ coordinate }) => listener(ol.proj.toLonLat(coordinate)));
      target.addEventListener("keydown", ({ key }) => {
        if (key === "Enter") listener(ol.proj.toLonLat(view.getCenter()));
      });
    },
  };
}

/** Column and row of the tile at a place (longitude, latitude) and zoom, as [z, x, y]. */
export function tileAt(place, zoom) {
  return ol.tilegrid.createXYZ().getTileCoordForCoordAndZ(ol.proj.fromLonLat(place), zoom);
}

/** Whether two boxes in degrees have a place in common. */
export const overlap = (bbox, other) => ol.extent.intersects(bbox, other);

const toMap = (bbox) => ol.proj.transformExtent(bbox, WGS84, "EPSG:3857");

function imageryLayer(layer, date, { onTile, onFailed }) {
  const loader = async (z, x, y, { signal }) => {
    onTile(+1);
    try {
      return (await askTile(layer.id, z, x, y, date, signal)) ?? NOTHING_IMAGED;
    } catch (failure) {
      if (!signal.aborted) onFailed();
      throw failure;
    } finally {
      onTile(-1);
    }
  };
  const tileGrid = ol.tilegrid.createXYZ({ tileSize: TILE_WIDTH, minZoom: layer.minzoom, maxZoom: layer.maxzoom });
  const source = new ol.source.ImageTile({ loader, tileGrid, tileSize: 256, transition: 160 });
  return new ol.layer.Tile({ source, extent: toMap(layer.bbox), className: "imagery" });
}

function graticule() {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const label = (place) =>
    new ol.style.Text({
      font: "11px system-ui, sans-serif",
      fill: new ol.style.Fill({ color: colour("--grid-text") }),
      ...place,
    });
  const degrees = (hemispheres) => (value) =>
    ol.coordinate
      .degreesToStringHDMS(hemispheres, value)
      .replace(/ (00′ )?00″/, "")
      .replaceAll(" ", "");
  return new ol.layer.Graticule({
    strokeStyle: new ol.style.Stroke({ color: colour("--grid"), width: 1 }),
    showLabels: true,
    lonLabelFormatter: degrees("EW"),
    latLabelFormatter: degrees("NS"),
    lonLabelStyle: label({ textBaseline: "top", offsetY: 6 }),
    latLabelStyle: label({ textAlign: "end", offsetX: -6 }),
    lonLabelPosition: 1,
    latLabelPosition: 1,
    wrapX: false,
  });
}

function addMarks(map) {
  const source = new ol.source.Vector();
  const line = (color, width) => new ol.style.Style({ stroke: new ol.style.Stroke({ color, width }) });
  const dot = new ol.style.Style({
    image: new ol.style.Circle({
      radius: 6,
      fill: new ol.style.Fill({ color: "#0b6b5d" }),
      stroke: new ol.style.Stroke({ color: "#fff", width: 2 }),
    }),
  });
  const style = (feature) =>
    feature.getGeometry().getType() === "Point" ? dot : [line("rgba(0, 0, 0, 0.45)", 4), line("#fff", 1.5)];
  map.addLayer(new ol.layer.Vector({ source, style }));
  return source;
}

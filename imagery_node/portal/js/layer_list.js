// The list of layers.

import { byId, element } from "./dom.js";
import { titleIn } from "./format.js";
import { hasImagery } from "./node.js";

/** Show the layers, one of them chosen; `choose` is called with the id of another. */
export function showLayers(layers, chosen, language, choose) {
  const choices = layers.map((layer) => {
    const checked = layer.id === chosen;
    const radio = element("input", {
      type: "radio",
      name: "layer",
      value: layer.id,
      checked,
      disabled: !hasImagery(layer),
    });
    radio.addEventListener("change", () => choose(layer.id));
    return element(
      "label",
      {},
      radio,
      element("span", { className: "name" }, titleIn(layer.title, language)),
      element("span", { className: "code" }, layer.id),
    );
  });
  byId("layers")
    .querySelector(".choices")
    .replaceChildren(...choices);
  byId("layers").hidden = layers.length === 0;
}

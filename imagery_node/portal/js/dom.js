// Making page elements. Text from the node only ever becomes a text node, never HTML.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element: properties are set on it, children are elements or plain text. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

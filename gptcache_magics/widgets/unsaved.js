// HTML from Python, in which all foreign text is escaped. It comes as a message and is not saved with the notebook.

/** @param {import("@anywidget/types").RenderProps} context */
function render({ model, el }) {
  const receive = (/** @type {{unsaved?: {value?: string}}} */ { unsaved }) => {
    if (unsaved?.value === undefined) return;
    el.innerHTML = unsaved.value;
    if (el.closest("[data-pressed]")) /** @type {HTMLElement?} */ (el.querySelector("[data-focus]"))?.focus();
  };
  model.on("msg:custom", receive);
  model.send({ want: "unsaved" });
  return () => model.off("msg:custom", receive);
}

export default { render };

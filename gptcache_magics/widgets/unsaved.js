// HTML from Python, in which all foreign text is escaped. It comes as a message and is not saved with the notebook.

/** @param {import("@anywidget/types").RenderProps} context */
function render({ model, el }) {
  const heard = (/** @type {{told?: {value?: string}}} */ { told }) => {
    if (told?.value !== undefined) el.innerHTML = told.value;
  };
  model.on("msg:custom", heard);
  model.send({ want: "told" });
  return () => model.off("msg:custom", heard);
}

export default { render };

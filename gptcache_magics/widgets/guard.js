// Keeps the notebook's one-letter shortcuts away from the panel, hides the saved form while the panel is shown, and marks
// a panel whose kernel is gone.
//
// With the focus on a tab or a button of an output, pressing d twice would delete the notebook cell. Lab looks for an
// attribute of the focused element. Tabs and buttons come and go, so each element gets the attribute with the focus:
// before any key can reach it.
//
// Front ends mark the views of a kernel that restarts or cannot be reached, but not of one that a person shuts down.

/** @typedef {{saved: string}} Traits */

/** @typedef {{connect(slot: () => void): void, disconnect(slot: () => void): void}} Signal */

/** @param {FocusEvent} event */
function mark({ target }) {
  if (target instanceof Element && target.closest(".gptcache-panel"))
    target.setAttribute("data-lm-suppress-shortcuts", "true");
}

/** @param {import("@anywidget/types").RenderProps<Traits>} context */
function render({ model, el }) {
  el.style.display = "none";
  document.addEventListener("focusin", mark); // a second view adds the same listener, which has no effect
  const saved = `.${model.get("saved")}`;
  const style = document.createElement("style"); // removed with this view
  style.textContent = `${saved}, :is(.jp-OutputArea-child, .output_area):has(> * > ${saved}) { display: none !important; }`;
  el.append(style);
  /** @type {Signal | undefined} */
  const shutDown = /** @type {any} */ (model.widget_manager)?.kernel?.disposed;
  const note = () => el.closest(".gptcache-panel")?.classList.add("gptcache-is-gone");
  shutDown?.connect(note);
  return () => {
    shutDown?.disconnect(note);
  };
}

export default { render };

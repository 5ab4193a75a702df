// Keeps the notebook's one-letter shortcuts away from the panel, hides the saved form while the panel is shown, marks a
// panel whose kernel is gone, and shows panels from now on: where it cannot run, a panel is only errors and stays hidden.
//
// With the focus on a tab or a button of an output, pressing d twice would delete the notebook cell. Lab looks for an
// attribute of the focused element. Tabs and buttons come and go, so each element gets the attribute with the focus:
// before any key can reach it.
//
// Front ends mark the views of a kernel that restarts or cannot be reached, but not of one that a person shuts down.

//
// It tells Python the width of the panel, so that charts use all of it. Letters keep their size.

/** @typedef {{saved: string, room: number}} Traits */

/** @typedef {{connect(slot: () => void): void, disconnect(slot: () => void): void}} Signal */

/** @param {FocusEvent} event */
function mark({ target }) {
  if (target instanceof Element && target.closest(".gptcache-panel"))
    target.setAttribute("data-lm-suppress-shortcuts", "true");
}

/** @param {import("@anywidget/types").RenderProps<Traits>} context */
function render({ model, el }) {
  Object.assign(el.style, { height: "0", margin: "-8px 0 0", overflow: "hidden" }); // takes the gap back
  document.documentElement.classList.add("gptcache-alive");
  document.addEventListener("focusin", mark); // a second view adds the same listener, which has no effect
  const saved = `.${model.get("saved")}`;
  const style = document.createElement("style"); // removed with this view
  style.textContent = `${saved}, :is(.jp-OutputArea-child, .output_area):has(> * > ${saved}) { display: none !important; }`;
  el.append(style);
  /** @type {Signal | undefined} */
  const shutDown = /** @type {any} */ (model.widget_manager)?.kernel?.disposed;
  const note = () => el.closest(".gptcache-panel")?.classList.add("gptcache-is-gone");
  shutDown?.connect(note);
  /** @type {number | undefined} */
  let waiting;
  const widths = new ResizeObserver(([{ contentRect }]) => {
    const room = Math.floor(contentRect.width / 10) * 10;
    clearTimeout(waiting);
    if (!room || room === model.get("room")) return;
    waiting = setTimeout(() => {
      model.set("room", room);
      model.save_changes();
    }, 200);
  });
  widths.observe(el);
  return () => {
    clearTimeout(waiting);
    widths.disconnect();
    shutDown?.disconnect(note);
  };
}

export default { render };

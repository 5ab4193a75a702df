// Two buttons for the selected rows: is the stored answer right for the question? Python labels the rows and reports.

/** @typedef {{grid: string, shown: boolean, writable: boolean, said: string, failed: boolean}} Traits */
/** @typedef {import("@anywidget/types").AnyModel<{selection: string[]}>} Table */

const HINTS = [
  "Select a pair to compare both answers; Space or Ctrl+click adds one.",
  "Is the stored answer right for what was asked?",
];
const READONLY = "This store can only be read.";

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** @param {import("@anywidget/types").RenderProps<Traits>} context */
function render({ model, el }) {
  /** @type {Table | undefined} */
  let table; // model of the table: its selection is known here before the kernel knows it
  let heard = true; // whether the report is about the present selection
  const ids = () => table?.get("selection") ?? [];
  const can = () => model.get("writable") && ids().length > 0;
  const button = (/** @type {boolean} */ right, /** @type {string} */ text) => {
    const made = make("button", { type: "button", class: "gptcache-button" }, text);
    made.onclick = () => {
      if (can()) model.send({ ids: ids(), right });
    };
    return made;
  };
  const buttons = [button(true, "Right"), button(false, "Wrong")];
  const said = make("span", { role: "status" });
  const line = make("span", { class: "gptcache-said-line" }, said);
  const bar = make("div", { role: "group", "aria-label": "Verdict on the selected pairs" }, ...buttons, line);
  const root = make("div", { class: "gptcache-actions" }, bar);
  el.append(root);

  function draw() {
    root.hidden = !model.get("shown");
    // Not "disabled", which would drop the focus: the next key would reach the notebook.
    for (const each of buttons) each.setAttribute("aria-disabled", String(!can()));
    const hint = model.get("writable")
      ? (HINTS[ids().length] ?? `${ids().length.toLocaleString("en")} pairs selected`)
      : READONLY;
    said.textContent = (heard && model.get("said")) || hint;
    said.classList.toggle("is-failed", heard && model.get("failed"));
  }
  function hear() {
    heard = true;
    draw();
  }
  function select() {
    heard = false;
    draw();
  }

  root.onkeydown = (event) => event.stopPropagation();
  model.widget_manager.get_model(model.get("grid")).then((grid) => {
    table = /** @type {Table} */ (grid);
    table.on("change:selection", select);
    draw();
  });
  const events = { "change:said": hear, "change:failed": draw, "change:shown": draw, "change:writable": draw };
  for (const [event, callback] of Object.entries(events)) model.on(event, callback);
  draw();
  return () => {
    table?.off("change:selection", select);
    for (const [event, callback] of Object.entries(events)) model.off(event, callback);
  };
}

export default { render };

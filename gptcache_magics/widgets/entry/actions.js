// Buttons for the selected rows. Python runs their actions and reports them; the user confirms a removal of many.

/** @typedef {{grid: string, writable: boolean, undoable: boolean, said: string, failed: boolean, question: string}} Traits */
/** @typedef {import("@anywidget/types").AnyModel<{selection: string[]}>} Table */

const HINTS = [
  "Select a row to read it.",
  "Ctrl+click or Space adds a row, Shift a range.",
  "2 entries selected: compare them side by side.",
];

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
  const button = (/** @type {string} */ action, text = "", style = "") => {
    const made = make("button", { type: "button", class: `gptcache-button ${style}` }, text);
    made.onclick = () => {
      if (made.ariaDisabled !== "true") act(action);
    };
    return made;
  };
  const tag = make("input", { type: "text", placeholder: "tag", "aria-label": "Tag: one word", spellcheck: "false" });
  const compare = button("compare", "Compare");
  const [pin, unpin, put, remove] = [
    button("pin", "Pin"),
    button("unpin", "Unpin"),
    button("tag", "Tag"),
    button("remove", "Remove"),
  ];
  const undo = button("undo", "Undo");
  const [confirm, keep] = [button("confirm", "", "gptcache-danger"), button("keep", "Keep them")];
  const said = make("span", { role: "status" });
  const field = make("span", { class: "gptcache-tag" }, tag, put);
  const line = make("div", { class: "gptcache-said-line" }, said, confirm, keep);
  const bar = make(
    "div",
    { role: "group", "aria-label": "Selected entries" },
    compare,
    pin,
    unpin,
    field,
    remove,
    undo,
  );
  const root = make("div", { class: "gptcache-actions" }, bar, line);
  el.append(root);

  /** @type {Table | undefined} */
  let table; // model of the table: its selection is known here before the kernel knows it
  let heard = true; // whether the report is about the present selection
  const ids = () => table?.get("selection") ?? [];

  function act(/** @type {string} */ action) {
    model.send({ action, ids: ids(), tag: tag.value.trim() });
    if (action === "tag") tag.value = "";
  }
  function draw() {
    const had = /** @type {HTMLButtonElement | null} */ (
      root.contains(document.activeElement) ? document.activeElement : null
    );
    const [selected, writable, question] = [ids().length, model.get("writable"), heard ? model.get("question") : ""];
    const asked = !confirm.hidden;
    for (const each of [pin, unpin, tag, put, remove]) each.disabled = !(selected && writable);
    compare.disabled = selected !== 2;
    undo.ariaDisabled = String(!(writable && model.get("undoable"))); // not "disabled", because the focus goes there
    confirm.hidden = keep.hidden = !question;
    confirm.textContent = question;
    said.textContent =
      (heard && model.get("said")) || (HINTS[selected] ?? `${selected.toLocaleString("en")} entries selected`);
    said.classList.toggle("is-failed", heard && model.get("failed"));
    // A keyboard user continues from here, not from the top of the page.
    if (had && question && !asked) keep.focus();
    else if (had && (had.disabled || had.hidden)) undo.focus();
  }
  function hear() {
    heard = true;
    draw();
  }
  function select() {
    if (ids().length) heard = false;
    draw();
  }

  tag.onkeydown = (event) => {
    if (event.key === "Enter") act("tag");
  };
  root.onkeydown = (event) => event.stopPropagation();
  model.widget_manager.get_model(model.get("grid")).then((grid) => {
    table = /** @type {Table} */ (grid);
    table.on("change:selection", select);
    draw();
  });
  const events = {
    "change:said": hear,
    "change:failed": draw,
    "change:question": draw,
    "change:writable": draw,
    "change:undoable": draw,
  };
  for (const [event, callback] of Object.entries(events)) model.on(event, callback);
  draw();
  return () => {
    table?.off("change:selection", select);
    for (const [event, callback] of Object.entries(events)) model.off(event, callback);
  };
}

export default { render };

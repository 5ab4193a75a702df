// Hears the buttons inside the details of a panel. Python opens a tab for them; a jump to a cell happens here.
// JupyterLab gives its cells no address in the page, so a cell is found by the number beside it, and by its first line:
// after another kernel, [12] may be another cell.

const NOTEBOOKS = ".jp-NotebookPanel, .jp-Notebook, #notebook-container";
const CELLS = ".jp-CodeCell, .code_cell";
const PROMPTS = ".jp-InputPrompt, .input_prompt";
const LINES = ".cm-line, .CodeMirror-line";
const GONE =
  "This cell is not on the page: it was changed or removed, belongs to another notebook, or is out of sight and not drawn.";
const JUMPS = "gptcache-jumps"; // class of the page where jumps are possible

/** @param {Element} cell */
const numberOf = (cell) => /\[(\d+)\]/.exec(cell.querySelector(PROMPTS)?.textContent ?? "")?.[1];
/** Return whether a cell has a line that begins so. @param {Element} cell @param {string} beginning */
const hasLine = (cell, beginning) =>
  [...cell.querySelectorAll(LINES)].some((line) => line.textContent?.trim().startsWith(beginning));

/** Return the notebook of this name: that around the panel, else one whose tab is called so, else the only one.
 * @param {Element} panel @param {string} name @returns {Element | null | undefined} */
function notebookOf(panel, name) {
  const titled = [...document.querySelectorAll(".jp-NotebookPanel")].filter((each) => {
    const label = document.querySelector(`[data-id="${CSS.escape(each.id)}"] .lm-TabBar-tabLabel`);
    return !name || label?.textContent === name;
  });
  const around = panel.closest(NOTEBOOKS);
  if (around && (!titled.length || titled.some((each) => each.contains(around)))) return around;
  return (
    titled[0] ??
    (around || document.querySelectorAll(NOTEBOOKS).length > 1 ? around : document.querySelector(NOTEBOOKS))
  );
}

/** @param {Element} notebook @param {DOMStringMap} wanted */
function cellOf(notebook, { cell, line = "" }) {
  const beginning = line.split(/…|•••/)[0].trim(); // a long line is cut, a key in it hidden
  const cells = [...notebook.querySelectorAll(CELLS)];
  const numbered = cells.find((each) => numberOf(each) === cell);
  if (numbered && hasLine(numbered, beginning)) return numbered;
  const alike = beginning ? cells.filter((each) => hasLine(each, beginning)) : [];
  return alike.length === 1 ? alike[0] : undefined; // the cell was run again and has another number
}

/** Go to a cell and return nothing, or the reason why not.
 * @param {Element} panel @param {DOMStringMap} wanted */
function jump(panel, wanted) {
  const notebook = notebookOf(panel, wanted.notebook ?? "");
  const cell = notebook && cellOf(notebook, wanted);
  if (!cell) return GONE;
  cell.scrollIntoView({ block: "center" });
  const prompt = cell.querySelector(PROMPTS) ?? cell;
  for (const type of ["mousedown", "mouseup"])
    prompt.dispatchEvent(new MouseEvent(type, { bubbles: true, button: 0, view: window })); // makes it the active cell
  const target = /** @type {HTMLElement} */ (cell);
  if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
  target.animate?.([{ outline: "3px solid #1976d2" }, { outline: "3px solid transparent" }], { duration: 1500 });
  return "";
}

/** Say something beside a button.
 * @param {Element} button @param {string} text */
function say(button, text) {
  const next = button.nextElementSibling;
  const known = next?.getAttribute("role") === "status" ? next : null;
  const said = known ?? document.createElement("span");
  said.setAttribute("role", "status");
  said.className = "gptcache-soft";
  if (!known) button.after(said);
  said.textContent = text && ` ${text}`;
}

/** @param {import("@anywidget/types").RenderProps} context */
function render({ model, el }) {
  el.style.display = "none";
  document.documentElement.classList.toggle(JUMPS, document.querySelector(PROMPTS) !== null);
  const press = (/** @type {MouseEvent} */ event) => {
    const panel = el.closest(".gptcache-panel");
    // Of several views of one panel, that of the last press takes the focus.
    const inside = event.target instanceof Element ? event.target.closest(".gptcache-panel") : null;
    if (inside) panel?.toggleAttribute("data-pressed", inside === panel);
    const pressed = event.target instanceof Element ? event.target.closest("button[data-to], button[data-cell]") : null;
    if (!panel || !(pressed instanceof HTMLElement) || !panel.contains(pressed)) return;
    const { to, key } = pressed.dataset;
    if (to) model.send({ to, key });
    else say(pressed, jump(panel, pressed.dataset));
  };
  document.addEventListener("click", press);
  return () => document.removeEventListener("click", press);
}

export default { render };

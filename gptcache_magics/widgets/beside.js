// A button that shows the panel beside the notebook, in JupyterLab. Its command can seldom be reached from a widget: then
// the button opens the menu that has it, and names the item. Other front ends have no second view, so the style hides the
// button there.

const COMMAND = "notebook:create-output-view";
const HINT = "In the menu choose Create New View for Cell Output. Without the menu: right-click the panel.";

/** @typedef {{node: HTMLElement}} Widget */
/** @typedef {Widget & {content: {widgets: Widget[], activeCellIndex: number}}} Notebook */
/** @typedef {{shell: {widgets(area: string): Iterable<Notebook>, activateById(id: string): void,
 *   add(widget: Widget, area: string, options: {mode: string, ref: string}): void},
 *   commands: {hasCommand(name: string): boolean, execute(name: string): Promise<unknown>}}} Lab */

/** @param {HTMLElement} el  @returns {Promise<boolean>} Whether the application could be reached. */
async function open(el) {
  const app = /** @type {Lab | undefined} */ (/** @type {any} */ (window).jupyterapp);
  if (!app?.commands.hasCommand(COMMAND)) return false;
  for (const notebook of app.shell.widgets("main")) {
    if (!notebook.content?.widgets || !notebook.node.contains(el)) continue;
    app.shell.activateById(notebook.node.id);
    notebook.content.activeCellIndex = notebook.content.widgets.findIndex(({ node }) => node.contains(el));
    const before = new Set(app.shell.widgets("main"));
    await app.commands.execute(COMMAND);
    const view = [...app.shell.widgets("main")].find((each) => !before.has(each));
    if (view) app.shell.add(view, "main", { mode: "split-right", ref: notebook.node.id }); // it comes below
    return true;
  }
  return false;
}

/** @param {import("@anywidget/types").RenderProps} context */
function render({ el }) {
  el.classList.add("gptcache-beside");
  const [button, hint] = [document.createElement("button"), document.createElement("div")];
  button.type = "button";
  button.className = "gptcache-button";
  for (const [name, text] of Object.entries({ sign: "◫", word: "Beside" })) {
    const span = document.createElement("span");
    span.className = `gptcache-beside-${name}`;
    span.textContent = text;
    button.append(span);
  }
  button.setAttribute("aria-label", "Beside");
  button.title = "Show the panel beside the notebook, too";
  button.setAttribute("data-lm-suppress-shortcuts", "true");
  hint.className = "gptcache-hint";
  hint.setAttribute("role", "status");
  button.onclick = async () => {
    hint.textContent = (await open(el)) || hint.textContent ? "" : HINT;
    if (!hint.textContent) return;
    const { left: clientX, bottom: clientY } = button.getBoundingClientRect();
    button.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true, clientX, clientY }));
  };
  el.replaceChildren(button, hint);
}

export default { render };

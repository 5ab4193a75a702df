// The button *Filter*, its menu with a list of values for each filter, and a chip for each filter that is set.
// The parts stand in the head of the panel: the button beside the period, menu and chips on lines below it.

/** @typedef {{name: string, kind: string, text: string, label: string}} Chip  Its texts are foreign: never HTML. */
/** @typedef {{name: string, kind: string, texts: string[]}} List  As above. */
/** @typedef {{chips: Chip[]}} Traits */

const ANY = "any";

/** @param {string} tag @param {string} name @param {string} [text] */
function part(tag, name, text = "") {
  const element = document.createElement(tag);
  element.className = `gptcache-${name}`;
  element.textContent = text;
  return element;
}

/** @param {Chip} chip @param {(name: string) => void} remove */
function chipOf({ name, kind, text, label }, remove) {
  const element = document.createElement("button");
  element.type = "button";
  element.dataset.name = name;
  element.title = label;
  element.setAttribute("aria-label", label);
  element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.onclick = () => remove(name);
  const parts = { kind, text, cross: "×" };
  for (const [of, content] of Object.entries(parts)) element.append(part("span", `chip-${of}`, content));
  return element;
}

/** @param {List} list @param {string} chosen @param {(name: string, text: string) => void} choose */
function listOf({ name, kind, texts }, chosen, choose) {
  const select = document.createElement("select");
  select.dataset.name = name;
  select.setAttribute("data-lm-suppress-shortcuts", "true");
  select.disabled = !texts.length;
  select.append(new Option(texts.length ? ANY : "none yet", ""));
  // The text of a cell goes on with its first line.
  const begins = (/** @type {string} */ text) => name === "cell" && text.startsWith(`${chosen} `);
  for (const text of texts) select.append(new Option(text, text, false, text === chosen || begins(text)));
  select.onchange = () => choose(name, select.value);
  const label = part("label", "menu-list", kind[0].toUpperCase() + kind.slice(1));
  select.setAttribute("aria-label", label.textContent ?? ""); // else its name is its value, too
  label.append(select);
  return label;
}

/** @param {import("@anywidget/types").RenderProps<Traits>} context */
function render({ model, el }) {
  el.classList.add("gptcache-filters");
  const button = /** @type {HTMLButtonElement} */ (part("button", "button", "Filter"));
  const [menu, chips] = [part("div", "menu"), part("div", "chips")];
  button.type = "button";
  button.setAttribute("data-lm-suppress-shortcuts", "true");
  menu.id = `gptcache-menu-${Math.random().toString(36).slice(2)}`;
  button.setAttribute("aria-controls", menu.id);
  for (const [group, name] of /** @type {const} */ ([
    [menu, "Filter by"],
    [chips, "Filters"],
  ])) {
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", name);
  }
  el.replaceChildren(button, menu, chips);
  /** @type {List[]} */
  let lists = [];

  /** @param {boolean} shown */
  function open(shown) {
    menu.hidden = !shown;
    button.setAttribute("aria-expanded", String(shown));
    if (shown) model.send({ open: true });
  }

  function drawMenu() {
    const focused = menu.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    const set = Object.fromEntries(model.get("chips").map(({ name, text }) => [name, text]));
    menu.replaceChildren(
      ...lists.map((list) => listOf(list, set[list.name] ?? "", (name, text) => model.send({ choose: name, text }))),
    );
    if (focused) /** @type {HTMLElement?} */ (menu.querySelector(`[data-name="${focused.dataset.name}"]`))?.focus();
  }

  function drawChips() {
    const set = model.get("chips");
    const focused = chips.contains(document.activeElement);
    const buttons = set.map((chip) => chipOf(chip, (name) => model.send({ remove: name })));
    chips.replaceChildren(...buttons);
    chips.hidden = !set.length;
    // Keep the focus in the panel, where keys are safe: on the next chip, else on the first period.
    if (focused) (buttons[0] ?? el.closest(".gptcache-panel")?.querySelector("button"))?.focus();
    drawMenu();
  }

  /** @param {{unsaved?: {menu?: List[]}}} message */
  function receive({ unsaved }) {
    if (!unsaved?.menu) return;
    lists = unsaved.menu;
    drawMenu();
  }

  button.onclick = () => open(menu.hidden === true);
  el.onkeydown = (event) => {
    if (event.key !== "Escape" || menu.hidden) return;
    open(false);
    button.focus();
  };
  model.on("msg:custom", receive);
  model.on("change:chips", drawChips);
  open(false);
  drawChips();
  return () => {
    model.off("msg:custom", receive);
    model.off("change:chips", drawChips);
  };
}

export default { render };

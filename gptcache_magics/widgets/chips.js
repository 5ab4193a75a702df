// One button for each filter of the panel; pressing it asks Python to take the filter away.

/** @typedef {{name: string, kind: string, text: string, label: string}} Chip  Its texts are foreign: never HTML. */
/** @typedef {{chips: Chip[]}} Traits */

/** @param {Chip} chip @param {(name: string) => void} remove */
function button({ name, kind, text, label }, remove) {
  const element = document.createElement("button");
  element.type = "button";
  element.dataset.name = name;
  element.title = label;
  element.setAttribute("aria-label", label);
  element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.onclick = () => remove(name);
  const parts = { kind, text, cross: "×" };
  for (const [part, content] of Object.entries(parts)) {
    const span = document.createElement("span");
    span.className = `gptcache-chip-${part}`;
    span.textContent = content;
    element.append(span);
  }
  return element;
}

/** @param {import("@anywidget/types").RenderProps<Traits>} context */
function render({ model, el }) {
  el.classList.add("gptcache-chips");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Filters");

  function draw() {
    const chips = model.get("chips");
    const focused = el.contains(document.activeElement);
    const buttons = chips.map((chip) => button(chip, (name) => model.send({ remove: name })));
    el.replaceChildren(...buttons);
    el.hidden = !chips.length;
    // Keep the focus in the panel, where keys are safe: on the next chip, else on the first period.
    if (focused) (buttons[0] ?? el.closest(".gptcache-panel")?.querySelector("button"))?.focus();
  }
  model.on("change:chips", draw);
  draw();
  return () => model.off("change:chips", draw);
}

export default { render };

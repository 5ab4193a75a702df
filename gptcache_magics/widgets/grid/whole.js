// The whole text of a cell that is cut: beside the cell while the mouse rests on it or the keyboard is there, and in the
// clipboard. Python has the texts; the browser asks for one at a time.

const REST = 350; // milliseconds until a mouse rests
const LEAVE = 200; // milliseconds to go from the cell to its text

/**
 * Show whole texts of cells.
 * @param {HTMLElement} root
 * @param {(td: HTMLTableCellElement) => void} ask  Asks for the whole text of a cell; `show` of the result takes it.
 */
export function wholeTexts(root, ask) {
  const tip = document.createElement("div");
  tip.className = "gptcache-grid-whole";
  tip.id = `gptcache-whole-${Math.random().toString(36).slice(2, 10)}`;
  tip.setAttribute("role", "tooltip");
  tip.setAttribute("popover", "manual"); // above everything, and cut by nothing around the table
  root.append(tip);
  let about = /** @type {HTMLTableCellElement | null} */ (null);
  let timer = 0;

  const isCut = (/** @type {HTMLTableCellElement} */ td) =>
    td.scrollWidth > td.clientWidth ||
    td.querySelector(".gptcache-grid-shared") !== null ||
    (td.textContent ?? "").endsWith("…");
  const cell = (/** @type {EventTarget | null} */ target) =>
    /** @type {HTMLTableCellElement | null} */ (
      target instanceof Element ? target.closest("tr[data-key]:not(.gptcache-grid-heading) > td") : null
    );
  const later = (/** @type {() => void} */ action, /** @type {number} */ milliseconds) => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
  function hide() {
    clearTimeout(timer);
    about?.removeAttribute("aria-describedby");
    about = null;
    if (tip.matches(":popover-open")) tip.hidePopover();
  }
  function open(/** @type {HTMLTableCellElement} */ td) {
    if (td === about || !td.isConnected || !isCut(td)) return;
    hide();
    about = td;
    ask(td);
  }
  /** Show a text beside the cell that asked for it. */
  function show(/** @type {string} */ text) {
    if (!about?.isConnected) return hide();
    tip.textContent = text;
    if (!tip.matches(":popover-open")) tip.showPopover();
    about.setAttribute("aria-describedby", tip.id);
    put();
  }
  function put() {
    if (!about) return;
    const at = about.getBoundingClientRect();
    const { width, height } = tip.getBoundingClientRect();
    const below = at.bottom + height < window.innerHeight || at.top < height;
    tip.style.left = `${Math.max(4, Math.min(at.left, window.innerWidth - width - 4))}px`;
    tip.style.top = `${below ? at.bottom : at.top - height}px`;
  }
  root.addEventListener("mouseover", ({ target }) => {
    const td = cell(target);
    if (td) later(() => open(td), REST);
    else if (tip.contains(/** @type {Node} */ (target))) clearTimeout(timer);
  });
  root.addEventListener("mouseout", ({ target }) => {
    if (cell(target) || tip.contains(/** @type {Node} */ (target))) later(hide, LEAVE);
  });
  root.addEventListener("focusin", ({ target }) => {
    const td = cell(target);
    hide();
    if (td?.matches(":focus-visible") && td === target) open(td);
  });
  root.addEventListener("focusout", hide);
  // The keyboard may have scrolled to the cell itself; the mouse has left it.
  const moved = (/** @type {Event} */ { target }) => {
    if (!about || target === tip) return;
    if (about === document.activeElement) put();
    else hide();
  };
  const events = ["scroll", "resize"];
  for (const event of events) window.addEventListener(event, moved, true);
  const end = () => {
    hide();
    for (const event of events) window.removeEventListener(event, moved, true);
  };
  return { hide, show, end, asked: () => about };
}

/**
 * Put a text on the clipboard, also in a page that may not use it directly.
 * @param {string} text
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const [focused, area] = [document.activeElement, document.createElement("textarea")];
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }
}

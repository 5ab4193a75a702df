// Columns that a person makes wider or narrower, with the mouse or with Alt and an arrow key.

const STEP = 16; // pixels of a key press
const NARROWEST = 40;

/**
 * Let the headings change the widths of their columns.
 * @param {HTMLTableCellElement[]} headings
 * @param {(column: number, width: number) => void} set  Called with a column and its width in pixels.
 * @param {(column: number) => number} needed  Returns the width at which a column shows all that is drawn of it.
 */
export function resizable(headings, set, needed) {
  const change = (/** @type {number} */ column, /** @type {number} */ width) =>
    set(column, Math.max(NARROWEST, Math.round(width)));
  for (const [column, th] of headings.entries()) {
    const handle = document.createElement("span");
    handle.className = "gptcache-grid-handle";
    th.append(handle);
    th.setAttribute("aria-keyshortcuts", "Alt+ArrowLeft Alt+ArrowRight");
    th.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
      if (!event.altKey || !by) return;
      change(column, th.offsetWidth + by);
      event.preventDefault();
      event.stopPropagation(); // an arrow alone goes to the next heading
    });
    handle.onclick = (event) => event.stopPropagation(); // does not sort
    handle.ondblclick = (event) => {
      change(column, needed(column));
      event.stopPropagation();
    };
    handle.onpointerdown = (event) => {
      const [start, width] = [event.clientX, th.offsetWidth];
      handle.setPointerCapture(event.pointerId);
      handle.onpointermove = ({ clientX }) => change(column, width + clientX - start);
      handle.onpointerup = handle.onpointercancel = () => {
        handle.onpointermove = null;
      };
      event.preventDefault();
    };
  }
}

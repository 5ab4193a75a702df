// A table of any length, with elements only for the visible rows and those around them. Python sorts, searches and
// formats; this file draws. Texts come from prompts and answers, so they are set as text and never as HTML.

import { sparkline } from "./sparkline.js";
import { copy, wholeTexts } from "./whole.js";
import { resizable } from "./widths.js";

/** @typedef {{name: string, label: string, kind: string, number: boolean, width: number, grow: boolean, level: number}} Column */
/** @typedef {"same" | "removed" | "added"} WordKind */
/** @typedef {string | [string, string] | {text: string, shares: (number | null)[]} |
 *   {text: string, words: [WordKind, string][]}} Cell  A text; a beginning, short or left out, and the rest; shares, 0 to
 *   1, that are drawn; or the words in which two texts differ. */
/** @typedef {{start: number, rows: [string, ...Cell[]][]}} Span  A row is its key, then a cell for each column. The key of a
 *   heading begins with a line break; its name and its figures follow. */
/** @typedef {{total: number, count: string, note: string, order: Order, spans: Span[],
 *   bare: string[]}} Page  A column is bare if all its cells are empty. */
/** @typedef {{sort: string, ascending: boolean, query: string, grouped: string}} Order */
/** @typedef {{columns: Column[], label: string, hint: string, groupings: string[], height_rows: number, multiple: boolean, lets_go: boolean,
 *   order: Order, windows: Record<string, object>, widths: Record<string, number>, selection: string[]}} Traits */
/** @typedef {{told?: string, whole?: {text: string, copy: boolean},
 *   unsaved?: {page?: Page, reveal?: {at: number}}}} Message */

const BARE = 6; // level of a column that shows nothing
const LATE = 700; // milliseconds after which missing rows are reported
const ROOM = 3; // tens of characters of a text below which its beginning gives way
const WIDEST_PADDING = 10; // pixels on either side of a cell, in the widths of the columns
const BUSY = "The kernel is busy: these rows come when it has time.";
const isHeading = (/** @type {string} */ key) => key.startsWith("\n");

/**
 * Make an element. An element that can have the focus keeps the notebook's one-letter shortcuts away: without that,
 * pressing d twice on a row deletes the notebook cell.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean>} [attributes]
 * @param {(Node | string)[]} children
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if ("tabindex" in attributes || tag === "input" || tag === "select")
    element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.append(...children);
  return element;
}

const textOf = (/** @type {Cell} */ cell) =>
  Array.isArray(cell) ? cell.join("") : typeof cell === "string" ? cell : cell.text;

/** Return what a cell shows. @param {Cell} cell @returns {(Node | string)[]} */
function partsOf(cell) {
  if (typeof cell === "string") return [cell];
  if (Array.isArray(cell)) {
    const [beginning, ellipsis] = cell[0] ? cell[0].split(/(?=… $)/) : ["", ""];
    const words = make("span", { class: "gptcache-grid-beginning" }, beginning);
    return [make("span", { class: "gptcache-grid-shared" }, words, ellipsis), cell[1]];
  }
  if ("shares" in cell) return [sparkline(cell.shares, cell.text)];
  if (!cell.words.length) return [cell.text];
  return cell.words.map(([kind, text]) =>
    kind === "same" ? text : make(kind === "removed" ? "del" : "ins", {}, text),
  );
}

/** @param {import("@anywidget/types").RenderProps<Traits>} context */
function render({ model, el }) {
  const view = `view-${Math.random().toString(36).slice(2, 8)}`;
  const columns = model.get("columns");
  const search = make("input", { type: "search", placeholder: "Search, or /regex/", "aria-label": "Search rows" });
  const groupings = ["", ...model.get("groupings")];
  const choice = make(
    "select",
    { "aria-label": "Group by" },
    ...groupings.map((value) => make("option", { value }, value || "nothing")),
  );
  const grouping = make("label", { class: "gptcache-grid-grouping" }, "Group by", choice);
  const count = make("span", { class: "gptcache-grid-count", role: "status" });
  const busy = make("span", { class: "gptcache-grid-busy", role: "status" });
  const told = make("span", { class: "gptcache-grid-told", role: "status" });
  const formats = ["CSV", "Parquet"].map((name) => make("button", { type: "button", tabindex: 0 }, name));
  const summary = make(
    "summary",
    { tabindex: 0, title: "Write these rows to a file in the notebook's folder" },
    "Export",
  );
  const exporting = make("details", { class: "gptcache-grid-export" }, summary, make("div", {}, ...formats));
  const headings = columns.map(({ label }) => make("th", { scope: "col", tabindex: -1 }, label));
  resizable(headings, setWidth, needed);
  const head = make("tr", {}, ...headings);
  const pads = [0, 1].map(() => make("td", { class: "gptcache-grid-pad" })); // in place of the rows that are not drawn
  const [above, below] = pads.map((pad) => make("tr", { "aria-hidden": "true" }, pad));
  const body = make("tbody", {}, above, below);
  const table = make("table", { role: "grid", "aria-label": model.get("label") }, make("thead", {}, head), body);
  const scroller = make("div", { class: "gptcache-grid-scroller", tabindex: -1 }, table);
  const note = make("div", { class: "gptcache-grid-note", role: "status" });
  const probe = make("div", { class: "gptcache-grid-probe", "aria-hidden": "true" });
  const bar = make("div", { class: "gptcache-grid-bar" }, search, count, exporting, told, busy);
  if (groupings.length > 1) search.after(grouping);
  bar.append(make("span", { class: "gptcache-grid-hint" }, model.get("hint")));
  const root = make("div", { class: "gptcache-grid" }, bar, scroller, note, probe);
  root.style.setProperty("--gptcache-rows", String(model.get("height_rows")));
  table.setAttribute("aria-multiselectable", String(model.get("multiple")));
  el.append(root);
  const whole = wholeTexts(root, (td) => model.send({ whole: [...place(td), false] }));

  /** @type {Map<string, HTMLTableRowElement>} */
  const drawn = new Map();
  let levels = /** @type {number[]} */ ([]); // order in which the columns give way
  let classes = /** @type {string[]} */ ([]);
  let span = /** @type {Span} */ ({ start: 0, rows: [] });
  let asked = { first: -Infinity, key: "" };
  let [rowHeight, columnsShown, focusKey, anchorKey] = [28, columns.length, "", ""];
  let focusColumn = -1; // the column of the cell that has the focus; -1 if the row itself has it
  let [wanted, ranging] = [-1, false]; // row that gets the focus once it is here; whether it ends a range
  let [typing, scrolling, late] = [0, 0, 0];
  let revealed = /** @type {{at: number} | undefined} */ (undefined);
  let pressed = { key: "", y: 0 }; // where the mouse button went down
  let page = /** @type {Page} */ ({
    total: 0,
    count: "",
    note: "",
    order: model.get("order"),
    spans: [span],
    bare: [],
  });

  const send = (/** @type {keyof Traits} */ name, /** @type {any} */ value) => {
    model.set(name, value);
    model.save_changes();
  };
  /** Return the windows of all views, with this one last: Python forgets the oldest. */
  const windows = (/** @type {object} */ seen) => {
    const { [view]: _, ...others } = model.get("windows");
    return { ...others, [view]: seen };
  };
  const order = (/** @type {object} */ changes) => {
    scroller.scrollTop = 0;
    asked = { first: 0, key: "" };
    model.set("windows", windows(asked));
    send("order", { ...model.get("order"), ...changes });
    look();
  };
  const firstSeen = () => Math.max(0, Math.floor(scroller.scrollTop / rowHeight));
  const keyAt = (/** @type {number} */ index) => span.rows[index - span.start]?.[0] ?? "";
  const indexOf = (/** @type {string} */ key) => span.start + span.rows.findIndex((row) => row[0] === key);

  function mark() {
    const { sort, ascending, query, grouped } = model.get("order");
    if (document.activeElement !== search) search.value = query;
    choice.value = grouped;
    const sorted = columns.findIndex((column) => column.name === sort);
    headings.forEach((th, i) => {
      th.tabIndex = i === Math.max(0, sorted) ? 0 : -1;
      th.setAttribute("aria-sort", columns[i].name !== sort ? "none" : ascending ? "ascending" : "descending");
    });
    if (ranked()) fit();
  }

  /** Let empty columns give way first and the sorted column late; return whether a level changed. */
  function ranked() {
    const { sort } = model.get("order");
    const now = columns.map(({ name, level }) =>
      name === sort ? Math.min(level, 1) : level && page.bare.includes(name) ? BARE : level,
    );
    if (String(now) === String(levels)) return false;
    levels = now;
    classes = columns.map(({ kind, number }, i) => `is-${kind} level-${levels[i]}${number ? " is-number" : ""}`);
    for (const tr of [head, ...drawn.values()]) {
      if (isHeading(tr.dataset.key ?? "")) continue;
      for (const [i, cell] of [...tr.cells].entries()) cell.className = classes[i];
    }
    return true;
  }

  /** Hide the least important columns until the others have room, and measure a row, which follows the font. */
  function fit() {
    const { width, height } = probe.getBoundingClientRect(); // ten characters by one row
    if (!width) return; // the tab is not open
    const saved = 2 * (WIDEST_PADDING - parseFloat(getComputedStyle(headings[0]).paddingLeft));
    const wide = columns.map((column) => column.width * (width / 10) - saved);
    const chosen = model.get("widths");
    const need = (/** @type {number} */ most) => wide.reduce((sum, x, i) => sum + (levels[i] <= most ? x : 0), 0);
    let level = Math.max(...levels);
    while (level && need(level) > scroller.clientWidth) level--;
    table.dataset.level = String(level);
    const own = columns.map(({ name, grow }, i) => chosen[name] ?? (grow ? 0 : wide[i]));
    for (const [i, th] of headings.entries()) th.style.width = own[i] ? `${own[i]}px` : "";
    const visible = columns.filter((_, i) => levels[i] <= level);
    const sum = columns.reduce((sum, _, i) => sum + (levels[i] <= level ? own[i] || wide[i] : 0), 0);
    const resized = visible.some(({ name }) => name in chosen);
    table.style.minWidth = resized ? `${sum}px` : "";
    table.style.width = visible.some(({ name, grow }) => grow && !(name in chosen)) ? "" : `${sum}px`;
    const tight = columns.some(({ kind }, i) => kind === "prompt" && headings[i].offsetWidth < ROOM * width);
    table.classList.toggle("is-tight", tight); // what rows share gives way to what differs
    if (height === rowHeight && visible.length === columnsShown) return;
    [rowHeight, columnsShown] = [height, visible.length];
    draw();
  }

  function setWidth(/** @type {number} */ column, /** @type {number} */ pixels) {
    send("widths", { ...model.get("widths"), [columns[column].name]: pixels });
    fit();
  }

  /** Return the width at which nothing that is drawn of a column is cut. */
  function needed(/** @type {number} */ column) {
    const cells = [...drawn].flatMap(([key, tr]) => (isHeading(key) ? [] : [tr.cells[column]]));
    return Math.max(headings[column].scrollWidth, ...cells.map((td) => td.scrollWidth));
  }

  /** Return the key of a cell's row, and the name of its column. */
  const place = (/** @type {HTMLTableCellElement} */ td) => [
    /** @type {HTMLTableRowElement} */ (td.parentElement).dataset.key ?? "",
    columns[td.cellIndex].name,
  ];

  /** @param {string} key @returns {HTMLTableRowElement} */
  function newRow(key) {
    if (!isHeading(key))
      return make("tr", { tabindex: -1 }, ...classes.map((name) => make("td", { class: name, tabindex: -1 })));
    const texts = ["name", "figures"].map((part) => make("span", { class: `gptcache-grid-${part}` }));
    const cell = make("td", { role: "rowheader" }, make("div", {}, ...texts));
    return make("tr", { tabindex: -1, class: "gptcache-grid-heading" }, cell);
  }

  /** @param {string} key @param {Cell[]} texts */
  function row(key, texts) {
    let tr = drawn.get(key);
    if (!tr) {
      tr = newRow(key);
      tr.dataset.key = key;
      drawn.set(key, tr);
    }
    if (isHeading(key)) {
      tr.cells[0].colSpan = columnsShown; // a larger number would add a column
      for (const [i, span] of tr.querySelectorAll("span").entries()) span.textContent = String(texts[i]);
      tr.title = texts.join("  ");
      return tr;
    }
    for (const [i, td] of [...tr.cells].entries()) {
      const text = textOf(texts[i]);
      if (td.dataset.text === text) continue;
      td.dataset.text = text;
      td.replaceChildren(...partsOf(texts[i]));
      if (columns[i].kind === "outcome") td.dataset.value = text;
    }
    return tr;
  }

  function draw() {
    if (ranked()) fit();
    const selected = new Set(model.get("selection"));
    const hadFocus = body.contains(document.activeElement);
    const first = firstSeen();
    const anchor = scroller.scrollTop > 0 ? keyAt(first) : "";
    const was = indexOf(anchor);
    span =
      page.spans.find(({ rows }) => anchor && rows.some(([key]) => key === anchor)) ??
      page.spans.find(({ start, rows }) => start <= first && first < start + rows.length) ??
      page.spans[0];
    const keys = new Set(span.rows.map(([key]) => key));
    for (const [key, tr] of drawn) {
      if (keys.has(key)) continue;
      tr.remove();
      drawn.delete(key);
    }
    if (!keys.has(focusKey)) focusKey = keyAt(span.start);
    let previous = above;
    for (const [i, [key, ...texts]] of span.rows.entries()) {
      const tr = row(key, texts);
      tr.tabIndex = key === focusKey ? 0 : -1;
      tr.setAttribute("aria-rowindex", String(span.start + i + 2));
      if (!isHeading(key)) tr.setAttribute("aria-selected", String(selected.has(key)));
      if (previous.nextSibling !== tr) previous.after(tr);
      previous = tr;
    }
    pads[0].style.height = `${span.start * rowHeight}px`;
    pads[1].style.height = `${(page.total - span.start - span.rows.length) * rowHeight}px`;
    table.setAttribute("aria-rowcount", String(page.total + 1));
    count.textContent = page.count + (selected.size > 1 ? `, ${selected.size.toLocaleString("en")} selected` : "");
    say(page.note);
    scroller.hidden = !page.total;
    // New rows above must not move the rows that the user reads.
    if (anchor && keys.has(anchor)) scroller.scrollTop += (indexOf(anchor) - was) * rowHeight;
    if (wanted >= 0 && keyAt(wanted)) focusRow(wanted);
    else if (hadFocus && !body.contains(document.activeElement)) focusable(focusKey)?.focus({ preventScroll: true });
    look();
  }

  /** Show a sentence with commands between backticks. */
  function say(/** @type {string} */ sentence) {
    if (note.dataset.said === sentence) return;
    note.dataset.said = sentence;
    note.replaceChildren(...sentence.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part)));
  }

  function wait(/** @type {boolean} */ waiting) {
    if (waiting) {
      late ||= setTimeout(() => {
        busy.textContent = BUSY;
      }, LATE);
      return;
    }
    clearTimeout(late);
    [late, busy.textContent] = [0, ""];
  }

  /** Tell Python the visible rows, once they are a screen away from the last request. */
  function look() {
    const [first, screen] = [firstSeen(), model.get("height_rows")];
    const last = Math.min(first + screen, page.total) - 1;
    const unheard = JSON.stringify(page.order) !== JSON.stringify(model.get("order"));
    wait(unheard || first < span.start || last >= span.start + span.rows.length);
    const known = drawn.has(asked.key) ? indexOf(asked.key) : asked.first; // Python follows the key
    if (Math.abs(first - known) < screen || !scroller.clientHeight) return;
    asked = { first, key: first ? keyAt(first) : "" };
    send("windows", windows(asked));
  }

  /** Return the element of a row that takes the focus: a cell, or the row. */
  function focusable(/** @type {string} */ key) {
    const tr = drawn.get(key);
    return isHeading(key) ? tr : (tr?.cells[focusColumn] ?? tr);
  }

  /** Go to the next shown cell of the row to the right (1) or to the left (-1); left of the first one is the row. */
  function focusBeside(/** @type {number} */ step) {
    const cells = drawn.get(focusKey)?.cells;
    if (!cells || isHeading(focusKey)) return;
    let column = focusColumn + step;
    while (cells[column] && !cells[column].offsetParent) column += step;
    if (column >= cells.length) return;
    focusColumn = Math.max(-1, column);
    focusable(focusKey)?.focus();
  }

  /** @param {number} index */
  function focusRow(index) {
    wanted = Math.max(0, Math.min(page.total - 1, index));
    const top = wanted * rowHeight;
    const bottom = top + 2 * rowHeight - scroller.clientHeight; // the headings cover one row
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop) scroller.scrollTop = bottom;
    const tr = drawn.get(keyAt(wanted));
    if (!tr) return;
    drawn.get(focusKey)?.setAttribute("tabindex", "-1");
    [focusKey, wanted] = [keyAt(wanted), -1];
    tr.tabIndex = 0;
    focusable(focusKey)?.focus({ preventScroll: true });
    if (ranging) select(focusKey, "range");
    ranging = false;
  }

  /** @param {string} key @param {"only" | "toggle" | "range"} how */
  function select(key, how) {
    const selection = new Set(model.get("selection"));
    const only = selection.size === 1 && selection.has(key);
    if (!model.get("multiple")) how = selection.has(key) ? "toggle" : "only";
    else if (how === "only" && only && model.get("lets_go")) how = "toggle";
    if (how === "range" && anchorKey) {
      const [low, high] = [indexOf(anchorKey), indexOf(key)].sort((a, b) => a - b);
      const keys = span.rows.slice(low - span.start, high - span.start + 1).map((row) => row[0]);
      const rows = keys.filter((each) => !isHeading(each));
      if (drawn.has(anchorKey)) send("selection", rows);
      else model.send({ range: [anchorKey, key] }); // Python knows what is between
      return;
    }
    if (isHeading(key)) return;
    anchorKey = key;
    if (how === "toggle" && selection.delete(key)) send("selection", [...selection]);
    else send("selection", how === "toggle" ? [...selection, key] : [key]);
  }

  root.onkeydown = (event) => event.stopPropagation();
  search.oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => order({ query: search.value }), 200);
  };
  choice.onchange = () => order({ grouped: choice.value });
  for (const [i, button] of formats.entries()) {
    button.onclick = () => {
      exporting.open = false;
      summary.focus();
      told.textContent = "Writing …";
      model.send({ export: ["csv", "parquet"][i] });
    };
  }
  exporting.onkeydown = ({ key }) => {
    if (key !== "Escape") return;
    exporting.open = false;
    summary.focus();
  };
  exporting.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !exporting.contains(/** @type {Node} */ (relatedTarget))) exporting.open = false;
  });
  scroller.onscroll = () => {
    scrolling ||= setTimeout(() => {
      scrolling = 0;
      draw();
    }, 60);
  };
  head.onclick = ({ target }) => {
    const heading = headings.indexOf(/** @type {HTMLTableCellElement} */ (target));
    if (heading < 0) return;
    const { name, number, kind } = columns[heading];
    if (kind === "shares") return; // these have no order
    const { sort, ascending } = model.get("order");
    order({ sort: name, ascending: name === sort ? !ascending : !number && kind !== "time" });
  };
  head.onkeydown = (/** @type {any} */ event) => {
    const { key, target } = event;
    if (key === "Enter" || key === " ") target.click();
    else if (key === "ArrowLeft") target.previousElementSibling?.focus();
    else if (key === "ArrowRight") target.nextElementSibling?.focus();
    else if (key === "ArrowDown") focusRow(firstSeen());
    else return;
    event.preventDefault();
  };
  body.onmousedown = (/** @type {any} */ event) => {
    pressed = { key: event.target.closest("tr[data-key]")?.dataset.key ?? "", y: event.clientY };
    if (event.shiftKey) event.preventDefault(); // selects rows and not text
  };
  body.onclick = (/** @type {any} */ event) => {
    // New rows may move the row before the button is released. A mouse that moved selects text instead.
    const stayed = Math.abs(event.clientY - pressed.y) < rowHeight / 2;
    const tr = event.target.closest("tr[data-key]") ?? (stayed && drawn.get(pressed.key));
    if (!tr || event.detail > 1) return; // a double click counts once
    ranging = false;
    focusColumn = event.target.closest("td")?.cellIndex ?? -1;
    focusRow(indexOf(tr.dataset.key));
    select(tr.dataset.key, event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "only");
  };
  body.onkeydown = (/** @type {any} */ event) => {
    const [at, screen, last] = [indexOf(focusKey), model.get("height_rows"), page.total - 1];
    if ((event.ctrlKey || event.metaKey) && event.key === "c") {
      if (!isHeading(focusKey) && document.getSelection()?.isCollapsed !== false) {
        model.send({ whole: [focusKey, columns[focusColumn]?.name ?? "", true] });
        event.preventDefault();
      }
      return;
    }
    /** @type {Record<string, number>} */
    const goals = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + screen,
      PageUp: at - screen,
      Home: 0,
      End: last,
    };
    if (event.key in goals) {
      if (event.shiftKey && !anchorKey && !isHeading(focusKey)) anchorKey = focusKey;
      ranging = event.shiftKey && model.get("multiple");
      focusRow(goals[event.key]);
    } else if (event.key === "Enter") select(focusKey, "only");
    else if (event.key === " ") select(focusKey, "toggle");
    else if (event.key === "Escape") {
      if (whole.asked()) whole.hide();
      else send("selection", []);
    } else if (event.key === "ArrowRight") focusBeside(1);
    else if (event.key === "ArrowLeft") focusBeside(-1);
    else return;
    event.preventDefault();
  };

  /** Scroll to the row that Python wants to be seen, once the table has a place on the page. */
  function show() {
    if (!revealed || !scroller.clientHeight) return;
    const { at } = revealed;
    revealed = undefined;
    if (!root.closest("[data-pressed]")) return; // another view of the panel leads on
    root.scrollIntoView({ block: "nearest" });
    focusRow(at);
  }

  const receive = (/** @type {Message} */ { told: sentence, whole: found, unsaved }) => {
    if (sentence !== undefined) told.textContent = sentence;
    if (found && !found.copy) whole.show(found.text);
    if (found?.copy && body.contains(document.activeElement)) {
      copy(found.text);
      told.textContent = focusColumn < 0 ? "Copied the row." : `Copied: ${columns[focusColumn].label}`;
    }
    if (unsaved?.page) {
      page = unsaved.page;
      draw();
    }
    if (unsaved?.reveal) {
      revealed = unsaved.reveal;
      show();
    }
  };
  const events = { "msg:custom": receive, "change:selection": draw, "change:order": mark, "change:widths": fit };
  for (const [event, callback] of Object.entries(events)) model.on(event, callback);
  const resized = new ResizeObserver(() => {
    fit();
    show();
  });
  resized.observe(root);
  mark();
  draw();
  model.send({ want: "unsaved" }); // rows hold prompts, so they are in no state that a front end could save
  return () => {
    resized.disconnect();
    whole.end();
    for (const timer of [typing, scrolling, late]) clearTimeout(timer);
    for (const [event, callback] of Object.entries(events)) model.off(event, callback);
  };
}

export default { render };

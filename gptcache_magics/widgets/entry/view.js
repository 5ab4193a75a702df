// One entry in full. Python writes the conversation as HTML with all foreign text escaped, and this file shows it. It
// requests an image or the code when the user presses a button. All of it comes in messages and is not saved.

/** @typedef {{key: string, facts: string, ways: string, value: string, redact: boolean}} Entry */
/** @typedef {{unsaved?: Entry, view: string, key: string, code?: string, text?: string, image?: number,
 *   mime?: string}} Answer */

const LINES = 24;

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

/** @param {import("@anywidget/types").RenderProps} context */
function render({ model, el }) {
  const view = Math.random().toString(36).slice(2, 8);
  const facts = make("div");
  const ways = make("span", { class: "gptcache-ways" });
  const wants = { question: "Copy question", answer: "Copy answer", python: "Copy as Python" };
  const copies = Object.entries(wants).map(([want, text]) => {
    const button = make("button", { type: "button", class: "gptcache-button" }, text);
    button.onclick = () => ask({ want });
    return button;
  });
  const bar = make("div", { class: "gptcache-bar", role: "group", "aria-label": "This entry" }, ways, ...copies);
  const said = make("div", { class: "gptcache-soft", role: "status" });
  const code = make("textarea", { class: "gptcache-code", readonly: "", spellcheck: "false", wrap: "off" });
  const chat = make("div");
  const root = make("div", { class: "gptcache-detail gptcache-entry", role: "region" });
  root.append(facts, bar, said, code, chat);
  el.append(root);
  /** @type {string[]} */
  let urls = [];
  let entry = /** @type {Entry} */ ({ key: "", facts: "", value: "", ways: "", redact: false });

  function forgetImages() {
    for (const url of urls) URL.revokeObjectURL(url);
    urls = [];
  }
  function draw() {
    root.hidden = !entry.key;
    root.setAttribute("aria-label", `Entry ${entry.key}`);
    facts.innerHTML = entry.facts;
    ways.innerHTML = entry.ways;
    for (const each of copies) {
      each.disabled = entry.redact;
      each.title = entry.redact ? "Prompts and answers are hidden" : "";
    }
  }
  function drawChat() {
    forgetImages();
    chat.innerHTML = entry.value;
  }
  function forgetCode() {
    code.value = said.textContent = "";
    code.hidden = true;
  }
  /** Show a text selected, to be copied by hand. @param {string} text @param {string} label */
  function offer(text, label) {
    code.hidden = false;
    code.value = text;
    code.rows = Math.min(LINES, text.trimEnd().split("\n").length);
    code.setAttribute("aria-label", label);
    code.focus({ preventScroll: true });
    code.select();
    said.textContent = "Selected: press Ctrl+C to copy";
  }
  /** Copy a text; where the browser does not allow it, show it to be copied by hand. @param {string} text */
  async function copy(text) {
    forgetCode();
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied";
    } catch {
      offer(text, "Text to copy");
    }
  }
  /** Show code, and copy it where the browser allows it. @param {string} text */
  async function copyCode(text) {
    offer(text, "Code that makes the same call again");
    await navigator.clipboard?.writeText(text).then(
      () => {
        said.textContent = "Copied";
      },
      () => {},
    );
  }
  /** @param {number} image @param {string} mime @param {BlobPart} [bytes] */
  function unfold(image, mime, bytes) {
    const button = chat.querySelector(`[data-image="${image}"]`);
    if (!button || button.nextSibling) return;
    if (bytes) urls.push(URL.createObjectURL(new Blob([bytes], { type: mime })));
    button.after(
      bytes
        ? make("img", { src: urls[urls.length - 1], alt: `Image ${image + 1} of the conversation` })
        : " cannot be shown",
    );
    button.textContent = "Hide";
    button.setAttribute("aria-expanded", "true");
  }

  const ask = (/** @type {object} */ wanted) => model.send({ ...wanted, view, key: entry.key });
  chat.onclick = (/** @type {any} */ { target }) => {
    const button = target.closest("button[data-image]");
    if (!button) return;
    if (!button.nextSibling) return ask({ want: "image", image: Number(button.dataset.image) });
    button.nextSibling.remove();
    button.textContent = "Show";
    button.setAttribute("aria-expanded", "false");
  };
  /** @param {Entry} shown */
  function show(shown) {
    const before = entry;
    entry = shown;
    draw();
    if (entry.value !== before.value) drawChat();
    if (entry.key !== before.key) forgetCode();
  }
  const answered = (/** @type {Answer} */ answer, /** @type {any[]} */ buffers) => {
    if (answer.unsaved) return show(answer.unsaved);
    if (answer.view !== view || answer.key !== entry.key) return;
    if (answer.code !== undefined) copyCode(answer.code);
    if (answer.text !== undefined) copy(answer.text);
    if (answer.image !== undefined) unfold(answer.image, answer.mime ?? "", buffers?.[0]);
  };

  model.on("msg:custom", answered);
  draw();
  forgetCode();
  model.send({ want: "unsaved" });
  return () => {
    forgetImages();
    model.off("msg:custom", answered);
  };
}

export default { render };

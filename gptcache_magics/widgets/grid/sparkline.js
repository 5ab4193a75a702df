// A small picture of how a share went on.

/**
 * Draw shares over time as bars.
 * @param {(number | null)[]} values  0 to 1, the earliest first; null where nothing happened.
 * @param {string} text  Says the same for who cannot see it.
 */
export function sparkline(values, text) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const [wide, high] = [6, 16];
  svg.setAttribute("class", "gptcache-grid-spark");
  svg.setAttribute("viewBox", `0 0 ${wide * values.length} ${high}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", text);
  for (const [i, value] of values.entries()) {
    if (value === null) continue;
    for (const [share, of] of /** @type {[number, string][]} */ ([
      [1, "all"],
      [value, "share"],
    ])) {
      const bar = document.createElementNS(svg.namespaceURI, "rect");
      const tall = share * high;
      const place = { x: i * wide, y: high - tall, width: wide - 1, height: tall, class: of };
      for (const [name, number] of Object.entries(place)) bar.setAttribute(name, String(number));
      svg.append(bar);
    }
  }
  return svg;
}

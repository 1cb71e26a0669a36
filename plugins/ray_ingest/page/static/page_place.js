// Where a passage stands on its page: an outline of the page with the passage's boxes. No page is rendered for it.

import { ChakraUI, h } from "./host.js";

const { Box } = ChakraUI;

/**
 * @typedef {object} Place
 * @property {[number, number]} [page] width and height of the page in points; without them the passage has no place
 * @property {[number, number, number, number][]} boxes from the upper left corner of the page, in points
 */

/** The place in words, such as "at the top left". */
export function words(/** @type {Required<Place>} */ { page: [width, height], boxes }) {
  const left = Math.min(...boxes.map((box) => box[0]));
  const right = Math.max(...boxes.map((box) => box[2]));
  const middle = boxes.reduce((sum, box) => sum + (box[1] + box[3]) * (box[3] - box[1]), 0) / 2;
  const down = middle / boxes.reduce((sum, box) => sum + box[3] - box[1], 0) / height;
  const row = down < 1 / 3 ? "at the top" : down < 2 / 3 ? "in the middle" : "at the bottom";
  if (right - left > 0.6 * width) return row;
  const across = (left + right) / 2 / width;
  return `${row}${across < 0.4 ? " left" : across > 0.6 ? " right" : ""}`;
}

/** The outline, or nothing for a passage whose place is unknown. */
export function PagePlace({ place, number }) {
  if (!place?.page || !place.boxes.length) return null;
  const [width, height] = place.page;
  const label = `On page ${number}, ${words(place)}`;
  return h(
    Box,
    { as: "svg", role: "img", "aria-label": label, viewBox: `-1 -1 ${width + 2} ${height + 2}`, h: "5.5rem", maxW: "8rem", flexShrink: 0 },
    h("title", null, label),
    h(
      Box,
      { as: "g", color: "fg.subtle" },
      h("rect", { width, height, fill: "none", stroke: "currentColor", strokeWidth: 1.5, vectorEffect: "non-scaling-stroke" }),
    ),
    h(
      Box,
      { as: "g", color: "yellow.solid" },
      place.boxes.map(([x0, y0, x1, y1], at) =>
        h("rect", { key: at, x: x0, y: y0, width: x1 - x0, height: y1 - y0, fill: "currentColor" }),
      ),
    ),
  );
}

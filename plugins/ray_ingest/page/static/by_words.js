// Passages with the words of a question, which are marked, and where each stands. Milvus finds them without a model.

import { OwnersValues } from "./conditions.js";
import { ChakraUI, h } from "./host.js";
import { clock } from "./object_details.js";
import { PagePlace } from "./page_place.js";
import { Hint, ObjectLink, plural } from "./parts.js";

const { Box, Flex, Heading, Mark, Text } = ChakraUI;

const KINDS = {
  documents: ["Pages", (hit) => `page ${hit.page}${hit.kind === "text" ? "" : `, ${hit.kind}`}`],
  video_segments: ["Spoken", (hit) => `spoken from ${clock(hit.start)} to ${clock(hit.end)}`],
};

/** A text in pieces, those that are words of the question marked. */
export const Marked = ({ pieces }) =>
  h(
    Text,
    { whiteSpace: "pre-wrap", overflowWrap: "anywhere", mt: 1 },
    pieces.map(([piece, isHit], at) => (isHit ? h(Mark, { key: at, variant: "subtle", colorPalette: "yellow" }, piece) : piece)),
  );

function Hit({ hit, place }) {
  return h(
    Flex,
    { as: "li", py: 3, gap: 4, borderBottomWidth: "1px" },
    h(
      Box,
      { flex: "1", maxW: "60rem" },
      h(ObjectLink, { source: hit.source }),
      h(Text, { fontSize: "sm", fontWeight: "medium" }, place),
      hit.owner ? h(OwnersValues, hit.owner) : null,
      h(Marked, { pieces: hit.text }),
    ),
    h(PagePlace, { place: hit.place, number: hit.page }),
  );
}

/** A hint if passages have no place since they were written before there were any. */
export function Unplaced({ hits }) {
  const number = hits.filter((hit) => hit.place === null).length;
  if (!number) return null;
  return h(Hint, null, `${plural(number, "passage")} of these ${number === 1 ? "was" : "were"} ingested before places on a page were kept. A run with full refresh adds them.`);
}

/** What was found; `found` has the hits of each collection, and `isFiltered` says whether there was a prefix or a condition. */
export function ByWords({ found, isFiltered }) {
  const names = Object.keys(found);
  if (!names.length) return h(Hint, null, "Nothing has been ingested yet that has words.");
  return names.map((name) =>
    h(
      Box,
      { as: "section", key: name, mt: 5, "aria-label": KINDS[name][0] },
      h(Heading, { as: "h2", size: "md" }, KINDS[name][0]),
      found[name].sentence ? h(Hint, null, found[name].sentence) : null,
      h(Unplaced, { hits: found[name].hits }),
      found[name].hits.length
        ? h(Box, { as: "ol", listStyleType: "none" }, found[name].hits.map((hit, at) => h(Hit, { key: at, hit, place: KINDS[name][1](hit) })))
        : h(Text, { role: "status", color: "fg.muted" }, isFiltered ? "With this prefix and these conditions, no passage has these words." : "No passage has these words."),
    ),
  );
}

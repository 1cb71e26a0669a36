// Hits of the search service: pages, passages, images and moments, each with its picture.

import { Marked, Unplaced } from "./by_words.js";
import { OwnersValues } from "./conditions.js";
import { ChakraUI, h } from "./host.js";
import { clock } from "./object_details.js";
import { Hint, ObjectLink } from "./parts.js";

const { Box, Flex, Heading, Image, Text } = ChakraUI;

const KINDS = {
  pages: ["Pages", (hit) => `page ${hit.page}`],
  spoken: ["Spoken", (hit) => `spoken from ${clock(hit.start)} to ${clock(hit.end)}`],
  images: ["Images", (hit) => `${hit.width} × ${hit.height} pixels`],
  frames: ["Seen in videos", (hit) => `at ${clock(hit.time)}`],
};

function Hit({ hit, place }) {
  return h(
    Flex,
    { as: "li", py: 3, gap: 4, borderBottomWidth: "1px", align: "flex-start" },
    h(
      Box,
      { width: "11rem", flexShrink: 0 },
      hit.picture
        ? h(
            Box,
            { display: "inline-block", borderWidth: "1px", borderColor: "border.emphasized" },
            h(Image, { src: hit.picture, alt: "", maxH: "14rem" }),
          )
        : null,
    ),
    h(
      Box,
      { minW: 0, maxW: "60rem" },
      h(ObjectLink, { source: hit.source }),
      h(Text, { fontSize: "sm", fontWeight: "medium" }, place),
      hit.owner ? h(OwnersValues, hit.owner) : null,
      hit.text.length ? h(Marked, { pieces: hit.text }) : null,
    ),
  );
}

/** What the service has found; `found` is its answer, and `isFiltered` says whether there was a prefix or a condition. */
export function ByMeaning({ found, isFiltered }) {
  const skipped = Object.entries(found.skipped).map(([kind, why]) => `${KINDS[kind]?.[0] ?? kind} were left out: ${why}.`);
  return h(
    Box,
    null,
    skipped.length ? h(Hint, null, skipped.join(" ")) : null,
    Object.entries(found.hits).map(([kind, hits]) =>
      h(
        Box,
        { as: "section", key: kind, mt: 5, "aria-label": KINDS[kind][0] },
        h(Heading, { as: "h2", size: "md" }, KINDS[kind][0]),
        h(Unplaced, { hits }),
        hits.length
          ? h(Box, { as: "ol", listStyleType: "none" }, hits.map((hit, at) => h(Hit, { key: at, hit, place: KINDS[kind][1](hit) })))
          : h(Text, { role: "status", color: "fg.muted" }, isFiltered ? "With this prefix and these conditions, nothing was found." : "Nothing was found."),
      ),
    ),
  );
}

// One object: the ledger's entry, its rows as Milvus has them, and objects like it.

import { OwnersValues } from "./conditions.js";
import { ChakraUI, h, useState } from "./host.js";
import { ObjectState } from "./object_list.js";
import { PagePlace } from "./page_place.js";
import { Answer, Hint, ObjectLink, Rows, TITLES, Time, bytes, count } from "./parts.js";
import { RetryButton } from "./retry.js";
import { ours, query, useAnswer } from "./server.js";
import { Tries } from "./tries.js";

const { Box, Button, Code, Flex, Heading, Text } = ChakraUI;

/** A second of a recording, as players show it. */
export function clock(/** @type {number} */ seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const pad = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(whole % 60)}`;
}

/** Where a row stands in its object. */
const PLACES = {
  documents: (row) => `page ${row.page}${row.kind === "text" ? "" : `, ${row.kind}`}`,
  images: (row) => `${row.width} × ${row.height} pixels`,
  video_segments: (row) => `${clock(row.start)}–${clock(row.end)}`,
  video_frames: (row) => `frame at ${clock(row.time)}`,
};

function Where({ row, collection }) {
  return h(Box, null, PLACES[collection](row), h(Box, { mt: 1 }, h(PagePlace, { place: row.metadata?.place, number: row.page })));
}

function RowsOf({ source, collection }) {
  const [pages, setPages] = useState([0]);
  const first = pages[pages.length - 1];
  const answer = useAnswer(`rows ${collection} ${source} ${first}`, (signal) =>
    ours(`object/rows${query({ source, collection, first })}`, signal),
  );
  return h(Answer, { answer, what: "the rows" }, (data) =>
    h(
      Box,
      null,
      h(Rows, {
        label: `Rows in ${collection}`,
        rows: data.rows,
        keyOf: (row) => `${row.version} ${row.ordinal}`,
        columns: [
          ["No.", (row) => row.ordinal, { textAlign: "end" }],
          ["Where", (row) => h(Where, { row, collection }), { whiteSpace: "nowrap" }],
          [
            "What",
            (row) =>
              h(Text, { whiteSpace: "pre-wrap", overflowWrap: "anywhere", maxW: "60rem" }, row.text ?? JSON.stringify(row.metadata)),
          ],
        ],
      }),
      pages.length > 1 || data.next !== null
        ? h(
            Flex,
            { as: "nav", "aria-label": `Pages of the rows in ${collection}`, gap: 2 },
            h(Button, { size: "sm", variant: "outline", disabled: pages.length === 1, onClick: () => setPages(pages.slice(0, -1)) }, "Previous"),
            h(Button, { size: "sm", variant: "outline", disabled: data.next === null, onClick: () => setPages([...pages, data.next]) }, "Next"),
          )
        : null,
    ),
  );
}

function Similar({ source }) {
  const answer = useAnswer(`similar ${source}`, (signal) => ours(`object/similar${query({ source })}`, signal));
  return h(Answer, { answer, what: "objects like it" }, (hits) =>
    hits.length
      ? h(Rows, {
          label: "Objects like this one",
          rows: hits,
          keyOf: (hit) => hit.source,
          columns: [
            ["Object", (hit) => h(ObjectLink, { source: hit.source })],
            ["Similarity", (hit) => hit.similarity.toFixed(3), { textAlign: "end" }],
            ["Rows", (hit) => count(hit.rows), { textAlign: "end" }],
          ],
        })
      : h(Text, { my: 2, color: "fg.muted" }, "There is none: it has no rows, or is the only one."),
  );
}

/** A value of the ledger's metadata; `stored` is when the object was written to the store. */
function shown(name, value) {
  if (name === "stored") return value ? h(Time, { at: 1000 * value }) : "unknown";
  if (name === "owner") return h(OwnersValues, { values: Object.entries(value) });
  return typeof value === "string" ? value : JSON.stringify(value);
}

const NAMES = {
  owner: "What its owner says",
  owner_note: "Not used of that",
  partly_read: "Read in part",
  sidecar: "Version of its sidecar",
  stored: "Put into the store",
};

/** Whether searches find the object. One that failed may have rows of the version before, while runs try it again. */
function searchable({ status, collections }) {
  if (!Object.values(collections).some((rows) => rows)) return "no: it has no rows";
  return status === "ok" ? "yes" : "yes, by the rows of an earlier version";
}

function Facts({ object }) {
  const lines = [
    ["Searchable", searchable(object)],
    ["Pipeline", TITLES[object.pipeline] ?? object.pipeline],
    ["Version", h(Code, null, object.version)],
    ["Size", bytes(object.size)],
    ["Rows", Object.entries(object.collections).map(([name, rows]) => `${count(rows)} in ${name}`).join(", ") || "0"],
    ["Written", h(Time, { at: object.updated_at })],
    ["Tries at this version", count(object.attempts)],
    ...Object.entries(object.metadata ?? {}).map(([name, value]) => [NAMES[name] ?? name, shown(name, value)]),
  ];
  return h(
    Box,
    { as: "dl", display: "grid", gridTemplateColumns: "max-content 1fr", columnGap: 4, rowGap: 1, my: 3, fontSize: "sm" },
    lines.flatMap(([name, value]) => [
      h(Text, { as: "dt", key: name, color: "fg.muted" }, name),
      h(Box, { as: "dd", key: `${name}:`, m: 0, overflowWrap: "anywhere" }, value),
    ]),
  );
}

export function ObjectDetails({ source, retry, may, close }) {
  const answer = useAnswer(`object ${source}`, (signal) => ours(`object${query({ source })}`, signal), 15000);
  const [isSimilarShown, showSimilar] = useState(false);
  return h(
    Box,
    { as: "section", "aria-label": "One object" },
    h(Button, { size: "xs", variant: "ghost", onClick: close }, "← Back to the list"),
    h(Heading, { as: "h2", size: "md", my: 2, overflowWrap: "anywhere" }, source),
    h(Answer, { answer, what: "the object" }, (object) =>
      h(
        Box,
        null,
        h(
          Flex,
          { gap: 3, align: "center" },
          h(ObjectState, { object }),
          object.status === "failed"
            ? h(RetryButton, { retry, of: { pipeline: object.pipeline, reason: "", under: source, isOne: true }, label: "Retry this object" })
            : null,
        ),
        object.status === "failed"
          ? h(
              Hint,
              { status: "error" },
              `${object.stage}/${object.error_type}: ${object.error_message}. `,
              object.is_permanent ? "Runs do not try it again until it has changed." : "",
            )
          : null,
        h(Facts, { object }),
        h(Tries, { object }),
        may.contents
          ? Object.entries(object.collections)
              .filter(([, rows]) => rows)
              .map(([collection]) =>
                h(
                  Box,
                  { as: "section", key: collection, mt: 4 },
                  h(Heading, { as: "h3", size: "sm" }, `Rows in ${collection}`),
                  h(RowsOf, { source, collection }),
                ),
              )
          : h(Text, { my: 3, color: "fg.muted" }, "Its texts are for users who may read the connection milvus_default."),
        object.rows
          ? h(
              Box,
              { as: "section", mt: 4 },
              h(Heading, { as: "h3", size: "sm" }, "More like this"),
              isSimilarShown
                ? h(Similar, { source })
                : h(Button, { size: "sm", variant: "outline", mt: 2, onClick: () => showSimilar(true) }, "Find objects like it"),
            )
          : null,
      ),
    ),
  );
}

// A list of objects to page through, in the order of their addresses.

import { ChakraUI, h, useEffect, useState } from "./host.js";
import { Answer, ObjectLink, Rows, State, Time, bytes, count } from "./parts.js";
import { RetryButton } from "./retry.js";
import { ours, query, useAnswer } from "./server.js";

const { Box, Button, Flex, Text } = ChakraUI;

export function ObjectState({ object }) {
  return object.status === "ok" ? h(State, { colour: "success" }, "done") : h(State, { colour: "failed" }, "failed");
}

/** `choice` has the parameters of the request; `retry` is that of `useRetry`. */
export function ObjectList({ choice, retry }) {
  const key = query(choice);
  // The addresses behind which the pages begin, up to the one that is shown.
  const [pages, setPages] = useState([""]);
  useEffect(() => setPages([""]), [key]);
  const after = pages[pages.length - 1];
  const answer = useAnswer(`objects ${key} ${after}`, (signal) => ours(`objects${query({ ...choice, after })}`, signal));
  return h(Answer, { answer, what: "the objects" }, (data) => {
    const isFirst = pages.length === 1;
    const pager =
      isFirst && !data.next
        ? null
        : h(
            Flex,
            { as: "nav", "aria-label": "Pages of the list", gap: 2, my: 2 },
            h(Button, { size: "sm", variant: "outline", disabled: isFirst, onClick: () => setPages(pages.slice(0, -1)) }, "Previous"),
            h(Button, { size: "sm", variant: "outline", disabled: !data.next, onClick: () => setPages([...pages, data.next]) }, "Next"),
          );
    if (!data.objects.length) {
      const text = data.next ? "None on this page; there may be some on the next ones." : "The ledger has no such object.";
      return h(Box, null, h(Text, { my: 4, role: "status" }, text), pager);
    }
    return h(
      Box,
      null,
      h(Rows, {
        label: "Objects",
        rows: data.objects,
        keyOf: (object) => object.source,
        columns: [
          ["Object", (object) => h(ObjectLink, { source: object.source })],
          ["State", (object) => h(ObjectState, { object })],
          ["Rows", (object) => count(object.rows), { textAlign: "end" }],
          ["Size", (object) => bytes(object.size), { textAlign: "end", whiteSpace: "nowrap" }],
          ["Written", (object) => h(Time, { at: object.updated_at }), { whiteSpace: "nowrap" }],
          ["Tries", (object) => count(object.attempts), { textAlign: "end" }],
          ["What went wrong", (object) => h(Text, { maxW: "30rem", overflowWrap: "anywhere" }, object.error_message)],
          [
            "Retry",
            (object) =>
              object.status === "failed"
                ? h(RetryButton, {
                    retry,
                    of: { pipeline: object.pipeline, reason: "", under: object.source, isOne: true },
                    label: `Retry ${object.source}`,
                  })
                : null,
          ],
        ],
      }),
      pager,
    );
  });
}

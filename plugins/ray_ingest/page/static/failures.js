// The failed objects by reason, and a list of those of one reason.

import { ChakraUI, h, useEffect, useState } from "./host.js";
import { ObjectList } from "./object_list.js";
import { Answer, Choice, Form, Hint, ObjectLink, PipelineChoice, Rows, TITLES, TextField, Time, To, count, plural } from "./parts.js";
import { RetryButton } from "./retry.js";
import { ours, query, useAnswer } from "./server.js";

const { Box, Button, Flex, Heading, Text } = ChakraUI;

const reasonOf = (group) => `${group.stage}/${group.error_type}`;

const TIMES = [
  ["", "At any time"],
  ["24", "In the last 24 hours"],
  ["168", "In the last 7 days"],
];

function Groups({ data, retry, chosen }) {
  const { prefix } = chosen;
  const listing = (group) => `?${new URLSearchParams({ tab: "failures", ...chosen, pipeline: group.pipeline, reason: reasonOf(group) })}`;
  if (!data.groups.length) return h(Hint, { status: "success" }, "No object has failed here.");
  return h(Rows, {
    label: "Reasons of failures",
    rows: data.groups,
    keyOf: (group) => `${group.pipeline} ${reasonOf(group)}`,
    columns: [
      ["Objects", (group) => h(Text, { fontWeight: "semibold" }, count(group.count)), { textAlign: "end" }],
      [
        "Reason",
        (group) =>
          h(
            Box,
            null,
            h(To, { to: listing(group), fontWeight: "medium", "aria-label": `List the objects that failed with ${reasonOf(group)}` }, reasonOf(group)),
            h(Text, { fontSize: "xs", color: "fg.muted" }, TITLES[group.pipeline]),
          ),
      ],
      [
        "Example",
        (group) =>
          h(
            Box,
            { minW: "18rem" },
            h(Text, { overflowWrap: "anywhere" }, group.example.message),
            h(ObjectLink, { source: group.example.source }),
          ),
      ],
      ["Since", (group) => h(Time, { at: group.since }), { whiteSpace: "nowrap" }],
      ["Latest", (group) => h(Time, { at: group.latest }), { whiteSpace: "nowrap" }],
      [
        "The next runs",
        (group) =>
          h(
            Text,
            { fontSize: "sm", minW: "9rem" },
            group.to_retry === group.count
              ? "try them again"
              : group.to_retry
                ? `try ${count(group.to_retry)} of them again`
                : "wait for you: mend the cause, then retry",
          ),
      ],
      [
        "Retry",
        (group) =>
          h(RetryButton, {
            retry,
            of: { pipeline: group.pipeline, reason: reasonOf(group), under: prefix || group.under, isOfTime: Boolean(chosen.hours) },
            label: `Retry the objects that failed with ${reasonOf(group)}`,
          }),
      ],
    ],
  });
}

export function Failures({ parameters, setParameters, retry }) {
  const chosen = {
    pipeline: parameters.get("pipeline") ?? "",
    prefix: parameters.get("prefix") ?? "",
    hours: TIMES.some(([hours]) => hours === parameters.get("hours")) ? parameters.get("hours") : "",
  };
  const reason = parameters.get("reason") ?? "";
  const [prefix, setPrefix] = useState(chosen.prefix);
  useEffect(() => setPrefix(chosen.prefix), [chosen.prefix]);
  const answer = useAnswer(`failures ${query(chosen)}`, (signal) => ours(`failures${query(chosen)}`, signal), 20000);
  const [stage, errorType] = reason.split("/");
  return h(
    Box,
    null,
    h(
      Form,
      { label: "Which failures", onSubmit: () => setParameters({ ...chosen, prefix }) },
      h(PipelineChoice, { value: chosen.pipeline, onChange: (pipeline) => setParameters({ ...chosen, pipeline }) }),
      h(Choice, {
        label: "Tried",
        value: chosen.hours,
        options: TIMES,
        onChange: (hours) => setParameters({ ...chosen, hours }),
        width: "12rem",
      }),
      h(TextField, {
        label: "Under the prefix",
        value: prefix,
        onChange: setPrefix,
        placeholder: "s3://bucket/pdfs/2026-01-31/",
        width: "26rem",
      }),
      h(Button, { type: "submit", size: "sm", variant: "outline" }, "Show"),
    ),
    h(Answer, { answer, what: "the failures" }, (data) =>
      h(
        Box,
        null,
        h(
          Flex,
          { align: "center", gap: 3, wrap: "wrap" },
          h(Text, { color: "fg.muted" }, `${plural(data.total, "object")} failed.`),
          chosen.pipeline && data.total && chosen.prefix
            ? h(RetryButton, {
                retry,
                of: { pipeline: chosen.pipeline, reason: "", under: chosen.prefix, isOfTime: Boolean(chosen.hours) },
                label: "Retry all of them",
              })
            : null,
        ),
        h(Groups, { data, retry, chosen }),
      ),
    ),
    reason
      ? h(
          Box,
          { as: "section", "aria-label": `Objects that failed with ${reason}`, mt: 6 },
          h(
            Flex,
            { align: "center", gap: 3 },
            h(Heading, { as: "h2", size: "md" }, `Failed with ${reason}`),
            h(To, { to: `?${new URLSearchParams({ tab: "failures", ...chosen })}`, fontSize: "sm" }, "Close the list"),
          ),
          h(ObjectList, { choice: { ...chosen, status: "failed", stage, error_type: errorType }, retry }),
        )
      : null,
  );
}

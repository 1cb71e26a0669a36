// Which days of a month are done, and a button that fills the gaps by a backfill.

import { ChakraUI, h, useMemo, useState } from "./host.js";
import { STATES, loadMonth, todayInUtc } from "./days.js";
import { Answer, Form, Hint, PIPELINES, PipelineChoice, RunLink, State, TITLES, To, count, plural } from "./parts.js";
import { Question, Tick, useSending } from "./question.js";
import { post, useAnswer } from "./server.js";

const { Box, Button, Flex, Heading, Table, Text } = ChakraUI;

const EVERY = 15000;
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const named = new Intl.DateTimeFormat("en", { month: "long", year: "numeric", timeZone: "UTC" });

/** The month before or after one such as 2026-01. */
function beside(month, step) {
  const [year, number] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + step, 1)).toISOString().slice(0, 7);
}

/** The days in rows of weeks that begin on Monday; null for the days of other months. */
function weeks(days) {
  const before = (new Date(`${days[0].day}T00:00:00Z`).getUTCDay() + 6) % 7;
  const cells = [...Array(before).fill(null), ...days];
  while (cells.length % 7) cells.push(null);
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}

function Day({ day, pipeline }) {
  const [colour, word] = STATES[day.state];
  const number = Number(day.day.slice(-2));
  const objects = day.done + day.failed;
  const target =
    day.failed > 0
      ? `?${new URLSearchParams({ tab: "failures", pipeline, prefix: day.prefix })}`
      : `?${new URLSearchParams({ tab: "objects", find: day.prefix, pipeline })}`;
  return h(
    Box,
    { minH: "4.5rem", "data-day": day.day, "data-state": day.state },
    h(Text, { fontSize: "xs", color: "fg.muted" }, h("time", { dateTime: day.day }, number)),
    word ? h(State, { colour }, word) : null,
    objects
      ? h(
          Box,
          { fontSize: "xs", mt: 1 },
          h(To, { to: target, "aria-label": `${day.day}: ${count(day.done)} done, ${count(day.failed)} failed` },
            day.failed ? `${count(day.done)} done, ${count(day.failed)} failed` : plural(day.done, "object")),
        )
      : null,
    day.runs.length
      ? h(Box, { fontSize: "xs" }, h(RunLink, { dagId: day.runs[0].dag_id, runId: day.runs[0].dag_run_id }, "last run"))
      : null,
  );
}

function Month({ days, pipeline, label }) {
  return h(
    Table.ScrollArea,
    { borderWidth: "1px", rounded: "md", my: 3 },
    h(
      Table.Root,
      { size: "sm", "aria-label": label, tableLayout: "fixed", minW: "44rem" },
      h(
        Table.Header,
        null,
        h(Table.Row, { bg: "bg.subtle" }, WEEKDAYS.map((each) => h(Table.ColumnHeader, { key: each, scope: "col" }, each))),
      ),
      h(
        Table.Body,
        null,
        weeks(days).map((week, number) =>
          h(
            Table.Row,
            { key: number },
            week.map((day, at) => h(Table.Cell, { key: at, verticalAlign: "top", borderStartWidth: at ? "1px" : 0 }, day ? h(Day, { day, pipeline }) : null)),
          ),
        ),
      ),
    ),
  );
}

/** Asks Airflow which runs a backfill would make, and then for the backfill. */
function Filling({ pipeline, from, to, close }) {
  const [isFailedToo, setFailedToo] = useState(false);
  const body = useMemo(
    () => ({
      dag_id: `ingest_${pipeline}`,
      from_date: `${from}T00:00:00Z`,
      to_date: `${to}T00:00:00Z`,
      reprocess_behavior: isFailedToo ? "failed" : "none",
    }),
    [pipeline, from, to, isFailedToo],
  );
  const plan = useAnswer(`plan ${JSON.stringify(body)}`, () => post("backfills/dry_run", body));
  const sending = useSending(() => post("backfills", body));
  const keys = plan.data?.backfills.map((each) => each.partition_key ?? each.logical_date) ?? [];
  return h(
    Question,
    {
      title: sending.isStarted ? "The backfill is started" : "Fill the gaps?",
      sending,
      action: "Start the backfill",
      isPossible: keys.length > 0,
      close,
    },
    sending.isStarted
      ? h(Text, null, "Its runs: ", h(To, { to: `/dags/ingest_${pipeline}/backfills` }, "the backfills of this Dag"))
      : h(
          Box,
          { display: "flex", flexDirection: "column", gap: 3 },
          h(Text, null, `${TITLES[pipeline]}, from ${from} to ${to}: days without a run get one. Unchanged files are skipped.`),
          h(Tick, { checked: isFailedToo, onChange: setFailedToo }, "Also days whose last run failed"),
          h(Answer, { answer: plan, what: "the plan" }, () =>
            h(
              Text,
              { role: "status", maxH: "10rem", overflow: "auto" },
              keys.length ? `Runs for ${plural(keys.length, "day")}: ${keys.join(", ")}` : "There is no gap: every day has a run.",
            ),
          ),
        ),
  );
}

export function Calendar({ parameters, setParameters, may }) {
  const today = todayInUtc();
  const pipeline = PIPELINES.includes(parameters.get("pipeline")) ? parameters.get("pipeline") : PIPELINES[0];
  const asked = parameters.get("month") ?? "";
  const month = /^\d{4}-(0[1-9]|1[0-2])$/.test(asked) ? asked : today.slice(0, 7);
  const [isFilling, setFilling] = useState(false);
  const [year, number] = month.split("-").map(Number);
  const answer = useAnswer(`month ${pipeline} ${month}`, (signal) => loadMonth(pipeline, year, number, signal), EVERY);
  const label = `${TITLES[pipeline]} in ${named.format(new Date(`${month}-01T00:00:00Z`))}`;
  const go = (values) => setParameters({ pipeline, month, ...values });
  return h(
    Box,
    null,
    h(
      Form,
      { label: "Which month", role: "group", onSubmit: () => {} },
      h(PipelineChoice, { value: pipeline, onChange: (each) => go({ pipeline: each }), orAll: false, width: "13rem" }),
      h(Button, { size: "sm", variant: "outline", onClick: () => go({ month: beside(month, -1) }) }, "← Month before"),
      h(Button, { size: "sm", variant: "outline", onClick: () => go({ month: beside(month, 1) }), disabled: month >= today.slice(0, 7) }, "Next month →"),
    ),
    h(Heading, { as: "h2", size: "md" }, label),
    h(Answer, { answer, what: "the days" }, ({ root, days, hasRuns }) => {
      if (!days.length) return h(Hint, { status: "warning" }, "Set the Airflow Variable ingest_source_root: the days are below it.");
      const over = days.filter(({ day }) => day < today);
      const missing = over.filter(({ state }) => state === "never");
      const gaps = missing.length;
      const filled = gaps ? missing : over; // without a gap, days whose run failed can be run again
      return h(
        Box,
        null,
        h(
          Flex,
          { justify: "space-between", align: "center", gap: 3, wrap: "wrap" },
          h(Text, { fontSize: "sm", color: "fg.muted" }, `Partitions of ${root}, in UTC`),
          may.backfill?.[pipeline] && hasRuns && over.length
            ? h(
                Button,
                { size: "sm", colorPalette: "brand", variant: gaps ? "solid" : "outline", onClick: () => setFilling(true) },
                gaps ? `Fill ${plural(gaps, "gap")}…` : "Fill the gaps…",
              )
            : null,
        ),
        hasRuns ? null : h(Hint, { status: "warning" }, `You may not see the runs of ingest_${pipeline}, or there is no such Dag: the states are of the ledger alone.`),
        h(Month, { days, pipeline, label }),
        h(
          Flex,
          { as: "ul", gap: 4, wrap: "wrap", fontSize: "xs", color: "fg.muted", listStyleType: "none" },
          Object.entries(STATES)
            .filter(([, [, word]]) => word)
            .map(([key, [colour, word, meaning]]) => h(Flex, { as: "li", key, gap: 1, align: "center" }, h(State, { colour }, word), meaning)),
        ),
        isFilling ? h(Filling, { pipeline, from: filled[0].day, to: filled[filled.length - 1].day, close: () => setFilling(false) }) : null,
      );
    }),
  );
}

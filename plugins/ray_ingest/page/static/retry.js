// Starts the Dag `retry_failed` as the user, once for each time that somebody opens the question.

import { ChakraUI, h, useMemo, useState } from "./host.js";
import { Hint, RunLink, TextField, TITLES } from "./parts.js";
import { Question, Tick, useSending } from "./question.js";
import { airflow, post, useAnswer } from "./server.js";

const { Box, Button, Code, Text } = ChakraUI;

const DAG = "retry_failed";

/** The id of a run. Whoever sends it again, as after an answer that was lost, is told by Airflow that there is one. */
const newRunId = () => `page__${new Date().toISOString().replace(/\.\d+/, "")}__${Math.random().toString(36).slice(2, 8)}`;

/** Whether the user may start retries here: by his rights, and because there is the Dag. */
export function useRetry(may) {
  const dag = useAnswer(may?.retry ? "retry dag" : null, (signal) => airflow(`dags/${DAG}`, signal));
  return { isPossible: Boolean(dag.data), isPaused: Boolean(dag.data?.is_paused) };
}

/**
 * A button that asks and then starts a retry.
 *
 * `of` tells the objects: `pipeline`, `reason` (a stage and a type, or empty for any) and `under`, which is the prefix;
 * with `isOne` it is the address of one object, and with `isOfTime` only those of some time are shown.
 */
export function RetryButton({ retry, of, label }) {
  const [isOpen, setOpen] = useState(false);
  if (!retry.isPossible) return null;
  return h(
    Box,
    { display: "inline-block" },
    h(
      Button,
      { size: "xs", variant: "outline", colorPalette: "brand", onClick: () => setOpen(true), "aria-label": label },
      "Retry…",
    ),
    isOpen ? h(RetryQuestion, { retry, of, close: () => setOpen(false) }) : null,
  );
}

function RetryQuestion({ retry, of, close }) {
  const runId = useMemo(newRunId, []);
  const [under, setUnder] = useState(of.under);
  const [isDry, setDry] = useState(false);
  const sending = useSending(async () => {
    const conf = { source: under, pipeline: of.pipeline, reason: of.reason || null, dry_run: isDry };
    try {
      await post(`dags/${DAG}/dagRuns`, { dag_run_id: runId, logical_date: null, conf });
    } catch (error) {
      if (error.status !== 409) throw error; // there is the run: its answer was lost
    }
  });
  const what = of.isOne ? "this object" : of.reason ? `the objects that failed with ${of.reason}` : "all failed objects";
  return h(
    Question,
    {
      title: sending.isStarted ? "The retry is started" : `Retry ${what}?`,
      sending,
      action: isDry ? "Count them" : "Retry",
      isPossible: Boolean(under.trim()),
      close,
    },
    sending.isStarted
      ? h(
          Box,
          null,
          h(Text, null, "Its run: ", h(RunLink, { dagId: DAG, runId })),
          h(Text, { mt: 2, color: "fg.muted" }, "The counts here follow when it has ended."),
        )
      : [
          h(
            Text,
            { key: "what" },
            "The Dag ",
            h(Code, null, DAG),
            ` processes them again (${TITLES[of.pipeline]}), also those that the daily runs have given up. `,
            "Nothing else is touched.",
          ),
          of.isOne
            ? h(Code, { key: "one", overflowWrap: "anywhere", whiteSpace: "normal" }, under)
            : h(TextField, {
                key: "under",
                label: "Under this prefix",
                value: under,
                onChange: setUnder,
                width: "full",
                hint: "Objects elsewhere stay as they are.",
              }),
          of.isOfTime ? h(Text, { key: "time" }, "It also takes those whose last try was earlier than the ones that are shown.") : null,
          h(Tick, { key: "dry", checked: isDry, onChange: setDry }, "Dry run: only count them, in the task's log"),
        ],
    retry.isPaused
      ? h(Hint, { status: "warning" }, `The Dag ${DAG} is paused: the run waits until somebody unpauses it.`)
      : null,
  );
}

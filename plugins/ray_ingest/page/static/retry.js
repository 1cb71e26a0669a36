// Starts the Dag `retry_failed` as the user, once for each time that somebody opens the question.

import { ChakraUI, h, useMemo, useRef, useState } from "./host.js";
import { Hint, Problem, RunLink, TextField, TITLES } from "./parts.js";
import { airflow, post, useAnswer } from "./server.js";

const { Box, Button, Checkbox, CloseButton, Code, Dialog, Portal, Text } = ChakraUI;

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
 * with `isOne` it is the address of one object.
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
    isOpen ? h(Question, { retry, of, close: () => setOpen(false) }) : null,
  );
}

function Question({ retry, of, close }) {
  const runId = useMemo(newRunId, []);
  const [under, setUnder] = useState(of.under);
  const [isDry, setDry] = useState(false);
  const [sent, setSent] = useState({ isBusy: false, isStarted: false, error: null });
  const isUnderWay = useRef(false); // a state would be seen by the next click only after it is drawn
  const start = async () => {
    if (isUnderWay.current) return;
    isUnderWay.current = true;
    setSent({ isBusy: true, isStarted: false, error: null });
    const conf = { source: under, pipeline: of.pipeline, reason: of.reason || null, dry_run: isDry };
    try {
      await post(`dags/${DAG}/dagRuns`, { dag_run_id: runId, logical_date: null, conf });
      setSent({ isBusy: false, isStarted: true, error: null });
    } catch (error) {
      const isTwice = error.status === 409;
      setSent({ isBusy: false, isStarted: isTwice, error: isTwice ? null : error });
    }
    isUnderWay.current = false;
  };
  const what = of.isOne ? "this object" : of.reason ? `the objects that failed with ${of.reason}` : "all failed objects";
  return h(
    Dialog.Root,
    { open: true, onOpenChange: (event) => event.open || close(), role: "alertdialog" },
    h(
      Portal,
      null,
      h(Dialog.Backdrop, null),
      h(
        Dialog.Positioner,
        null,
        h(
          Dialog.Content,
          null,
          h(Dialog.Header, null, h(Dialog.Title, null, sent.isStarted ? "The retry is started" : `Retry ${what}?`)),
          h(
            Dialog.Body,
            { display: "flex", flexDirection: "column", gap: 3 },
            sent.isStarted
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
                  h(
                    Checkbox.Root,
                    { key: "dry", checked: isDry, onCheckedChange: (event) => setDry(event.checked === true) },
                    h(Checkbox.HiddenInput, null),
                    h(Checkbox.Control, null),
                    h(Checkbox.Label, null, "Dry run: only count them, in the task's log"),
                  ),
                ],
            retry.isPaused
              ? h(Hint, { status: "warning" }, `The Dag ${DAG} is paused: the run waits until somebody unpauses it.`)
              : null,
            sent.error ? h(Problem, { error: sent.error }) : null,
          ),
          h(
            Dialog.Footer,
            null,
            h(Button, { size: "sm", variant: "outline", onClick: close }, sent.isStarted ? "Close" : "Cancel"),
            sent.isStarted
              ? null
              : h(
                  Button,
                  { size: "sm", colorPalette: "brand", onClick: start, loading: sent.isBusy, disabled: !under.trim() },
                  isDry ? "Count them" : "Retry",
                ),
          ),
          h(Dialog.CloseTrigger, { asChild: true }, h(CloseButton, { size: "sm", "aria-label": "Close" })),
        ),
      ),
    ),
  );
}

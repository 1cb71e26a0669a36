// The tries of an object: when, by which run, and how each has ended.

import { ChakraUI, h } from "./host.js";
import { Rows, RunLink, State, Time, To, plural } from "./parts.js";

const { Box, Code, Heading, Text } = ChakraUI;

const ENDS = {
  ok: ["success", "done"],
  failed: ["failed", "failed"],
  relabelled: ["gray", "metadata updated"],
};

/** The Dag run of a Ray job, as far as Airflow knows it. */
function Run({ job, run }) {
  const ofDag = run && !run.dag_run_id;
  return h(
    Box,
    { overflowWrap: "anywhere", minW: "14rem" },
    run?.dag_run_id ? h(RunLink, { dagId: run.dag_id, runId: run.dag_run_id }, `${run.dag_id}, ${run.dag_run_id}`) : null,
    ofDag ? h(To, { to: `/dags/${encodeURIComponent(run.dag_id)}/runs` }, `a run of ${run.dag_id} that was cleared or deleted`) : null,
    h(Text, { fontSize: "xs", color: "fg.muted" }, `${run ? `try ${run.try}, ` : ""}Ray job `, h(Code, { size: "xs" }, job)),
  );
}

function End({ tried }) {
  const [colour, word] = ENDS[tried.ended];
  return h(
    Box,
    { maxW: "36rem" },
    h(State, { colour }, word),
    tried.error_type ? h(Text, { fontWeight: "medium", mt: 1 }, `${tried.stage}/${tried.error_type}`) : null,
    tried.error_message ? h(Text, { overflowWrap: "anywhere" }, tried.error_message) : null,
  );
}

/** What is not known of the tries before, in a sentence. */
function before({ tries, unknown }) {
  if (unknown) return `${plural(unknown, "earlier try", "earlier tries")} at the same version ${unknown === 1 ? "was" : "were"} not kept.`;
  return tries.length === 1 ? "No earlier try is on record." : "";
}

export function Tries({ object }) {
  const rest = before(object);
  return h(
    Box,
    { as: "section", mt: 4 },
    h(Heading, { as: "h3", size: "sm" }, "Tries"),
    h(Rows, {
      label: "Tries",
      rows: object.tries,
      keyOf: (tried) => `${tried.run_id} ${tried.updated_at}`,
      columns: [
        ["When", (tried) => h(Time, { at: tried.updated_at, isExact: true }), { whiteSpace: "nowrap" }],
        ["How it ended", (tried) => h(End, { tried })],
        ["Run", (tried) => h(Run, { job: tried.run_id, run: object.runs[tried.run_id] })],
        ["Version", (tried) => h(Code, { overflowWrap: "anywhere", whiteSpace: "normal" }, tried.version)],
      ],
    }),
    rest ? h(Text, { fontSize: "sm", color: "fg.muted" }, rest) : null,
  );
}

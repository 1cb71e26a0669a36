// The states of a month's partitions, from the ledger and from Airflow's runs.

import { airflow, ours, query } from "./server.js";

/** Runs in one request: the most that Airflow gives. */
const LIMIT = 100;

export const STATES = {
  running: ["running", "Running", "a run of this day goes on or waits"],
  failed: ["failed", "Failed", "objects have failed, or the last run has"],
  done: ["success", "Done", "objects are in the ledger, and none has failed"],
  empty: ["gray", "Empty", "a run found no objects"],
  never: ["warning", "Never run", "there is neither a run nor an object"],
  ahead: ["gray", "", "the day is not over yet, and nothing has been ingested of it"],
};

/** The state of a day. `runs` are those of its partition, the latest first; `today` is a date such as 2026-01-31. */
export function stateOf(day, runs, today) {
  if (runs.some((run) => run.state === "running" || run.state === "queued")) return "running";
  if (day.failed || runs[0]?.state === "failed") return "failed";
  if (day.done) return "done";
  if (runs.length) return "empty";
  return day.day >= today ? "ahead" : "never";
}

export const todayInUtc = () => new Date().toISOString().slice(0, 10);

const dayOf = (run) => (run.partition_key ?? "").slice(0, 10);

/** The runs of a Dag for the days of a month, by day; null if the user may not see them, or there is no such Dag. */
async function runsByDay(dagId, days, signal) {
  const runs = (parameters) => airflow(`dags/${dagId}/dagRuns${query({ order_by: "-run_after", ...parameters })}`, signal);
  const span = { partition_date_gte: days[0].day, partition_date_lte: days[days.length - 1].day };
  let found;
  try {
    found = await runs({ ...span, limit: LIMIT });
  } catch (error) {
    if (signal.aborted || ![403, 404].includes(error.status)) throw error;
    return null;
  }
  const byDay = new Map();
  for (const run of found.dag_runs) byDay.set(dayOf(run), [...(byDay.get(dayOf(run)) ?? []), run]);
  if (found.total_entries > found.dag_runs.length) {
    // Several runs a day: those of the first days are not among them.
    const missing = days.filter(({ day }) => !byDay.has(day));
    const each = await Promise.all(
      missing.map(({ day }) => runs({ partition_date_gte: day, partition_date_lte: day, limit: 10 })),
    );
    missing.forEach(({ day }, at) => each[at].dag_runs.length && byDay.set(day, each[at].dag_runs));
  }
  return byDay;
}

/** The days of a month with their states; `root` is empty where the site has none. */
export async function loadMonth(pipeline, year, month, signal) {
  const { root, days } = await ours(`days${query({ pipeline, year, month })}`, signal);
  if (!days.length) return { root, days: [], hasRuns: true };
  const byDay = await runsByDay(`ingest_${pipeline}`, days, signal);
  const today = todayInUtc();
  return {
    root,
    hasRuns: byDay !== null,
    days: days.map((day) => {
      const runs = byDay?.get(day.day) ?? [];
      return { ...day, runs, state: stateOf(day, runs, today) };
    }),
  };
}

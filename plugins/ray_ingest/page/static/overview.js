// What Milvus holds, for each pipeline.

import { ChakraUI, h } from "./host.js";
import { Answer, RunLink, RunState, State, Time, TITLES, To, bytes, count, plural } from "./parts.js";
import { airflow, query, useAnswer } from "./server.js";

const { Box, Card, Flex, Heading, SimpleGrid, Stat, Text } = ChakraUI;

/** Milliseconds between two looks at Milvus. Its answers are kept for longer where they cost it much. */
export const EVERY = 5000;

/** What Airflow knows: the latest run of each daily Dag, and the newest object that its runs have seen. */
async function runsAndNewest(/** @type {string} */ pipeline, /** @type {string} */ collection, signal) {
  const of = (promise) => promise.catch((error) => (signal.aborted ? Promise.reject(error) : null));
  const dag = `dags/ingest_${pipeline}`;
  const [runs, assets] = await Promise.all([
    of(airflow(`${dag}/dagRuns${query({ order_by: "-run_after", limit: 1 })}`, signal)),
    of(airflow(`assets${query({ uri_pattern: `milvus://ray-ingest/${collection}`, limit: 5 })}`, signal)),
  ]);
  const asset = assets?.assets.find((each) => each.uri === `milvus://ray-ingest/${collection}`);
  const state = asset ? await of(airflow(`assets/${asset.id}/state-store?limit=100`, signal)) : null;
  const newest = Number(state?.asset_state_store.find((each) => each.key === "newest_object")?.value);
  return { run: runs?.dag_runs[0] ?? null, newest: newest > 0 ? newest * 1000 : null };
}

function Numbers({ label, children }) {
  return h(
    Stat.Root,
    { size: "sm" },
    h(Stat.Label, null, label),
    h(Stat.ValueText, { fontVariantNumeric: "tabular-nums" }, children),
  );
}

const Line = ({ label, children }) =>
  h(
    Flex,
    { gap: 2, fontSize: "sm", wrap: "wrap" },
    h(Text, { as: "dt", color: "fg.muted", minW: "7.5rem" }, label),
    h(Box, { as: "dd", m: 0, overflowWrap: "anywhere", flex: 1 }, children),
  );

const BYTES_PER_NUMBER = 4;

function Collection({ collection }) {
  if (!collection.exists) return h(Line, { label: collection.name }, "not made yet");
  const model = collection.model || "a model of unknown name";
  const size = bytes(collection.rows * collection.dimension * BYTES_PER_NUMBER);
  return h(
    Line,
    { label: collection.name },
    `${plural(collection.rows, "row")}, ${model}, ${collection.dimension} dimensions: ${size} of vectors`,
  );
}

function Pipeline({ pipeline }) {
  const { pipeline: name, objects, collections, migrations, running } = pipeline;
  const known = useAnswer(`runs ${name}`, (signal) => runsAndNewest(name, collections[0].name, signal), 3 * EVERY);
  const { run, newest } = known.data ?? { run: null, newest: null };
  return h(
    Card.Root,
    { as: "section", "aria-label": TITLES[name], size: "sm", "data-pipeline": name },
    h(
      Card.Header,
      null,
      h(
        Flex,
        { justify: "space-between", align: "center", gap: 2, wrap: "wrap" },
        h(Heading, { as: "h2", size: "md" }, TITLES[name]),
        running.length ? h(State, { colour: "running" }, `${running.length} running`) : null,
      ),
    ),
    h(
      Card.Body,
      { gap: 4 },
      h(
        SimpleGrid,
        { columns: 3, gap: 2 },
        h(Numbers, { label: "Objects done" }, count(objects.ok)),
        h(
          Numbers,
          { label: "Failed" },
          objects.failed
            ? h(
                To,
                { to: `?tab=failures&pipeline=${name}`, color: "fg.error", "aria-label": `${count(objects.failed)} failed: show why` },
                count(objects.failed),
              )
            : "0",
        ),
        h(Numbers, { label: "Without a row" }, count(objects.empty)),
      ),
      h(
        Box,
        { as: "dl", display: "flex", flexDirection: "column", gap: 1.5 },
        collections.map((collection) => h(Collection, { key: collection.name, collection })),
        h(Line, { label: "Last written" }, h(Time, { at: pipeline.last_write })),
        h(
          Line,
          { label: "Newest object" },
          newest ? h(Box, null, "stored ", h(Time, { at: newest })) : "not known to Airflow's runs",
        ),
        h(
          Line,
          { label: "Last run" },
          run
            ? h(
                Flex,
                { gap: 2, wrap: "wrap" },
                h(RunState, { state: run.state }),
                h(RunLink, { dagId: run.dag_id, runId: run.dag_run_id }, run.partition_key ?? run.dag_run_id),
                h(Time, { at: run.end_date ?? run.start_date ?? run.queued_at }),
                run.note ? h(Text, { color: "fg.muted", width: "full" }, run.note) : null,
              )
            : known.isLoading
              ? "…"
              : `none of ingest_${name} that you may see`,
        ),
        migrations.map((migration) =>
          h(
            Line,
            { key: migration.model, label: "Migration" },
            `to ${migration.model || "another model"}: ${count(migration.done)} of ${count(objects.ok)} objects`,
          ),
        ),
        running.map((each) =>
          h(Line, { key: each.run_id + each.source, label: "Running" }, each.source || "the whole pipeline"),
        ),
      ),
    ),
  );
}

export function Overview({ answer }) {
  return h(Answer, { answer, what: "the collections" }, (data) =>
    h(
      SimpleGrid,
      { columns: { base: 1, md: 2, xl: 3 }, gap: 4, my: 3 },
      data.pipelines.map((pipeline) => h(Pipeline, { key: pipeline.pipeline, pipeline })),
    ),
  );
}

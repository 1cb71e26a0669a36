// Small parts that the tabs share: they look as Airflow does, by its own components and theme.

import { ChakraUI, RouterLink, h, useId, useSearchParams } from "./host.js";

const { Alert, Badge, Box, Button, Field, Flex, Input, Link, NativeSelect, Spinner, Table, Text } = ChakraUI;

export const PIPELINES = ["pdfs", "images", "videos"];
export const TITLES = { pdfs: "PDFs", images: "Images", videos: "Videos and recordings" };

/** A sentence about what went wrong; screen readers say it at once. */
export function Problem({ title, error, again }) {
  return h(
    Alert.Root,
    { status: "error", role: "alert", my: 3 },
    h(Alert.Indicator, null),
    h(
      Alert.Content,
      null,
      title ? h(Alert.Title, null, title) : null,
      h(Alert.Description, null, error.message),
      again ? h(Button, { size: "xs", variant: "outline", mt: 2, alignSelf: "flex-start", onClick: again }, "Try again") : null,
    ),
  );
}

/** A hint, which screen readers say when nothing else is said. */
export function Hint({ children, status = "info" }) {
  return h(
    Alert.Root,
    { status, role: "status", my: 3 },
    h(Alert.Indicator, null),
    h(Alert.Content, null, h(Alert.Description, null, children)),
  );
}

export function Loading({ what }) {
  return h(
    Flex,
    { role: "status", align: "center", gap: 2, py: 6, color: "fg.muted" },
    h(Spinner, { size: "sm", "aria-hidden": true }),
    h(Text, null, `Loading ${what}…`),
  );
}

/** The problem, the sign of loading, or what `children` makes of the data. */
export function Answer({ answer, what, children }) {
  const problem = answer.error ? h(Problem, { error: answer.error, again: answer.again }) : null;
  if (answer.data === null) return problem ?? (answer.isLoading ? h(Loading, { what }) : null);
  return h(Box, null, problem, children(answer.data));
}

export const count = (/** @type {number} */ number) => number.toLocaleString("en");

/** A number and its noun, such as "1 row" and "2 rows". */
export const plural = (/** @type {number} */ number, /** @type {string} */ noun, nouns = `${noun}s`) =>
  `${count(number)} ${number === 1 ? noun : nouns}`;

export function bytes(/** @type {number} */ size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = size > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(size) / 3)) : 0;
  const value = size / 1000 ** step;
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toPrecision(2)} ${units[step]}`;
}

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const ago = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** A time as people say it, with the exact one behind it, or also below it. */
export function Time({ at, isExact = false }) {
  if (at === null || at === undefined) return h("span", null, "never");
  const date = new Date(at);
  const seconds = (date.getTime() - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? [null, 1];
  const text = unit ? ago.format(Math.round(seconds / length), unit) : "less than a minute ago";
  const exact = isExact ? h(Text, { as: "span", display: "block", fontSize: "xs", color: "fg.muted" }, date.toLocaleString()) : null;
  return h("time", { dateTime: date.toISOString(), title: date.toLocaleString() }, text, exact);
}

/** A link to a page of Airflow or to another state of this one. */
export function To({ to, children, ...rest }) {
  return h(Link, { asChild: true, color: "fg.info", ...rest }, h(RouterLink, { to }, children));
}

/** A link to a run of a Dag. */
export function RunLink({ dagId, runId, children }) {
  return h(To, { to: `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}` }, children ?? runId);
}

/** The name of an object: its last part first, since the rest is often the same. It leads back to the list it is in. */
export function ObjectLink({ source }) {
  const [parameters] = useSearchParams();
  const name = source.slice(source.lastIndexOf("/", source.length - 2) + 1) || source;
  const list = parameters.get("tab") === "objects" ? Object.fromEntries(parameters) : {};
  const search = new URLSearchParams({ ...list, tab: "objects", source }).toString();
  return h(
    Box,
    { maxW: "36rem", overflowWrap: "anywhere" },
    h(To, { to: `?${search}`, fontWeight: "medium" }, name),
    h(Text, { fontSize: "xs", color: "fg.muted" }, source.slice(0, source.length - name.length)),
  );
}

/** A state in words on its colour, never by the colour alone. */
export function State({ colour, children }) {
  return h(Badge, { colorPalette: colour, variant: "subtle", size: "sm" }, children);
}

const RUN_COLOURS = { success: "success", failed: "failed", running: "running", queued: "queued" };
export const RunState = ({ state }) => h(State, { colour: RUN_COLOURS[state] ?? "gray" }, state);

/** A table; `columns` are `[title, cell(row), properties]`. */
export function Rows({ label, columns, rows, keyOf }) {
  return h(
    Table.ScrollArea,
    { borderWidth: "1px", rounded: "md", my: 3, whiteSpace: "normal", tabIndex: 0, role: "region", "aria-label": label },
    h(
      Table.Root,
      { size: "sm", "aria-label": label, interactive: true },
      h(
        Table.Header,
        null,
        h(
          Table.Row,
          { bg: "bg.subtle" },
          columns.map(([title, , properties]) => h(Table.ColumnHeader, { key: title, scope: "col", ...properties }, title)),
        ),
      ),
      h(
        Table.Body,
        null,
        rows.map((row) =>
          h(
            Table.Row,
            { key: keyOf(row) },
            columns.map(([title, cell, properties]) =>
              h(Table.Cell, { key: title, verticalAlign: "top", ...properties }, cell(row)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A field to type into, with its name above. */
export function TextField({ label, value, onChange, placeholder, hint, width = "20rem", type = "text" }) {
  return h(
    Field.Root,
    { width: { base: "full", md: width } },
    h(Field.Label, null, label),
    h(Input, { size: "sm", type, value, placeholder, onChange: (event) => onChange(event.target.value) }),
    hint ? h(Field.HelperText, null, hint) : null,
  );
}

/** A choice, with its name above; `options` are `[value, text]`. */
export function Choice({ label, value, onChange, options, width = "11rem" }) {
  const id = useId();
  return h(
    Box,
    { width },
    h(Text, { as: "label", htmlFor: id, fontSize: "sm", fontWeight: "medium", display: "block", mb: 1.5 }, label),
    h(
      NativeSelect.Root,
      { size: "sm" },
      h(
        NativeSelect.Field,
        { id, value, onChange: (event) => onChange(event.target.value) },
        options.map(([each, text]) => h("option", { key: each, value: each }, text)),
      ),
      h(NativeSelect.Indicator, null),
    ),
  );
}

const PIPELINE_OPTIONS = PIPELINES.map((each) => [each, TITLES[each]]);

/** The choice of a pipeline, or with `orAll` of all of them, which is "". */
export function PipelineChoice({ value, onChange, orAll = true, width }) {
  const options = orAll ? [["", "All pipelines"], ...PIPELINE_OPTIONS] : PIPELINE_OPTIONS;
  return h(Choice, { label: "Pipeline", value, options, onChange, width });
}

/** A form that is sent with the Enter key, too. */
export function Form({ label, onSubmit, children, role = "search" }) {
  const submit = (event) => {
    event.preventDefault();
    onSubmit();
  };
  return h(
    Flex,
    { as: "form", role, "aria-label": label, onSubmit: submit, gap: 3, wrap: "wrap", align: "flex-end", my: 3 },
    children,
  );
}

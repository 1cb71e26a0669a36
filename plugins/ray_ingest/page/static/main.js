// The page in Airflow's UI, which imports this file and takes the component that it leaves in `AirflowPlugin`.

import { Calendar } from "./calendar.js";
import { ChakraUI, React, h, useSearchParams } from "./host.js";
import { Failures } from "./failures.js";
import { Objects } from "./objects.js";
import { EVERY, Overview } from "./overview.js";
import { Problem, Time } from "./parts.js";
import { useRetry } from "./retry.js";
import { Search } from "./search.js";
import { ours, useAnswer } from "./server.js";

const { Box, Flex, Heading, Tabs, Text } = ChakraUI;

const TABS = [
  ["overview", "Overview"],
  ["failures", "Failures"],
  ["objects", "Objects"],
  ["calendar", "Calendar"],
  ["search", "Search"],
];

/** What a mistake in this page costs: this page, and not Airflow's. */
class Boundary extends React.Component {
  constructor(properties) {
    super(properties);
    this.state = { error: null };
  }

  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    if (this.state.error === null) return this.props.children;
    const again = () => this.setState({ error: null });
    return h(Problem, { title: "This part of the page failed", error: this.state.error, again });
  }
}

function Page() {
  const [parameters, setSearch] = useSearchParams();
  const found = parameters.get("tab") ?? "overview";
  const tab = TABS.some(([name]) => name === found) ? found : "overview";
  const setParameters = (values) =>
    setSearch(Object.fromEntries(Object.entries({ tab, ...values }).filter(([, value]) => value)));
  const may = useAnswer("permissions", (signal) => ours("permissions", signal));
  const state = useAnswer("overview", (signal) => ours("overview", signal), EVERY);
  const retry = useRetry(may.data);
  const shared = { parameters, setParameters, retry, may: may.data ?? {} };
  const contents = {
    overview: () => h(Overview, { answer: state }),
    failures: () => h(Failures, shared),
    objects: () => h(Objects, shared),
    calendar: () => h(Calendar, shared),
    search: () => h(Search, shared),
  };
  return h(
    Box,
    { as: "main", p: 4, overflow: "auto", height: "full", "data-testid": "ray-ingest" },
    h(
      Flex,
      { align: "baseline", justify: "space-between", wrap: "wrap", gap: 3, mb: 2 },
      h(Heading, { as: "h1", size: "xl" }, "Ray ingest"),
      state.data
        ? h(
            Text,
            { fontSize: "sm", color: "fg.muted" },
            `Milvus at ${state.data.server}, `,
            state.error ? "last reached " : "checked ",
            h(Time, { at: state.data.checked_at }),
          )
        : null,
    ),
    h(
      Tabs.Root,
      { value: tab, onValueChange: (event) => setSearch({ tab: event.value }), lazyMount: true, unmountOnExit: true },
      h(
        Tabs.List,
        { "aria-label": "Parts of the page" },
        TABS.map(([name, title]) => h(Tabs.Trigger, { key: name, value: name }, title)),
      ),
      TABS.map(([name]) => h(Tabs.Content, { key: name, value: name }, h(Boundary, null, h(Part, { make: contents[name] })))),
    ),
  );
}

/** Makes a tab inside its boundary. */
const Part = ({ make }) => make();

globalThis.AirflowPlugin = function RayIngestPage() {
  return h(Boundary, null, h(Page));
};

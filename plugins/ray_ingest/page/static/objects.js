// Any object of the store: by its prefix or a part of its name, and what Milvus has of it.

import { ConditionsField, conditionsIn } from "./conditions.js";
import { ChakraUI, h, useEffect, useState } from "./host.js";
import { ObjectDetails } from "./object_details.js";
import { ObjectList } from "./object_list.js";
import { Choice, Form, Hint, PipelineChoice, TextField } from "./parts.js";

const { Box, Button } = ChakraUI;

const STATES = [
  ["", "Done and failed"],
  ["ok", "Done"],
  ["failed", "Failed"],
];

/** An address is a prefix, which the ledger is sorted by; anything else is a part of a name. */
const choiceOf = (text) => (/^[a-z0-9]+:\/\//i.test(text) ? { prefix: text } : { name: text });

export function Objects({ parameters, setParameters, retry, may }) {
  const chosen = {
    find: parameters.get("find") ?? "",
    pipeline: parameters.get("pipeline") ?? "",
    status: parameters.get("status") ?? "",
    filter: parameters.get("filter") ?? "",
  };
  const { find: address, filter: conditions, ...rest } = chosen;
  const source = parameters.get("source") ?? "";
  const [find, setFind] = useState(chosen.find);
  const [filter, setFilter] = useState(chosen.filter);
  useEffect(() => setFind(chosen.find), [chosen.find]);
  useEffect(() => setFilter(chosen.filter), [chosen.filter]);
  return h(
    Box,
    null,
    h(
      Form,
      { label: "Which objects", onSubmit: () => setParameters({ ...chosen, find: find.trim(), filter: filter.trim() }) },
      h(TextField, {
        label: "Address, prefix or part of a name",
        value: find,
        onChange: setFind,
        placeholder: "s3://bucket/pdfs/ or report.pdf",
        width: "28rem",
        type: "search",
      }),
      h(PipelineChoice, { value: chosen.pipeline, onChange: (pipeline) => setParameters({ ...chosen, pipeline }) }),
      h(Choice, {
        label: "State",
        value: chosen.status,
        options: STATES,
        onChange: (status) => setParameters({ ...chosen, status }),
      }),
      h(ConditionsField, { value: filter, onChange: setFilter }),
      h(Button, { type: "submit", size: "sm", variant: "outline" }, "Find"),
    ),
    source
      ? h(ObjectDetails, { key: source, source, retry, may, close: () => setParameters(chosen) })
      : h(
          Box,
          null,
          conditions && chosen.status !== "ok"
            ? h(Hint, null, "The ledger has what owners say about objects that are done, not about failed ones: look for those by prefix.")
            : null,
          h(ObjectList, { choice: { ...choiceOf(address), ...rest, condition: conditionsIn(conditions) }, retry }),
        ),
  );
}

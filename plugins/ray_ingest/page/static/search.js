// Search by words over everything: the passage, its words marked, and where it stands.

import { ChakraUI, h, useEffect, useState } from "./host.js";
import { clock } from "./object_details.js";
import { PagePlace } from "./page_place.js";
import { Answer, Form, Hint, ObjectLink, TextField, plural } from "./parts.js";
import { ours, query, useAnswer } from "./server.js";

const { Box, Button, Flex, Heading, Mark, Text } = ChakraUI;

const KINDS = {
  documents: ["Pages", (hit) => `page ${hit.page}${hit.kind === "text" ? "" : `, ${hit.kind}`}`],
  video_segments: ["Spoken", (hit) => `spoken from ${clock(hit.start)} to ${clock(hit.end)}`],
};

function Hit({ hit, place }) {
  return h(
    Flex,
    { as: "li", py: 3, gap: 4, borderBottomWidth: "1px" },
    h(
      Box,
      { flex: "1", maxW: "60rem" },
      h(ObjectLink, { source: hit.source }),
      h(Text, { fontSize: "sm", fontWeight: "medium" }, place),
      h(
        Text,
        { whiteSpace: "pre-wrap", overflowWrap: "anywhere", mt: 1 },
        hit.text.map(([piece, isHit], at) => (isHit ? h(Mark, { key: at, variant: "subtle", colorPalette: "yellow" }, piece) : piece)),
      ),
    ),
    h(PagePlace, { place: hit.place, number: hit.page }),
  );
}

/** A hint if passages have no place since they were written before there were any. */
function Unplaced({ hits }) {
  const number = hits.filter((hit) => hit.place === null).length;
  if (!number) return null;
  return h(Hint, null, `${plural(number, "passage")} of these ${number === 1 ? "was" : "were"} ingested before places on a page were kept. A run with full refresh adds them.`);
}

export function Search({ parameters, setParameters, may }) {
  const chosen = { question: parameters.get("question") ?? "", prefix: parameters.get("prefix") ?? "" };
  const chosenFilter = parameters.get("filter") ?? "";
  const condition = chosenFilter.split(";").map((each) => each.trim());
  const [question, setQuestion] = useState(chosen.question);
  const [prefix, setPrefix] = useState(chosen.prefix);
  const [filter, setFilter] = useState(chosenFilter);
  useEffect(() => setQuestion(chosen.question), [chosen.question]);
  const isAsked = chosen.question && may.contents;
  const asked = query({ ...chosen, condition });
  const answer = useAnswer(isAsked ? `search ${asked}` : null, (signal) => ours(`search${asked}`, signal));
  if (may.contents === false) return h(Hint, null, "The texts are for users who may read the connection milvus_default.");
  return h(
    Box,
    null,
    h(
      Form,
      { label: "Search by words", onSubmit: () => setParameters({ question: question.trim(), prefix, filter }) },
      h(TextField, { label: "Words", value: question, onChange: setQuestion, type: "search", width: "28rem" }),
      h(TextField, { label: "Under the prefix (optional)", value: prefix, onChange: setPrefix, placeholder: "s3://bucket/pdfs/", width: "20rem" }),
      h(TextField, { label: "Conditions (optional)", value: filter, onChange: setFilter, placeholder: "tenant=acme; year>=2026", width: "20rem" }),
      h(Button, { type: "submit", size: "sm", colorPalette: "brand" }, "Search"),
    ),
    h(Text, { fontSize: "sm", color: "fg.muted" }, "By words, in the texts of pages and in what was spoken. search.py also searches by meaning and by pictures."),
    isAsked
      ? h(Answer, { answer, what: "the passages" }, (found) => {
          const names = Object.keys(found);
          if (!names.length) return h(Hint, null, "Nothing has been ingested yet that has words.");
          return names.map((name) =>
            h(
              Box,
              { as: "section", key: name, mt: 5, "aria-label": KINDS[name][0] },
              h(Heading, { as: "h2", size: "md" }, KINDS[name][0]),
              found[name].sentence ? h(Hint, null, found[name].sentence) : null,
              h(Unplaced, { hits: found[name].hits }),
              found[name].hits.length
                ? h(Box, { as: "ol", listStyleType: "none" }, found[name].hits.map((hit, at) => h(Hit, { key: at, hit, place: KINDS[name][1](hit) })))
                : h(Text, { role: "status", color: "fg.muted" }, "No passage has these words."),
            ),
          );
        })
      : null,
  );
}

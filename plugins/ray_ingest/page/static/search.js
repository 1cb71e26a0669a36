// Search over everything: by words, and by meaning where the search service is.

import { ByMeaning } from "./by_meaning.js";
import { ByWords } from "./by_words.js";
import { ConditionsField, conditionsIn } from "./conditions.js";
import { ChakraUI, h, useEffect, useState } from "./host.js";
import { Answer, Choice, Form, Hint, TextField } from "./parts.js";
import { ours, query, useAnswer } from "./server.js";

const { Box, Button, Text } = ChakraUI;

const BY = [
  ["meaning", "Meaning and words"],
  ["words", "Words alone"],
];
const HINTS = {
  meaning: "By meaning and by words, in pages, in what was spoken, in images and in the pictures of videos. The search service answers.",
  words: "By words, in the texts of pages and in what was spoken.",
};

export function Search({ parameters, setParameters, may }) {
  const by = may.meaning && parameters.get("by") !== "words" ? "meaning" : "words";
  const chosen = { question: parameters.get("question") ?? "", prefix: parameters.get("prefix") ?? "" };
  const chosenFilter = parameters.get("filter") ?? "";
  const [question, setQuestion] = useState(chosen.question);
  const [prefix, setPrefix] = useState(chosen.prefix);
  const [filter, setFilter] = useState(chosenFilter);
  useEffect(() => setQuestion(chosen.question), [chosen.question]);
  useEffect(() => setPrefix(chosen.prefix), [chosen.prefix]);
  useEffect(() => setFilter(chosenFilter), [chosenFilter]);
  const isAsked = chosen.question && may.contents;
  const address = `search${by === "meaning" ? "/meaning" : ""}${query({ ...chosen, condition: conditionsIn(chosenFilter) })}`;
  const answer = useAnswer(isAsked ? address : null, (signal) => ours(address, signal));
  if (may.contents === false) return h(Hint, null, "The texts are for users who may read the connection milvus_default.");
  const ask = (values) => setParameters({ question: question.trim(), prefix: prefix.trim(), filter, by: by === "words" && may.meaning ? by : "", ...values });
  return h(
    Box,
    null,
    h(
      Form,
      { label: `Search by ${by}`, onSubmit: () => ask({}) },
      h(TextField, { label: by === "words" ? "Words" : "Question", value: question, onChange: setQuestion, type: "search", width: "26rem" }),
      may.meaning ? h(Choice, { label: "By", value: by, options: BY, onChange: (value) => ask({ by: value }), width: "12rem" }) : null,
      h(TextField, { label: "Under the prefix (optional)", value: prefix, onChange: setPrefix, placeholder: "s3://bucket/pdfs/", width: "18rem" }),
      h(ConditionsField, { value: filter, onChange: setFilter }),
      h(Button, { type: "submit", size: "sm", colorPalette: "brand" }, "Search"),
    ),
    h(Text, { fontSize: "sm", color: "fg.muted" }, HINTS[by]),
    may.meaning || by === "meaning"
      ? null
      : h(Text, { fontSize: "sm", color: "fg.muted" }, "With the connection search_default, which names a search service, it also searches by meaning, and shows pictures."),
    isAsked
      ? h(Answer, { answer, what: "the answers" }, (found) => h(by === "meaning" ? ByMeaning : ByWords, { found, isFiltered: Boolean(chosenFilter || chosen.prefix) }))
      : null,
  );
}

// Conditions on what owners say about their objects: how people write several of them, and the values beside hits.

import { ChakraUI, h } from "./host.js";
import { TextField } from "./parts.js";

const { Badge, Flex, Text } = ChakraUI;

/** The conditions in a text such as "tenant=acme; year>=2026". */
export const conditionsIn = (/** @type {string} */ text) => text.split(";").map((each) => each.trim());

export const ConditionsField = ({ value, onChange }) =>
  h(TextField, { label: "Conditions (optional)", value, onChange, placeholder: "tenant=acme; year>=2026", width: "16rem" });

/** What the owner says, as `[name, value]`, and how many `more` values there are. */
export function OwnersValues({ values, more = 0 }) {
  return h(
    Flex,
    { as: "ul", "aria-label": "What its owner says", wrap: "wrap", gap: 1.5, my: 1, listStyleType: "none" },
    values.map(([name, value]) =>
      h(
        Badge,
        { as: "li", key: name, variant: "surface", size: "sm", whiteSpace: "normal", overflowWrap: "anywhere" },
        `${name} = ${value}`,
      ),
    ),
    more ? h(Text, { as: "li", fontSize: "xs", color: "fg.muted" }, `and ${more} more`) : null,
  );
}

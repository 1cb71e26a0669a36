// A question in a dialog whose answer sends one request, however often its button is pressed.

import { ChakraUI, h, useRef, useState } from "./host.js";
import { Problem } from "./parts.js";

const { Button, Checkbox, CloseButton, Dialog, Portal } = ChakraUI;

/** What becomes of a request: `start` sends it, and does nothing while it is under way. */
export function useSending(/** @type {() => Promise<unknown>} */ send) {
  const [sent, setSent] = useState({ isBusy: false, isStarted: false, error: null });
  const isUnderWay = useRef(false); // a state would be seen by the next click only after it is drawn
  const start = async () => {
    if (isUnderWay.current) return;
    isUnderWay.current = true;
    setSent({ isBusy: true, isStarted: false, error: null });
    try {
      await send();
      setSent({ isBusy: false, isStarted: true, error: null });
    } catch (error) {
      setSent({ isBusy: false, isStarted: false, error });
    }
    isUnderWay.current = false;
  };
  return { ...sent, start };
}

/** The dialog. `title` and `children` depend on `sending`, which `useSending` gives; `action` is the word of its button. */
export function Question({ title, sending, action, isPossible, close, children }) {
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
          h(Dialog.Header, null, h(Dialog.Title, null, title)),
          h(
            Dialog.Body,
            { display: "flex", flexDirection: "column", gap: 3 },
            children,
            sending.error ? h(Problem, { error: sending.error }) : null,
          ),
          h(
            Dialog.Footer,
            null,
            h(Button, { size: "sm", variant: "outline", onClick: close }, sending.isStarted ? "Close" : "Cancel"),
            sending.isStarted
              ? null
              : h(
                  Button,
                  { size: "sm", colorPalette: "brand", onClick: sending.start, loading: sending.isBusy, disabled: !isPossible },
                  action,
                ),
          ),
          h(Dialog.CloseTrigger, { asChild: true }, h(CloseButton, { size: "sm", "aria-label": "Close" })),
        ),
      ),
    ),
  );
}

/** A box to tick. */
export function Tick({ checked, onChange, children }) {
  return h(
    Checkbox.Root,
    { checked, onCheckedChange: (event) => onChange(event.checked === true) },
    h(Checkbox.HiddenInput, null),
    h(Checkbox.Control, null),
    h(Checkbox.Label, null, children),
  );
}

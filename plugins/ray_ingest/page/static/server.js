// Requests to this page's API and, as the same user, to Airflow's.

import { useCallback, useEffect, useState } from "./host.js";

/** The address of the page's API; this file is two folders below it. */
const OURS = new URL("../../", import.meta.url);
/** The address of Airflow's API, behind the base path of the site. */
const AIRFLOW = new URL("api/v2/", document.baseURI);

/** An answer other than a success, with a sentence for people. */
export class RequestError extends Error {
  constructor(/** @type {string} */ sentence, /** @type {number} */ status) {
    super(sentence);
    this.status = status;
  }
}

async function request(/** @type {URL} */ url, /** @type {RequestInit} */ options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new RequestError("Airflow's API server does not answer.", 0);
  }
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = null;
  }
  if (response.ok) return body;
  const detail = body?.detail;
  const sentence =
    typeof detail === "string"
      ? detail
      : Array.isArray(detail)
        ? detail.map((each) => each.msg).join("; ")
        : (detail?.reason ?? `The API server answered with the status ${response.status}.`);
  const hint = response.status === 401 ? "You are signed out: load the page again. " : "";
  throw new RequestError(hint + sentence, response.status);
}

/** The parameters that are not empty, as a query string; those with several values come several times. */
export function query(/** @type {Record<string, string | number | string[] | null | undefined>} */ parameters) {
  const each = Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const given = each.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}

/** GET of this page's API. */
export const ours = (/** @type {string} */ path, /** @type {AbortSignal=} */ signal) =>
  request(new URL(path, OURS), { signal });

/** GET of Airflow's API. */
export const airflow = (/** @type {string} */ path, /** @type {AbortSignal=} */ signal) =>
  request(new URL(path, AIRFLOW), { signal });

/** POST to Airflow's API. */
export const post = (/** @type {string} */ path, /** @type {unknown} */ body) =>
  request(new URL(path, AIRFLOW), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

/**
 * The latest answer to a request; while a new one is under way or fails, the one before stays.
 *
 * `load` gives the answer, null for no request; `key` tells one request from another; `every` are the milliseconds
 * after which it is repeated, as long as somebody looks at the page.
 */
export function useAnswer(key, load, every = 0) {
  const [answer, setAnswer] = useState({ key: null, data: null, error: null });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    if (key === null) return undefined;
    const controller = new AbortController();
    let timer = 0;
    const ask = async () => {
      clearTimeout(timer);
      try {
        const data = await load(controller.signal);
        if (!controller.signal.aborted) setAnswer({ key, data, error: null });
      } catch (error) {
        if (controller.signal.aborted) return;
        setAnswer((before) => ({ key, data: before.key === key ? before.data : null, error }));
      }
      if (every && !document.hidden && !controller.signal.aborted) timer = window.setTimeout(ask, every);
    };
    const shown = () => {
      if (!document.hidden && every) ask();
    };
    document.addEventListener("visibilitychange", shown);
    ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
    // `load` belongs to `key`.
  }, [key, every, turn]);
  const isCurrent = answer.key === key;
  return {
    data: isCurrent ? answer.data : null,
    error: isCurrent ? answer.error : null,
    isLoading: key !== null && !(isCurrent && (answer.data !== null || answer.error !== null)),
    again,
  };
}

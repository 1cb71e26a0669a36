// What Airflow's UI lends to its plugins: React, its components with the theme, and its router.

const { React, ChakraUI, ReactRouterDOM } = globalThis;

export { ChakraUI, React };
export const { useCallback, useEffect, useId, useMemo, useRef, useState } = React;
export const { Link: RouterLink, useSearchParams } = ReactRouterDOM;

/** Makes an element, as JSX would: `h(type, properties, ...children)`. */
export const h = React.createElement;

/** For tests, which wait as the demo does. */
export { until } from "../../demo/stack/until.ts";

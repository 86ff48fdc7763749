// What the checks of the JavaScript clients share.
import assert from "node:assert/strict";

export { assert };
export const url = process.env.SAMBAY_URL;  // http://127.0.0.1:PORT/v1, as the others
export const keyed = process.env.SAMBAY_KEYED_URL;  // wants the key "alpha"
export const limited = process.env.SAMBAY_LIMITED_URL;  // one request a minute
export const question = "What is 12 + 30?";
export const messages = [{ role: "user", content: question }];

/** The sum of a metric's lines. */
async function metric(name) {
  const text = await (await fetch(new URL("/metrics", url))).text();
  return text.split("\n").filter((line) => line.startsWith(`${name}{`)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Waits until nothing runs: what was aborted has been given up by the server, too. */
export async function idle() {
  for (const end = Date.now() + 30000; (await metric("sambay:num_requests_running")) > 0; await new Promise((go) => setTimeout(go, 20)))
    assert(Date.now() < end, "the server still works on it");
}

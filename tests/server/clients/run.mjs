// run.mjs FILE: runs every function that FILE exports, and prints a line of JSON for each. The addresses come in the environment.
const checks = await import(`./${process.argv[2]}`);

for (const [name, check] of Object.entries(checks)) {
  const outcome = { name, ok: true };
  const started = performance.now();
  try {
    await check();
  } catch (error) {
    Object.assign(outcome, { ok: false, error: String(error?.stack ?? error) });
  }
  console.log(JSON.stringify({ ...outcome, ms: performance.now() - started }));
}
process.exit(0);  // connections that are kept open would hold it back

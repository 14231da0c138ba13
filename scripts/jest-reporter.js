import process from "node:process";

/**
 * What `make test` prints: a line a file, failures in full, skipped tests by name (their reason is in the title), and as the very last line
 * `N passed, N failed`. A file that does not load counts as one failure, and a run without a test fails.
 *
 * @public loaded by jest
 */
export default class Reporter {
  #ran = 0;

  onTestFileResult(test, result) {
    const failed = result.numFailingTests + (result.testExecError === undefined ? 0 : 1);
    const seconds = ((result.perfStats.end - result.perfStats.start) / 1_000).toFixed(1);
    const path = test.path.slice(test.context.config.rootDir.length + 1);
    print(`${failed === 0 ? "pass" : "FAIL"}  ${path}  ${result.numPassingTests} tests  ${seconds} s`);
    if (failed > 0) print(result.failureMessage ?? "the file failed without a message");
    for (const { message, origin } of result.console ?? []) print(`${message}\n${origin}`);
  }

  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    this.#ran = results.numPassedTests + failed;
    printSkipped(results);
    if (this.#ran === 0) print("No test ran: that is a failure too.");
    if (results.wasInterrupted) print("Interrupted: not all tests ran.");
    print(`${results.numPassedTests} passed, ${failed} failed`);
  }

  /** Makes jest exit with a failure when nothing was tested. */
  getLastError() {
    return this.#ran === 0 ? new Error("no test ran") : undefined;
  }
}

function printSkipped({ testResults }) {
  const skipped = testResults.flatMap((file) =>
    file.testResults
      .filter(({ status }) => status === "pending" || status === "todo" || status === "disabled")
      .map(({ fullName }) => fullName),
  );
  if (skipped.length === 0) return;
  print(`skipped, not counted: ${skipped.length}`);
  for (const name of skipped) print(`  ${name}`);
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

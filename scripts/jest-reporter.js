import { writeFileSync } from "node:fs";
import process from "node:process";

/**
 * What `make test` prints: a line a file, failures in full, skipped tests by name (their reason is in the title), and as the very last line
 * `N passed, N failed`. A file that does not load counts as one failure, and a run without a test fails. Into the file that the environment
 * variable SATURNMQ_TEST_REPORT names go counts and failures by file, for scripts/test.js.
 *
 * @public loaded by jest
 */
export default class Reporter {
  #ran = 0;
  #files = [];

  onTestFileResult(test, result) {
    const failed = result.numFailingTests + (result.testExecError === undefined ? 0 : 1);
    const seconds = ((result.perfStats.end - result.perfStats.start) / 1_000).toFixed(1);
    const path = test.path.slice(test.context.config.rootDir.length + 1);
    const failures = result.testResults.filter(({ status }) => status === "failed").map(({ fullName }) => fullName);
    if (result.testExecError !== undefined) failures.push("the file itself");
    this.#files.push({ path, passed: result.numPassingTests, failed, failures });
    print(`${failed === 0 ? "pass" : "FAIL"}  ${path}  ${result.numPassingTests} tests  ${seconds} s`);
    if (failed > 0) print(result.failureMessage ?? "the file failed without a message");
    for (const { message, origin } of result.console ?? []) print(`${message}\n${origin}`);
  }

  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    this.#ran = results.numPassedTests + failed;
    printSkipped(results);
    // Once more, since failures in full are far above by now.
    for (const { path, failures } of this.#files) for (const name of failures) print(`failed: ${path}: ${name}`);
    const report = process.env.SATURNMQ_TEST_REPORT;
    if (report !== undefined)
      writeFileSync(report, JSON.stringify({ files: this.#files, interrupted: results.wasInterrupted === true }));
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

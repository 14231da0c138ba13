/**
 * Unit tests beside the source, and the suites of test/ that cross packages. Under SATURNMQ_NIGHTLY=1 (`make nightly`) tests run as long as
 * they must to prove something, otherwise as long as a change can wait. Types are checked by tsc, not here.
 */
export default {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2024" }, module: { type: "es6" } },
    ],
  },
  testMatch: ["**/src/**/*.test.ts", "<rootDir>/test/**/*.test.ts"],
  modulePathIgnorePatterns: ["<rootDir>/saturnmq-data"],
  maxWorkers: 2,
  // No test is about time: this ends one that waits for what never comes, on a machine ten times slower than usual too.
  testTimeout: 30_000,
  reporters: ["<rootDir>/scripts/jest-reporter.js"],
};

export { contractSizes, describeLogStore, type StoreHarness } from "./contract.ts";

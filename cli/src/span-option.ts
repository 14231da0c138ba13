import { Option } from "commander";
import { span } from "./output.ts";
import { parseDuration } from "./parse.ts";

/** An option that takes a span of time, whose help shows the default as one would write it. */
export function spanOption(flags: string, description: string, valueMs: number): Option {
  return new Option(flags, description).argParser(parseDuration).default(valueMs, span(valueMs));
}

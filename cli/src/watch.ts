import { setTimeout as pause } from "node:timers/promises";
import { isPassing } from "./exit-codes.ts";
import { type Io, print } from "./io.ts";
import type { Output } from "./output.ts";

export type Watched<Value> = {
  readonly output: Output;
  readonly everyMs: number;
  /** Cancelled at Ctrl-C. */
  readonly look: (signal: AbortSignal) => Promise<Value>;
  /** @param rows lines that the terminal has room for; absent: any number */
  readonly text: (value: Value, rows?: number) => string;
};

/**
 * Shows what is looked at, again and again until Ctrl-C: on a terminal in place, elsewhere one after another, JSON as one line each. A look that
 * fails for the moment is told and tried again, but for the first one.
 */
export async function watch<Value>(io: Io, { output, everyMs, look, text }: Watched<Value>): Promise<void> {
  let last: Value = await look(io.interrupted);
  let trouble = "";
  using screen = output === "text" && io.stdout.isTTY === true ? new Screen(io) : undefined;
  for (;;) {
    if (output === "json") await print(io.stdout, `${JSON.stringify(last)}\n`);
    else if (screen === undefined) await print(io.stdout, `${trouble}${text(last)}\n\n`);
    else await screen.show(`${trouble}${text(last, screen.rows - (trouble === "" ? 0 : 1))}`);
    const next = await again(io, everyMs, look);
    if (next === undefined) break;
    if (next.kind === "value") last = next.value;
    trouble = next.kind === "value" ? "" : `${next.message}; what follows is the last that was heard\n`;
  }
  screen?.[Symbol.dispose]();
  if (screen !== undefined) await print(io.stdout, `${text(last)}\n`);
}

type Look<Value> =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "trouble"; readonly message: string };

/** The next look, after a while; `undefined` at Ctrl-C. */
async function again<Value>(
  { interrupted }: Io,
  everyMs: number,
  look: Watched<Value>["look"],
): Promise<Look<Value> | undefined> {
  try {
    await pause(everyMs, undefined, { signal: interrupted });
    return { kind: "value", value: await look(interrupted) };
  } catch (error) {
    if (interrupted.aborted) return undefined;
    if (isPassing(error)) return { kind: "trouble", message: error.message };
    throw error;
  }
}

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const restOfLine = "\u001b[K";
const restOfScreen = "\u001b[J";

/** The terminal's second screen, which leaves the first as it was. */
class Screen implements Disposable {
  readonly #io: Io;
  #left = false;

  constructor(io: Io) {
    this.#io = io;
    io.stdout.write(enter);
  }

  get rows(): number {
    return this.#io.stdout.rows ?? 24;
  }

  /** Lines that are too long, or too many, are cut: what wraps would push the rest down. */
  async show(text: string): Promise<void> {
    const columns = this.#io.stdout.columns ?? 80;
    const lines = text.split("\n").slice(0, this.rows);
    const cut = lines.map((line) => `${line.slice(0, columns)}${restOfLine}`);
    await print(this.#io.stdout, `${home}${cut.join("\r\n")}${restOfScreen}`);
  }

  [Symbol.dispose](): void {
    if (!this.#left) this.#io.stdout.write(leave);
    this.#left = true;
  }
}

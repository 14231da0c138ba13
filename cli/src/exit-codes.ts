/** What the command's exit code tells a script. Shown by `--help`; the table in cli/README.md says the same. */
export const exitCodes = {
  ok: 0,
  /** Anything that has no code of its own. */
  failure: 1,
  /** The command line is wrong, or the server refused a value in it. */
  usage: 2,
  notFound: 3,
  /** Nobody answers at the endpoint, or not in time, or it does not serve yet. */
  unreachable: 4,
  /** Refused for the moment (overload, full disk): the same command may work later. */
  refusedForNow: 5,
  exists: 6,
  /** This version of the server does not offer it. */
  notOffered: 7,
  /** As things stand it cannot be done; the message says what has to change first. */
  notAsThingsStand: 8,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure that is told to the user as one line, without a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;

  /** @param message what was wrong and what to do, without full stop */
  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Whether the same call may work a little later: the server is away for the moment, or refuses for it. */
export function isPassing(error: unknown): error is CliError {
  if (!(error instanceof CliError)) return false;
  return error.exitCode === exitCodes.refusedForNow || error.exitCode === exitCodes.unreachable;
}

import { SaturnError } from "@saturnmq/kit";

/** Why a port could not be opened, said so that the reader knows what to do. */
export function listenError(error: Error, host: string, port: number): SaturnError {
  if (error.message.includes("EADDRINUSE")) {
    return new SaturnError(
      "ALREADY_EXISTS",
      `port ${port} on ${host} is in use by another process: stop that one or choose another port`,
      { cause: error },
    );
  }
  return new SaturnError("BAD_REQUEST", `cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
}

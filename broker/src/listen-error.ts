import { SaturnError } from "@saturnmq/kit";

/** Why a port could not be opened, said so that the reader knows what to do. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): SaturnError {
  const place = `${host}:${String(port)}`;
  if (error.code === "EADDRINUSE")
    return new SaturnError(
      "ALREADY_EXISTS",
      `port ${String(port)} on ${host} is in use by another process: stop that one or choose another port`,
      { cause: error },
    );
  if (error.code === "EACCES")
    return new SaturnError("FORBIDDEN", `not allowed to listen on ${place}: choose a port above 1023`, {
      cause: error,
    });
  return new SaturnError("BAD_REQUEST", `cannot listen on ${place}: ${error.message}`, { cause: error });
}

import { SaturnError } from "./errors.ts";

/** Why a port could not be opened, said so that the reader knows what to do. Node's code is looked for in the message: grpc-js gives nothing else. */
export function listenError(error: Error, host: string, port: number): SaturnError {
  const cause = { cause: error };
  if (error.message.includes("EADDRINUSE")) {
    const words = `port ${port} on ${host} is in use by another process: stop that one or choose another port`;
    return new SaturnError("ALREADY_EXISTS", words, cause);
  }
  const place = `${host}:${port}`;
  if (error.message.includes("EACCES"))
    return new SaturnError("FORBIDDEN", `not allowed to listen on ${place}: choose a port above 1023`, cause);
  return new SaturnError("BAD_REQUEST", `cannot listen on ${place}: ${error.message}`, cause);
}

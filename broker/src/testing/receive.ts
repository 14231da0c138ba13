import type { Delivery, Messaging, ReceiveRequest } from "../messaging.ts";

/** A receive as a promise; `signal` says that nobody waits for it any more. */
export function receive(
  messaging: Pick<Messaging, "hold">,
  request: ReceiveRequest,
  signal = new AbortController().signal,
): Promise<readonly Delivery[]> {
  if (signal.aborted) return Promise.resolve([]);
  return new Promise((resolve, reject) => {
    const receiver = { received: resolve, refused: reject };
    const hold = messaging.hold(request, receiver);
    signal.addEventListener("abort", () => {
      hold.leave();
    });
  });
}

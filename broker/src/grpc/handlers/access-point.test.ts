import { expect, test } from "@jest/globals";
import { accessPoint } from "./access-point.ts";

test("the access point that the client names is echoed", () => {
  const asked = { scheme: 3, addresses: [{ host: "mq.example", port: 80 }] };
  expect(accessPoint(asked, "10.0.0.1:8081", 8_081)).toBe(asked);
});

test.each([
  { authority: "10.0.0.1:9000", scheme: 1, host: "10.0.0.1", port: 9_000 },
  { authority: "[::1]:9000", scheme: 2, host: "::1", port: 9_000 },
  { authority: "broker.local:9000", scheme: 3, host: "broker.local", port: 9_000 },
  { authority: "broker.local", scheme: 3, host: "broker.local", port: 8_081 },
  { authority: "", scheme: 1, host: "127.0.0.1", port: 8_081 },
])("without one it is what the client dialled: $authority", ({ authority, scheme, host, port }) => {
  const empty = { scheme: 0, addresses: [] };
  expect(accessPoint(empty, authority, 8_081)).toEqual({ scheme, addresses: [{ host, port }] });
  expect(accessPoint(undefined, authority, 8_081)).toEqual({ scheme, addresses: [{ host, port }] });
});

import { describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { brokerConfigSchema, parseBrokerConfig } from "./config.ts";

describe("parseBrokerConfig", () => {
  test("an empty one gets every default and is frozen", () => {
    const config = parseBrokerConfig({});
    expect(config.grpcPort).toBe(8_081);
    expect(config.limits.requestBytesMax).toBe(16 * 1_024 * 1_024);
    expect(Object.isFrozen(config.limits)).toBe(true);
  });

  test("the environment wins over what is given", () => {
    const config = parseBrokerConfig(
      { grpcPort: 1, store: { segmentBytes: 2 ** 25 } },
      { SATURNMQ_GRPC_PORT: "8181", SATURNMQ_STORE_SEGMENT_BYTES: "67108864", SATURNMQ_ZONE: "7" },
    );
    expect(config.grpcPort).toBe(8_181);
    expect(config.store.segmentBytes).toBe(67_108_864);
    expect(config.zone).toBe("7");
  });

  test.each([
    { why: "an unknown key", input: { grpcprot: 1 }, environment: {}, names: /grpcprot/ },
    { why: "text for a number", input: {}, environment: { SATURNMQ_GRPC_PORT: "http" }, names: /grpcPort: .*number/ },
    { why: "a port out of range", input: { httpPort: 70_000 }, environment: {}, names: /httpPort/ },
    {
      why: "a certificate without key",
      input: { tls: { certificateFile: "a.pem" } },
      environment: {},
      names: /together/,
    },
    {
      why: "a request limit below the body's",
      input: { limits: { requestBytesMax: 1_024 } },
      environment: {},
      names: /64 KiB/,
    },
  ])("$why is refused by name", ({ input, environment, names }) => {
    expect(() => parseBrokerConfig(input as object, environment)).toThrow(names);
  });

  test("every key says what it is", () => {
    const undescribed: string[] = [];
    const walk = (shape: object, path: string): void => {
      for (const [key, type] of Object.entries(shape) as [string, z.ZodType][]) {
        const inner = type instanceof z.ZodPrefault ? type.unwrap() : type;
        if (inner instanceof z.ZodObject) walk(inner.shape, `${path}${key}.`);
        else if (type.description === undefined) undescribed.push(`${path}${key}`);
      }
    };
    walk(brokerConfigSchema.shape, "");
    expect(undescribed).toEqual([]);
  });
});

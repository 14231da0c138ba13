import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Configuration } from "../ports.ts";
import { configurationProblem, decodeConfiguration, encodeConfiguration } from "./configuration-codec.ts";
import { simple } from "./quorum.ts";

const joint: Configuration = {
  incoming: [1, 2, 4],
  outgoing: [1, 2, 3],
  learners: [7],
  learnersNext: [3],
  autoLeave: true,
  revision: 2 ** 40 + 5,
};

/** Members in disjoint roles, cut out of one list of ids. */
const configurations = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { minLength: 4, maxLength: 12 }),
    fc.nat(2 ** 53 - 1),
    fc.boolean(),
  )
  .map(([ids, revision, autoLeave]): Configuration => {
    const quarter = Math.floor(ids.length / 4);
    const [incoming, learners, leaving, demoted] = [0, 1, 2, 3].map((n) => ids.slice(n * quarter, (n + 1) * quarter));
    return {
      incoming: incoming ?? [],
      outgoing: [...(leaving ?? []), ...(demoted ?? [])],
      learners: learners ?? [],
      learnersNext: demoted ?? [],
      autoLeave,
      revision,
    };
  });

describe("The form of a configuration entry", () => {
  test("gives back what was written", () => {
    fc.assert(
      fc.property(configurations, (configuration) => {
        expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration);
      }),
    );
  });

  test("is fixed, byte for byte", () => {
    const hex = (configuration: Configuration): string =>
      Buffer.from(encodeConfiguration(configuration)).toString("hex");
    expect(hex(simple([1, 258], 3))).toBe("010000000000030000000200000000000000" + "01000000" + "02010000");
    expect(hex(joint).slice(0, 36)).toBe("010100010000050000000300030001000100");
  });

  test("is refused when cut anywhere, or longer than it says", () => {
    const bytes = encodeConfiguration(joint);
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => decodeConfiguration(bytes.subarray(0, length))).toThrow(RangeError);
    expect(() => decodeConfiguration(new Uint8Array([...bytes, 0]))).toThrow("do not hold");
  });

  test("is refused when of another version, naming both", () => {
    const bytes = encodeConfiguration(joint);
    bytes[0] = 2;
    expect(() => decodeConfiguration(bytes)).toThrow("of version 2: this program reads version 1");
  });

  test("decodes any bytes to a sound configuration, or refuses them", () => {
    const valid = encodeConfiguration(joint);
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, value) => {
        const bytes = valid.slice();
        bytes[at] = value;
        try {
          expect(configurationProblem(decodeConfiguration(bytes))).toBeUndefined();
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

describe("A configuration is refused that", () => {
  test.each<{ readonly why: string; readonly change: Partial<Configuration>; readonly problem: string }>([
    { why: "has no voter", change: { incoming: [] }, problem: "no voter" },
    { why: "names nobody", change: { incoming: [0] }, problem: "replica ids are 1 to" },
    { why: "names an id beyond the last", change: { learners: [2 ** 31] }, problem: "replica ids are 1 to" },
    { why: "lists one twice", change: { outgoing: [3, 3] }, problem: "listed twice" },
    { why: "has a learner that votes", change: { learners: [2] }, problem: "a voter too" },
    { why: "has a learner that still votes", change: { learners: [3] }, problem: "a voter too" },
    { why: "demotes one that stays a voter", change: { learnersNext: [1] }, problem: "not a voter that leaves" },
    { why: "demotes a stranger", change: { learnersNext: [9] }, problem: "not a voter that leaves" },
    { why: "is to be left without being joint", change: { outgoing: [], learnersNext: [] }, problem: "is not joint" },
    { why: "has a negative revision", change: { revision: -1 }, problem: "revision" },
    {
      why: "has members without end",
      change: { learners: Array.from({ length: 1_024 }, (_, at) => at + 10) },
      problem: "more than 1024",
    },
  ])("$why", ({ change, problem }) => {
    expect(configurationProblem({ ...joint, ...change })).toContain(problem);
  });
});

import { beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { commit, newCluster, nobodyElse } from "../testing/cluster-state.ts";
import { decideAddNameServer, decideJoin, decideRemoveNameServer, type GroupNow, targetOf } from "./name-servers.ts";
import type { MetadataState, NameServerGroup } from "./state.ts";

const addressOf = (id: number) => ({ id, host: `h${id}`, peerPort: 8_084, grpcPort: 8_082 });
const three: GroupNow = { ...nobodyElse, configured: [1, 2, 3].map(addressOf), voters: [1, 2, 3] };

let state: MetadataState;
let requests: number;

beforeEach(() => {
  state = newCluster();
  requests = 0;
});

function requestId(): string {
  requests += 1;
  return `r${requests}`;
}

function add(id: number, now = three): void {
  commit(state, decideAddNameServer(state, { requestId: requestId(), ...addressOf(id) }, now));
}

const join = (member: number, process = `p${member}`) =>
  commit(state, decideJoin(state, { member, process }, three.configured));
function remove(id: number, now = three): void {
  commit(state, decideRemoveNameServer(state, { requestId: requestId(), id }, now));
}

const group = (): NameServerGroup => state.nameServers!;
const target = (): string => {
  const { voters, learners } = targetOf(group());
  return `${voters.join(" ")} / ${learners.join(" ")}`;
};

describe("who votes", () => {
  test("a newcomer listens until it came and the number is odd with it", () => {
    add(4);
    expect(target()).toBe("1 2 3 / ");
    join(4);
    expect(target()).toBe("1 2 3 / 4");
    add(5);
    expect(target()).toBe("1 2 3 / 4");
    join(5);
    expect(target()).toBe("1 2 3 4 5 / ");
  });

  test("who comes first votes first, whoever was added before", () => {
    add(4);
    add(5);
    join(5);
    expect(target()).toBe("1 2 3 / 5");
    join(4);
    expect(target()).toBe("1 2 3 5 4 / ");
  });

  test("one is replaced by one change, and five become three by two", () => {
    add(4);
    join(4);
    remove(2);
    expect(target()).toBe("1 3 4 / ");
    for (const id of [5, 6]) {
      add(id);
      join(id);
    }
    expect(target()).toBe("1 3 4 5 6 / ");
    remove(1);
    expect(target()).toBe("3 4 5 / 6");
    remove(6);
    expect(target()).toBe("3 4 5 / ");
  });

  test("an odd number at any time, of those that came, and whoever is removed was not needed", () => {
    const id = fc.integer({ min: 1, max: 9 });
    const step = fc.record({ what: fc.constantFrom("add", "join", "remove"), id, up: fc.uniqueArray(id) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        state = newCluster();
        const given = new Set([1, 2, 3]);
        for (const { what, id: asked, up } of steps) {
          const now = { ...three, up: new Set(up) };
          const highest = Math.max(...given);
          const done = attempt(() => {
            if (what === "add") add(highest + 1, now);
            else if (what === "join") join(asked);
            else remove(asked, now);
          });
          if (!done || state.nameServers === undefined) continue;
          if (what === "add") given.add(highest + 1);
          const { voters, learners } = targetOf(group());
          const came = group().members.filter(({ process }) => process !== "");
          expect(voters.length % 2).toBe(1);
          expect([...voters, ...learners].sort()).toEqual(came.map((member) => member.id).sort());
          expect(learners.length).toBeLessThanOrEqual(1);
          if (what === "remove")
            expect(2 * voters.filter((one) => up.includes(one)).length).toBeGreaterThan(voters.length);
        }
      }),
    );
  });
});

function attempt(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    expect(error).toHaveProperty("code");
    return false;
  }
}

describe("an empty folder", () => {
  test("is granted its place once, and again to the same process", () => {
    add(4);
    expect(join(4, "one")).toEqual({ clusterId: "cluster-a" });
    const { revision } = state;
    expect(join(4, "one")).toEqual({ clusterId: "cluster-a" });
    expect(state.revision).toBe(revision);
    expect(() => join(4, "two")).toThrow(/its votes are lost with its data/);
  });

  test.each([
    { member: 2, says: /its votes are lost/ },
    { member: 4, says: /was removed from the group/ },
    { member: 9, says: /'saturnmq nameserver add 9' makes a place/ },
  ])("of member $member is refused: $says", ({ member, says }) => {
    add(4);
    remove(4);
    expect(() => join(member)).toThrow(says);
  });
});

describe("a change is refused", () => {
  const underWay = { ...three, settled: false };
  test.each([
    { why: "an id that was given", change: () => add(3), says: /member already/ },
    {
      why: "an id below the highest",
      change: () => inTurn([() => add(7), () => remove(7), () => add(6)]),
      says: /7 is the highest .* give it 8/,
    },
    { why: "no host", change: () => commitAdd({ host: "" }), says: /a host has/ },
    { why: "no port", change: () => commitAdd({ peerPort: 0 }), says: /a port is/ },
    { why: "another one's address", change: () => commitAdd({ host: "h2" }), says: /h2:8084 is another member's/ },
    { why: "one that nobody can reach", change: () => add(4, { ...three, configured: [] }), says: /without members/ },
    { why: "an addition on top of a change", change: () => add(4, underWay), says: /still under way/ },
    { why: "a removal on top of a change", change: () => remove(2, underWay), says: /still under way/ },
    { why: "a seventh member", change: () => inTurn([4, 5, 6, 7].map((id) => () => add(id))), says: /has 6 members/ },
    { why: "the removal of a stranger", change: () => remove(9), says: /not a member/ },
    { why: "a majority that is down", change: () => remove(3, { ...three, up: new Set([2, 3]) }), says: /no majority/ },
    {
      why: "the removal of the last one",
      change: () => inTurn([1, 2, 3].map((id) => () => remove(id))),
      says: /nobody/,
    },
  ])("$why", ({ change, says }) => {
    expect(change).toThrow(says);
  });

  test("below the feature level that all must know", () => {
    state.featureLevel = 1;
    expect(() => add(4)).toThrow(/needs feature level 2/);
    expect(() => remove(3)).toThrow(/needs feature level 2/);
  });

  function inTurn(changes: readonly (() => void)[]): void {
    for (const change of changes) change();
  }

  function commitAdd(wrong: object): void {
    commit(state, decideAddNameServer(state, { requestId: requestId(), ...addressOf(4), ...wrong }, three));
  }
});

test("a newcomer that does not come, or not far enough, can be removed while its change is under way", () => {
  add(4);
  join(4);
  remove(4, { ...three, settled: false });
  expect(target()).toBe("1 2 3 / ");
});

test("a repeated call changes nothing", () => {
  const request = { requestId: "same", ...addressOf(4) };
  commit(state, decideAddNameServer(state, request, three));
  const { revision } = state;
  commit(state, decideAddNameServer(state, request, { ...three, settled: false }));
  expect(state.revision).toBe(revision);
});

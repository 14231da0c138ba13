import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type Connection, type ConnectionHandler, type Listener, type Net, NetError } from "../net.ts";
import { SeededRandom } from "../random.ts";

/** Two hosts that can reach each other. */
export type NetHarness = {
  readonly dialler: Net;
  readonly listener: Net;
  /** How the dialler names the listener's host. */
  readonly host: string;
  /** Lets time pass until `condition` holds. @throws when it takes too long */
  until(condition: () => boolean): Promise<void>;
};

/** One side as a test sees it. */
class Side implements ConnectionHandler {
  connection: Connection | undefined;
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  openings = 0;
  drains = 0;
  readonly ends: (NetError | undefined)[] = [];
  /** Calls that came while the test was inside a call of its own. */
  nested = 0;
  #inside = false;

  readonly opened = (): void => {
    this.#note();
    this.openings += 1;
  };
  readonly data = (chunk: Uint8Array): void => {
    this.#note();
    this.chunks.push(chunk);
    this.bytes += chunk.length;
  };
  readonly drained = (): void => {
    this.#note();
    this.drains += 1;
  };
  readonly closed = (error?: NetError): void => {
    this.#note();
    this.ends.push(error);
  };

  /** Does something with the connection and counts what is called back meanwhile. */
  act<T>(action: (connection: Connection) => T): T {
    this.#inside = true;
    try {
      return action(this.connection as Connection);
    } finally {
      this.#inside = false;
    }
  }

  content(): Uint8Array {
    return Buffer.concat(this.chunks);
  }

  #note(): void {
    if (this.#inside) this.nested += 1;
  }
}

/** The rules of `Net` that every implementation keeps. */
export function describeNet(name: string, start: () => NetHarness): void {
  describe(`${name} keeps the Net contract`, () => {
    let harness: NetHarness;
    let listener: Listener;
    const accepted: Side[] = [];
    const dialled: Side[] = [];
    const failures: NetError[] = [];

    beforeEach(async () => {
      harness = start();
      listener = await harness.listener.listen({
        host: harness.host,
        port: 0,
        accept: (connection) => {
          const side = new Side();
          side.connection = connection;
          accepted.push(side);
          return side;
        },
        failed: (error) => failures.push(error),
      });
    });
    afterEach(async () => {
      for (const side of [...accepted.splice(0), ...dialled.splice(0)]) side.connection?.destroy();
      await listener.close();
      expect(failures).toEqual([]);
    });

    function dial(port = listener.port): Side {
      const side = new Side();
      side.act(() => {
        side.connection = harness.dialler.connect({ host: harness.host, port }, side);
      });
      dialled.push(side);
      return side;
    }

    async function pair(): Promise<readonly [Side, Side]> {
      const near = dial();
      await harness.until(() => near.openings === 1 && accepted.length === dialled.length);
      return [near, accepted.at(-1) as Side];
    }

    function noise(length: number, seed: number): Uint8Array {
      const random = new SeededRandom(seed);
      return Uint8Array.from({ length }, () => random.below(256));
    }

    test("bytes arrive in order in both directions, however they were cut", async () => {
      const [near, far] = await pair();
      const there = noise(300_000, 1);
      const back = noise(200_000, 2);
      const random = new SeededRandom(3);
      for (let at = 0; at < there.length; ) {
        const first = Math.min(there.length, at + 1 + random.below(5_000));
        const second = Math.min(there.length, first + random.below(3));
        near.act((connection) => connection.write([there.subarray(at, first), there.subarray(first, second)]));
        at = second;
      }
      far.act((connection) => connection.write([back]));
      await harness.until(() => far.bytes >= there.length && near.bytes >= back.length);
      expect(Buffer.compare(far.content(), there)).toBe(0);
      expect(Buffer.compare(near.content(), back)).toBe(0);
      expect([near.nested, far.nested]).toEqual([0, 0]);
    });

    test("what is written before the connection is there waits", async () => {
      const near = dial();
      near.act((connection) => connection.write([noise(10, 4)]));
      await harness.until(() => accepted[0]?.bytes === 10);
      expect(accepted[0]?.content()).toEqual(Buffer.from(noise(10, 4)));
      expect([near.nested, near.ends]).toEqual([0, []]);
    });

    test("a host where nobody listens refuses", async () => {
      await listener.close();
      const near = dial();
      await harness.until(() => near.ends.length > 0);
      expect(near.ends).toEqual([expect.any(NetError)]);
      expect(near.ends[0]?.code).toBe("refused");
      expect([near.openings, near.nested]).toEqual([0, 0]);
    });

    test("a port is given once, and is free when its listener is closed", async () => {
      const options = { host: harness.host, port: listener.port, accept: () => new Side(), failed: () => undefined };
      await expect(harness.listener.listen(options)).rejects.toMatchObject({ code: "inUse" });
      await listener.close();
      await (await harness.listener.listen(options)).close();
    });

    test("closing the listener leaves open connections", async () => {
      const [near, far] = await pair();
      await listener.close();
      near.act((connection) => connection.write([noise(5, 5)]));
      await harness.until(() => far.bytes === 5);
      near.act((connection) => {
        connection.end();
      });
      await harness.until(() => near.ends.length === 1 && far.ends.length === 1);
    });

    test("a receiver that pauses makes the writer wait, and gets all once it goes on", async () => {
      const [near, far] = await pair();
      far.act((connection) => {
        connection.pause();
      });
      const block = noise(65_536, 6);
      let blocks = 0;
      // The systems between take some megabytes before they stop.
      while (near.act((connection) => connection.write([block]))) {
        blocks += 1;
        expect(blocks).toBeLessThan(1_000);
        if (blocks % 16 === 0) await harness.until(() => near.connection?.pendingBytes === 0 || blocks > 500);
      }
      const sent = (blocks + 1) * block.length;
      expect(near.connection?.pendingBytes).toBeGreaterThan(0);
      expect(far.bytes).toBe(0);
      far.act((connection) => {
        connection.resume();
      });
      await harness.until(() => far.bytes === sent && near.drains === 1);
      expect(near.connection?.pendingBytes).toBe(0);
      expect(far.chunks.every((chunk) => chunk.length > 0)).toBe(true);
      expect([near.nested, far.nested]).toEqual([0, 0]);
    });

    test("ending delivers everything first, and closes both sides in order", async () => {
      const [near, far] = await pair();
      near.act((connection) => {
        connection.write([noise(100_000, 7)]);
        connection.end();
        connection.write([noise(1, 8)]);
      });
      await harness.until(() => near.ends.length === 1 && far.ends.length === 1);
      expect(far.bytes).toBe(100_000);
      expect([near.ends, far.ends]).toEqual([[undefined], [undefined]]);
    });

    test("destroying tells both sides once, and nothing after", async () => {
      const [near, far] = await pair();
      near.act((connection) => {
        connection.destroy();
        connection.destroy();
        connection.write([noise(1, 9)]);
      });
      await harness.until(() => near.ends.length > 0 && far.ends.length > 0);
      far.act((connection) => connection.write([noise(1, 9)]));
      const [other] = await pair();
      other.act((connection) => {
        connection.end();
      });
      await harness.until(() => other.ends.length === 1);
      expect([near.ends.length, far.ends.length, near.bytes, far.bytes]).toEqual([1, 1, 0, 0]);
      expect([near.nested, far.nested]).toEqual([0, 0]);
    });
  });
}

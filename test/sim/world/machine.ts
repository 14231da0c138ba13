import { type Disk, type Logger, type Net, type Random, SeededRandom } from "@saturnmq/kit";
import { type EventQueue, MemoryDisk, type MemoryNet } from "@saturnmq/kit/testing";
import { SimulatedProcess, type Skew } from "./process.ts";
import { type DiskSpeed, processDisk } from "./process-disk.ts";
import { processNet } from "./process-net.ts";

/** What a program is started with on a machine. */
export type ProgramWorld = {
  readonly process: SimulatedProcess;
  readonly disk: Disk;
  readonly net: Net;
  readonly random: Random;
  readonly logger: Logger;
  /** The program gives up, for this reason. */
  readonly fatal: (error: unknown) => void;
};

/** A byte of a disk to which something was written. */
export type WrittenByte = {
  readonly disk: MemoryDisk;
  readonly path: string;
  readonly at: number;
  readonly value: number;
};

/** Starts a program; resolves when it serves, and closes what it opened when `stack` is disposed of. */
export type Program = (world: ProgramWorld, stack: AsyncDisposableStack) => Promise<void>;

export type MachineOptions = {
  readonly name: string;
  readonly seed: number;
  readonly queue: EventQueue;
  readonly net: MemoryNet;
  readonly skew: Skew;
  /** Of its disk when that is well. */
  readonly disk: DiskSpeed;
  readonly loggerOf: (process: string) => Logger;
  readonly program: Program;
  /** Told why a program gave up by itself. Never of one that was ended from outside. */
  readonly gaveUp: (machine: Machine, error: unknown) => void;
};

/** Pause before a program that gave up is started again, milliseconds, and as much again by chance. */
const restartMs = 300;
/** Far more than a run writes. */
const diskBytes = 2 ** 30;
/** A program that was told to stop and has not after so long is killed, milliseconds. */
const stopMs = 12_000;

/** A machine: disk, clocks, network, and one program, which is started again whenever it gives up. */
export class Machine {
  readonly name: string;
  readonly skew: Skew;
  readonly #options: MachineOptions;
  readonly #random: SeededRandom;
  #disk: MemoryDisk;
  #process: SimulatedProcess | undefined;
  #stack: AsyncDisposableStack | undefined;
  #wanted = false;
  speed: DiskSpeed;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.name = options.name;
    this.skew = options.skew;
    this.speed = options.disk;
    this.#random = new SeededRandom(options.seed);
    this.#disk = this.#newDisk();
  }

  get disk(): MemoryDisk {
    return this.#disk;
  }

  /** The life that the program has at the moment; `undefined` while it is down. */
  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  /** Whether somebody wants the program to run. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Starts the program, unless it runs; one that is stopping is started again once it has ended. */
  boot(): void {
    this.#wanted = true;
    if (this.#process !== undefined) return;
    const { queue, net, skew, loggerOf, program, name } = this.#options;
    const process: SimulatedProcess = new SimulatedProcess({
      ...{ name, queue, skew, seed: this.#random.below(2 ** 32) },
      threw: (error) => this.#giveUp(process, error),
    });
    this.#process = process;
    const disk = processDisk(this.#disk, process, this.#random, () => this.speed);
    const world = {
      ...{ process, disk, net: processNet(net.host(name), process), random: process.random, logger: loggerOf(name) },
      fatal: (error: unknown) => this.#giveUp(process, error),
    };
    const stack = new AsyncDisposableStack();
    this.#stack = stack;
    process.soon(() => {
      program(world, stack).catch((error: unknown) => this.#giveUp(process, error));
    });
  }

  /** The disk has room and its usual speed. */
  healDisk(): void {
    this.speed = this.#options.disk;
    this.#disk.ballastBytes = 0;
  }

  /** Others write to the disk until so many bytes are free. */
  fillDisk(freeBytes: number): void {
    this.#disk.ballastBytes = Math.max(0, diskBytes - this.#disk.usedBytes - freeBytes);
  }

  /** Any byte of any file but those that nobody wrote; `undefined` when there is none. */
  drawByte(random: Random): WrittenByte | undefined {
    const disk = this.#disk;
    const path = disk.paths()[random.below(Math.max(1, disk.paths().length))];
    if (path === undefined) return undefined;
    const bytes = disk.content(path);
    const from = random.below(Math.max(1, bytes.length));
    const behind = bytes.subarray(from).findIndex((value) => value !== 0);
    const at = behind < 0 ? bytes.findIndex((value) => value !== 0) : from + behind;
    return at < 0 ? undefined : { disk, path, at, value: bytes[at] ?? 0 };
  }

  /** Turns a bit of a byte over. False when it was written since, or is gone. */
  flipBit({ disk, path, at, value }: WrittenByte, bit: number): boolean {
    if (disk !== this.#disk || !disk.paths().includes(path) || disk.content(path)[at] !== value) return false;
    disk.flipBit(path, at, bit);
    return true;
  }

  /** SIGKILL: the machine goes on, so what was written stays, synced or not. */
  kill(): void {
    this.#wanted = false;
    this.#end();
  }

  /** SIGTERM; a program that takes too long is killed. Resolves when it has ended. */
  stop(): Promise<void> {
    this.#wanted = false;
    const process = this.#process;
    const stack = this.#stack;
    if (process === undefined || stack === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      process.onEnd(resolve);
      const end = (): void => {
        if (this.#process !== process) return;
        this.#end();
        if (this.#wanted) this.boot();
      };
      this.#options.queue.after(stopMs, end);
      process.enter(() => {
        stack.disposeAsync().then(end, (error: unknown) => this.#giveUp(process, error));
      });
    });
  }

  /** The power goes: of what was not synced a choice is left. */
  cutPower(): void {
    this.#wanted = false;
    this.#options.net.vanish(this.name);
    this.#forget();
    this.#disk.restart("some");
  }

  /** The disk is gone; another one, empty, takes its place. */
  wipe(): void {
    this.cutPower();
    this.#disk = this.#newDisk();
  }

  #newDisk(): MemoryDisk {
    return new MemoryDisk({ seed: this.#random.below(2 ** 32), capacityBytes: diskBytes });
  }

  #end(): void {
    if (this.#process === undefined) return;
    this.#options.net.abort(this.name);
    this.#forget();
    this.#disk.killProcesses();
  }

  #forget(): void {
    this.#process?.end();
    this.#process = undefined;
    this.#stack = undefined;
  }

  #giveUp(process: SimulatedProcess, error: unknown): void {
    if (process.ended || this.#process !== process) return;
    const wanted = this.#wanted;
    this.#end();
    this.#options.gaveUp(this, error);
    if (!wanted) return;
    this.#options.queue.after(restartMs + this.#random.below(restartMs), () => {
      if (this.#wanted) this.boot();
    });
  }
}

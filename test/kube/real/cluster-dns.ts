import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { answerTo, questionOf, recordTypeA } from "./dns-message.ts";

const port = 53;
const zone = ".cluster.local";

/** Answers pods what the hosts file says, which `ClusterNames` keeps: `x.ns.svc` there is `x.ns.svc.cluster.local` here. */
export class ClusterDns implements AsyncDisposable {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(address: string, hostsFile: string): Promise<ClusterDns> {
    const socket = createSocket("udp4");
    socket.on("message", (query, { address: from, port: fromPort }) => {
      const question = questionOf(query);
      if (question === undefined) return;
      const found = addressesOf(readFileSync(hostsFile, "utf8"), question.name);
      const asked = question.type === recordTypeA ? found : found?.slice(0, 0);
      socket.send(answerTo(query, question, asked), fromPort, from);
    });
    socket.bind(port, address);
    await once(socket, "listening");
    return new ClusterDns(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

function addressesOf(hosts: string, name: string): readonly string[] | undefined {
  if (!name.endsWith(zone)) return undefined;
  const wanted = name.slice(0, -zone.length);
  const found = hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.split(" ");
    return names.includes(wanted) ? [address] : [];
  });
  return found.length === 0 ? undefined : found;
}

import type { ClusterView, CreateGroup, CreateTopic, GroupInfo, MetadataService, TopicInfo } from "@saturnmq/wire";
import { decideHeartbeat, decideRegister, type Registration } from "./domain/brokers.ts";
import { decideCreateGroup, decideDeleteGroup } from "./domain/groups.ts";
import { decideCreateTopic, decideDeleteTopic } from "./domain/topics.ts";
import type { ReplicatedMetadata } from "./replicated-metadata.ts";

type ByName = { readonly requestId: string; readonly name: string };

/** The metadata of the name server in this process, as its callers know it: each method is one decision of the domain. */
export class EmbeddedMetadata implements MetadataService {
  readonly #metadata: ReplicatedMetadata;

  constructor(metadata: ReplicatedMetadata) {
    this.#metadata = metadata;
  }

  register(registration: Registration): Promise<{ readonly brokerId: number; readonly clusterId: string }> {
    // The one broker of this process, whatever port it has today: so a first start that was cut short leaves no second one.
    return this.#metadata.propose((state) => decideRegister(state, { ...registration, address: "in-process" }));
  }

  async heartbeat(brokerId: number, incarnation: number): Promise<void> {
    await this.#metadata.propose((state) => decideHeartbeat(state, brokerId, incarnation));
  }

  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void {
    this.#metadata.watch(changed, signal);
  }

  createTopic(request: CreateTopic): Promise<TopicInfo> {
    return this.#metadata.propose((state, nowMs) => decideCreateTopic(state, request, nowMs));
  }

  async deleteTopic(request: ByName): Promise<void> {
    await this.#metadata.propose((state) => decideDeleteTopic(state, request));
  }

  createGroup(request: CreateGroup): Promise<GroupInfo> {
    return this.#metadata.propose((state, nowMs) => decideCreateGroup(state, request, nowMs));
  }

  async deleteGroup(request: ByName): Promise<void> {
    await this.#metadata.propose((state) => decideDeleteGroup(state, request));
  }
}

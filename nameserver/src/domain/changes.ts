import type { ClusterView, ViewDelta } from "@saturnmq/wire";
import type { MetadataRecord } from "./records.ts";

/** How many records watchers may be behind and still get what changed instead of everything. */
export const changesKept = 4_096;

/** What one record changed: names and numbers, not values. */
type Touched = {
  readonly topics?: readonly string[];
  readonly groups?: readonly string[];
  readonly shards?: readonly number[];
  readonly brokers?: readonly number[];
  readonly settings?: true;
  readonly nameServers?: true;
  /** More than a delta can say. */
  readonly everything?: true;
};

/** What the newest records changed, so that a watcher that has seen a revision gets what came after it, and misses nothing. */
export class Changes {
  readonly #touched: Touched[] = [];
  /** Revision before the first that is kept. */
  #before: number;

  /** @param revision of the state that the first record comes after */
  constructor(revision: number) {
    this.#before = revision;
  }

  /** Takes note of the record that raised the revision by one. */
  note(record: MetadataRecord): void {
    this.#touched.push(touchedBy(record));
    if (this.#touched.length <= changesKept) return;
    this.#touched.shift();
    this.#before += 1;
  }

  /** From what a watcher has to what is; `undefined`: it needs the whole view. */
  delta(from: number, view: ClusterView): ViewDelta | undefined {
    if (from < this.#before || from > view.revision) return undefined;
    const since = this.#touched.slice(from - this.#before);
    if (since.some(({ everything }) => everything)) return undefined;
    const topics = new Set(since.flatMap((touched) => touched.topics ?? []));
    const groups = new Set(since.flatMap((touched) => touched.groups ?? []));
    const shards = new Set(since.flatMap((touched) => touched.shards ?? []));
    const brokers = new Set(since.flatMap((touched) => touched.brokers ?? []));
    const settings = since.some((touched) => touched.settings);
    return {
      ...{ fromRevision: from, revision: view.revision },
      ...{ topics: present(topics, view.topics), topicsGone: absent(topics, view.topics) },
      ...{ groups: present(groups, view.groups), groupsGone: absent(groups, view.groups) },
      shards: view.shards.filter(({ shard }) => shards.has(shard)),
      brokers: present(brokers, view.brokers),
      ...{ featureLevel: settings ? view.featureLevel : undefined, settings: settings ? view.settings : undefined },
      nameServers: since.some((touched) => touched.nameServers) ? view.nameServers : undefined,
    };
  }
}

function present<Key, Value>(keys: ReadonlySet<Key>, rows: ReadonlyMap<Key, Value>): readonly Value[] {
  return [...keys].flatMap((key) => {
    const row = rows.get(key);
    return row === undefined ? [] : [row];
  });
}

function absent<Key>(keys: ReadonlySet<Key>, rows: ReadonlyMap<Key, unknown>): readonly Key[] {
  return [...keys].filter((key) => !rows.has(key));
}

function touchedBy(record: MetadataRecord): Touched {
  switch (record.kind) {
    case "clusterCreated":
    case "shardsPlaced":
      return { everything: true };
    case "brokerRegistered":
    case "brokerConfirmed":
    case "brokerUp":
    case "brokerDraining":
    case "brokerLeadersAway":
    case "brokerForgotten":
      return { brokers: [record.id] };
    case "brokersDown":
    case "brokersWelcome":
      return { brokers: record.ids };
    case "shardsReported":
      return { shards: record.shards.map(({ shard }) => shard) };
    case "targetsSet":
      return { shards: record.targets.map(({ shard }) => shard) };
    case "shardRecovered":
      return { shards: [record.shard] };
    case "topicCreated":
      return { topics: [record.topic.name] };
    case "topicDeleted":
      return { topics: [record.name] };
    case "groupCreated":
      return groupAndDeadLetters(record.group.name);
    case "groupDeleted":
      return groupAndDeadLetters(record.name);
    case "groupReset":
      return { groups: [record.name] };
    case "nameServersChanged":
      return { nameServers: true };
    case "settingsChanged":
    case "featureLevelRaised":
      return { settings: true };
  }
}

/** A group's dead-letter topic comes and goes with it. Naming one that is not there does no harm. */
function groupAndDeadLetters(name: string): Touched {
  return { groups: [name], topics: [`%DLQ%${name}`] };
}

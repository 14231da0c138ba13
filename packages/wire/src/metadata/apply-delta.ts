import type { ClusterView, ViewDelta } from "./ports.ts";

/** The view after a delta; `undefined` when the delta does not continue it: something was missed, and the whole view is needed. */
export function applyDelta(view: ClusterView, delta: ViewDelta): ClusterView | undefined {
  if (delta.fromRevision !== view.revision || delta.revision < view.revision) return undefined;
  const shards = new Map(delta.shards.map((shard) => [shard.shard, shard]));
  return {
    ...view,
    revision: delta.revision,
    featureLevel: delta.featureLevel ?? view.featureLevel,
    settings: delta.settings ?? view.settings,
    nameServers: delta.nameServers ?? view.nameServers,
    topics: changedRows(view.topics, delta.topics, delta.topicsGone, ({ name }) => name),
    groups: changedRows(view.groups, delta.groups, delta.groupsGone, ({ name }) => name),
    brokers: changedRows(view.brokers, delta.brokers, [], ({ id }) => id),
    shards: view.shards.map((shard) => shards.get(shard.shard) ?? shard),
  };
}

/** The same map when nothing changed, so that who follows can tell. */
function changedRows<Key, Row>(
  rows: ReadonlyMap<Key, Row>,
  present: readonly Row[],
  gone: readonly Key[],
  keyOf: (row: Row) => Key,
): ReadonlyMap<Key, Row> {
  if (present.length === 0 && !gone.some((key) => rows.has(key))) return rows;
  const changed = new Map(rows);
  for (const key of gone) changed.delete(key);
  for (const row of present) changed.set(keyOf(row), row);
  return changed;
}

import { filterKey } from "../filter.ts";
import type { ShardState } from "../shard-state.ts";
import { slotKind } from "../slot-table.ts";

/** The state as plain sorted data, row numbers left out: what two replicas must agree on. */
export function dump(state: ShardState): unknown {
  const { queues, cursors, slots, parked } = state;
  const queueRows = Array.from({ length: queues.end }, (_, row) => row).filter((row) => queues.holds(row));
  const cursorRows = Array.from({ length: cursors.end }, (_, row) => row).filter((row) => cursors.holds(row));
  const name = (cursor: number): string => {
    const row = cursors.queueRow[cursor]!;
    return `${cursors.group[cursor]!}/${queues.topic[row]!}/${queues.queue[row]!}`;
  };
  return {
    head: [state.timeMs, state.lastStoredAtMs, state.logStart],
    queues: queueRows
      .map((row) => `${queues.topic[row]!}/${queues.queue[row]!}: ${queues.min[row]!} to ${queues.next[row]!}`)
      .sort(),
    cursors: cursorRows
      .map((row) => {
        const done = [];
        const end = cursors.bits[row]?.end ?? 0;
        for (let at = cursors.floor[row]!; at < end; at += 1) if (cursors.bits[row]!.has(at)) done.push(at);
        const counts = [
          cursors.doneAbove[row],
          cursors.parked[row],
          cursors.expired[row],
          cursors.slots[row],
          cursors.dead[row],
        ];
        return `${name(row)}@${cursors.epoch[row]!} ${cursors.start[row]!} ${cursors.floor[row]!} ${counts.join()} [${done.join()}]`;
      })
      .sort(),
    slots: Array.from({ length: slots.end }, (_, row) => row)
      .filter((row) => slots.kind[row] !== slotKind.free)
      .map((row) =>
        [name(slots.cursor[row]!), slots.offset[row], slots.kind[row], slots.attempt[row], slots.deadline[row]]
          .concat([slots.term[row], slots.counter[row], slots.shadow[row], slots.lock[row], slots.holder[row]])
          .join(" "),
      )
      .sort(),
    parked: cursorRows.map((row) => `${name(row)} ${parked.of(row).join()}`).sort(),
    filters: [...state.filters.all()]
      .map(({ group, topic, number, filter }) => `${group}/${topic} ${number}: ${filterKey(filter)}`)
      .sort(),
    deleted: [[...state.deletedTopics].sort(), [...state.deletedGroups].sort()],
  };
}

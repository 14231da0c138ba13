import type { Condition } from "../api/conditions.ts";
import type { ConditionType, ReasonOf } from "../api/reasons.ts";
import { reasons } from "../api/reasons.ts";

/** What is to be said of an object under one type. */
export type Verdict<Type extends ConditionType> = {
  readonly type: Type;
  readonly status: Condition["status"];
  readonly reason: ReasonOf<Type>;
  /** Absent: the reason's own meaning. */
  readonly message?: string;
};

/** A verdict of any type. */
export type AnyVerdict = { [Type in ConditionType]: Verdict<Type> }[ConditionType];

export function verdict<Type extends ConditionType>(
  type: Type,
  status: Condition["status"],
  reason: ReasonOf<Type>,
  message?: string,
): Verdict<Type> {
  return { type, status, reason, ...(message === undefined ? {} : { message }) };
}

/**
 * Conditions for a status. The time of a condition's last transition stays while its status does, or every look would be a change.
 *
 * @param now RFC 3339, without fractions
 */
export function conditionsOf(
  verdicts: readonly AnyVerdict[],
  before: readonly Condition[],
  { generation, now }: { readonly generation: number; readonly now: string },
): readonly Condition[] {
  return verdicts.map(({ type, status, reason, message }) => {
    const known = before.find((condition) => condition.type === type);
    const meaning = (reasons[type] as Readonly<Record<string, string>>)[reason];
    return {
      ...{ type, status, reason, message: message ?? meaning ?? "", observedGeneration: generation },
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : now,
    };
  });
}

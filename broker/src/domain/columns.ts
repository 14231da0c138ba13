/** The typed arrays a table grows by doubling. */
type Column = Uint8Array | Uint32Array | Int32Array | Float64Array;

/** The same values in an array of `capacity` elements, the new ones zero. */
export function grown<T extends Column>(column: T, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity);
  larger.set(column);
  return larger;
}

/** A copy of every value. */
export function copied<T extends Column>(column: T): T {
  return column.slice() as T;
}

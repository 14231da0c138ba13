import { Field, fieldKind } from "./field.ts";

/** Longer texts are a client's own: ids, secrets. */
const charactersMax = 32;
const fieldsMax = 1_024;

/**
 * Fields of tables that many connections have in common: what kind of client it is, which versions it speaks. Thousands of connections then hold one object
 * and its texts, not one each. Whoever comes first is shared; once there are too many, new ones are not.
 */
export class SharedFields {
  readonly #fields = new Map<string, Field>();

  field(name: string, value: string, kind: number): Field {
    const isCommon = name.length <= charactersMax && value.length <= charactersMax;
    // A good name has no NUL, so that the key tells where it ends.
    if (!isCommon || kind >= fieldKind.badName) return new Field(name, value, kind);
    const key = `${name}\0${value}`;
    const known = this.#fields.get(key);
    if (known !== undefined) return known;
    const field = new Field(name, value, kind);
    if (this.#fields.size < fieldsMax) this.#fields.set(key, field);
    return field;
  }
}

import { SaturnError } from "@saturnmq/kit";
import { everything, type Filter, tagFilter } from "../../domain/filter.ts";

/** Numbers of `FilterType`. */
const filterType = { unspecified: 0, tag: 1, sql: 2 } as const;
const tagsMax = 256;
const expressionCharactersMax = 16_384;

/**
 * What a filter expression asks for: `a||b`, blanks around a tag ignored; `*`, nothing or no filter at all is every message.
 *
 * @throws {SaturnError} `ILLEGAL_FILTER_EXPRESSION`, also for SQL92, which is not built yet
 */
export function parseFilter(filter: { readonly type: number; readonly expression: string } | undefined): Filter {
  if (filter === undefined) return everything;
  const expression = filter.expression.trim();
  if (filter.type === filterType.sql)
    throw illegal(
      "SQL92 filters are not supported by this version: subscribe with a tag expression, such as a||b or *",
    );
  if (filter.type !== filterType.tag && filter.type !== filterType.unspecified)
    throw illegal(`filter type ${String(filter.type)} is unknown: use TAG`);
  if (expression === "" || expression === "*") return everything;
  if (expression.length > expressionCharactersMax)
    throw illegal(`the filter expression is longer than ${String(expressionCharactersMax)} characters`);
  const tags = new Set(expression.split("||").map((tag) => tag.trim()));
  tags.delete("");
  if (tags.size === 0) throw illegal(`the filter expression ${JSON.stringify(expression)} names no tag`);
  if (tags.size > tagsMax) throw illegal(`the filter expression names more than ${String(tagsMax)} tags`);
  return tagFilter(tags);
}

function illegal(message: string): SaturnError {
  return new SaturnError("ILLEGAL_FILTER_EXPRESSION", message);
}

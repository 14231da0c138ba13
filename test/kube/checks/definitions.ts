import { isApiError } from "@saturnmq/operator/kube";
import { invalidAtCreation, invalidChanges, validChanges } from "../invalid.ts";
import { check } from "../support/check.ts";
import type { CustomResources, Kind } from "../support/custom-resources.ts";

/** What the definitions alone refuse and take, without an operator. */
export async function checkDefinitions(resources: CustomResources): Promise<void> {
  const { client } = resources;
  await check(
    `${invalidAtCreation.length} invalid manifests are refused, each with the field and the fix`,
    async () => {
      for (const [place, { what, kind, spec, name = `bad-${place}`, says }] of invalidAtCreation.entries())
        await refused(what, resources.create(kind as Kind, name, spec), says);
    },
  );
  await check(`${invalidChanges.length} changes are refused`, async () => {
    for (const [place, { what, kind: named, from, to, says }] of invalidChanges.entries()) {
      const kind = named as Kind;
      await resources.create(kind, `change-${place}`, from);
      await refused(what, resources.change(kind, `change-${place}`, to), says);
      await client.call("DELETE", resources.pathOf(kind, `change-${place}`));
    }
  });
  await check(`${validChanges.length} changes are taken`, async () => {
    for (const [place, { kind: named, from, to }] of validChanges.entries()) {
      const kind = named as Kind;
      await resources.create(kind, `valid-${place}`, from);
      await resources.change(kind, `valid-${place}`, to);
      await client.call("DELETE", resources.pathOf(kind, `valid-${place}`));
    }
  });
}

async function refused(what: string, work: Promise<unknown>, says: RegExp): Promise<void> {
  const message = await work.then(
    () => {
      throw new Error(`${what}: was taken`);
    },
    (error: unknown) => {
      if (isApiError(error, "refused")) return error.message;
      throw error;
    },
  );
  if (!says.test(message)) throw new Error(`${what}: refused, but in other words than ${String(says)}: ${message}`);
}

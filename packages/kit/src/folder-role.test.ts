import { expect, test } from "@jest/globals";
import { checkDataPlace, claimFolderRole } from "./folder-role.ts";
import { MemoryDisk } from "./testing/index.ts";

test("a folder keeps the role that it was first taken for", async () => {
  const disk = new MemoryDisk();
  await claimFolderRole(disk, "/data", "nameserver");
  await claimFolderRole(disk, "/data", "nameserver");
  await expect(claimFolderRole(disk, "/data", "broker")).rejects.toMatchObject({
    code: "FORBIDDEN",
    message: "/data holds the data of a name server, not of a broker: give this process a folder of its own",
  });
  await claimFolderRole(disk, "/other", "broker");
});

test("a role that is not known is refused, not overwritten", async () => {
  const disk = new MemoryDisk();
  await claimFolderRole(disk, "/data", "nameserver");
  const file = await disk.open("/data/role", { access: "readWrite" });
  await file.write(new TextEncoder().encode("gateway\n   "), 0, 11, 0);
  await file.close();
  await expect(claimFolderRole(disk, "/data", "nameserver")).rejects.toMatchObject({
    message: expect.stringContaining("data of an unknown kind"),
  });
});

test("a process of its own takes a new place, its own place, and no place that is another's", async () => {
  const disk = new MemoryDisk();
  await checkDataPlace(disk, "/data", "broker");
  await (await disk.open("/data/nameserver/identity", { access: "readWrite", create: true })).close();
  await checkDataPlace(disk, "/data", "nameserver");
  await expect(checkDataPlace(disk, "/data", "broker")).rejects.toMatchObject({
    code: "FORBIDDEN",
    message: "/data holds the data of a name server: give the broker a folder of its own",
  });
  await expect(checkDataPlace(disk, "/data/nameserver", "nameserver")).rejects.toMatchObject({
    message: expect.stringContaining("name the folder around it"),
  });
});

// The walls between the rooms (ARCHITECTURE.md, "Rooms"). Each rule says why it stands; `make verify` runs them all.

/** Files that only tests load: they may look anywhere, and nothing else may look at them. */
const forTests = "\\.test\\.ts$|/src/testing/|/src/[a-z-]+/testing/|^test/";
const pure = "^(packages/(raft-ts|h2)/src/core|(packages/)?[^/]+/src/domain|operator/src/(model|plan))/";
const packageSource = "^(packages/[^/]+|broker|nameserver|operator|cli|bench|image|test)/";

module.exports = {
  forbidden: [
    {
      name: "core-is-pure",
      comment: "The Raft core folds inputs to effects. Clock, chance, disk and logs live in the driver.",
      severity: "error",
      from: { path: "^packages/raft-ts/src/core/", pathNot: forTests },
      to: { pathNot: "^packages/raft-ts/src/(core/|ports\\.ts$)|^packages/kit/src/index\\.ts$" },
    },
    {
      name: "domain-is-pure",
      comment:
        "A domain decides and applies. It knows neither protocols, nor disks, nor Raft; of the store only the records' layout.",
      severity: "error",
      from: { path: "^((?:packages/)?[^/]+/src/domain)/", pathNot: forTests },
      to: { pathNot: "^$1/|^packages/(kit|wire)/src/index\\.ts$|^packages/store/src/record\\.ts$" },
    },
    {
      name: "domain-takes-types-of-wire",
      comment: "The words of the wire may be shared with a domain, its codecs may not.",
      severity: "error",
      from: { path: "^(?:packages/)?[^/]+/src/domain/", pathNot: forTests },
      to: { path: "^packages/wire/src/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "pure-rooms-have-no-built-ins",
      comment: "Whatever Node offers would make a replay of one seed differ.",
      severity: "error",
      from: { path: pure, pathNot: forTests },
      to: { dependencyTypes: ["core", "npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "operator-model-and-plan-are-pure",
      comment:
        "What children should be and what comes next follow from what was found, so every small world can be tried.",
      severity: "error",
      from: { path: "^operator/src/(model|plan)/", pathNot: forTests },
      to: { pathNot: "^operator/src/(model|plan|api)/|^packages/kit/src/index\\.ts$" },
    },
    {
      name: "operator-kube-is-for-anybody",
      comment: "Watching, queues, leases and events know no kind of ours: they could be a package.",
      severity: "error",
      from: { path: "^operator/src/kube/", pathNot: forTests },
      to: { path: "^operator/src/", pathNot: "^operator/src/kube/" },
    },
    {
      name: "kit-is-a-leaf",
      comment: "Everyone may import kit, so kit may import nobody.",
      severity: "error",
      from: { path: "^packages/kit/" },
      to: { path: packageSource, pathNot: "^packages/kit/" },
    },
    {
      name: "wire-knows-kit-only",
      severity: "error",
      comment: "Codecs are used by brokers, name servers, tools and clients alike.",
      from: { path: "^packages/wire/" },
      to: { path: packageSource, pathNot: "^packages/(wire|kit)/" },
    },
    {
      name: "metadata-client-knows-wire-and-kit",
      comment:
        "Brokers and tools reach name servers through it. It has a transport, which wire must not have, and no part of a server.",
      severity: "error",
      from: { path: "^packages/metadata-client/", pathNot: forTests },
      to: { path: packageSource, pathNot: "^packages/(metadata-client|wire|kit)/" },
    },
    {
      name: "h2-knows-kit-only",
      severity: "error",
      comment: "A transport carries bytes for any service: it knows no protocol above gRPC and no broker.",
      from: { path: "^packages/h2/" },
      to: { path: packageSource, pathNot: "^packages/(h2|kit)/" },
    },
    {
      name: "h2-core-is-pure",
      comment:
        "Frames in, frames and events out: sockets, clocks, promises and gRPC calls live around it, so that fuzzing needs none of them.",
      severity: "error",
      from: { path: "^packages/h2/src/core/", pathNot: forTests },
      to: { pathNot: "^packages/h2/src/core/|^packages/kit/src/index\\.ts$" },
    },
    {
      name: "raft-knows-kit-only",
      comment: "raft-ts is published by itself: log, transport and clock come in through its ports.",
      severity: "error",
      from: { path: "^packages/raft-ts/" },
      to: { path: packageSource, pathNot: "^packages/(raft-ts|kit)/" },
    },
    {
      name: "store-knows-raft-and-kit",
      comment: "The store implements Raft's log port and knows nothing of topics, groups or protocols.",
      severity: "error",
      from: { path: "^packages/store/" },
      to: { path: packageSource, pathNot: "^packages/(store|raft-ts|kit)/" },
    },
    {
      name: "peer-knows-kit-and-words-of-raft",
      comment: "Links carry Raft's messages and know neither its rules nor what the calls are about.",
      severity: "error",
      from: { path: "^packages/peer/", pathNot: forTests },
      to: { path: packageSource, pathNot: "^packages/(peer|kit|raft-ts)/" },
    },
    {
      name: "peer-takes-types-of-raft",
      comment:
        "Messages are shared as types; a link that ran Raft's code would be part of it. Only the codec takes a function: a configuration's bytes are Raft's.",
      severity: "error",
      from: { path: "^packages/peer/", pathNot: [forTests, "^packages/peer/src/message-codec\\.ts$"] },
      to: { path: "^packages/raft-ts/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "adapters-know-no-adapter",
      comment: "Two protocols meet in the domain or nowhere; only main.ts wires them.",
      severity: "error",
      from: { path: "^([^/]+)/src/(grpc|http|peer|admin|kube)/", pathNot: forTests },
      to: { path: "^$1/src/(grpc|http|peer|admin|kube)/", pathNot: "^$1/src/$2/" },
    },
    {
      name: "adapters-see-ports",
      comment: "A handler calls the data plane through its port; shards, logs and elections are none of its business.",
      severity: "error",
      from: { path: "^([^/]+)/src/(grpc|http|peer|admin|kube)/", pathNot: forTests },
      to: { path: "^($1/src/(shard|data-plane|open-log|membership)|packages/(raft-ts|store)/)" },
    },
    {
      name: "cluster-knows-ports",
      comment:
        "What spreads calls over brokers knows shards and links by their ports only: so it is tested without disks and sockets.",
      severity: "error",
      from: { path: "^broker/src/cluster/", pathNot: forTests },
      to: { path: "^broker/src/(shard|grpc|http|peer|admin)/|^packages/(raft-ts|store)/" },
    },
    {
      name: "shards-know-no-protocol",
      comment: "What runs shards answers to whoever calls its port, in no protocol's words.",
      severity: "error",
      from: { path: "^broker/src/(shard/|data-plane)", pathNot: forTests },
      to: { path: "^broker/src/(grpc|http|peer|admin)/|^broker/src/cluster/(?!cluster-messaging|ports)" },
    },
    {
      name: "nobody-imports-the-wiring",
      comment: "main.ts is where a process is put together; what it wires must not reach back.",
      severity: "error",
      from: { path: "^([^/]+)/src/", pathNot: "^[^/]+/src/(main|index)\\.ts$|" + forTests },
      to: { path: "^$1/src/(main|index)\\.ts$" },
    },
    {
      name: "apps-do-not-import-apps",
      comment: "Broker, name server and operator speak gRPC to each other. They share words through packages.",
      severity: "error",
      from: { path: "^(broker|nameserver|operator)/" },
      to: { path: "^(broker|nameserver|operator|cli)/", pathNot: "^$1/" },
    },
    {
      name: "nothing-imports-the-cli",
      severity: "error",
      comment: "The command starts the rest; nobody starts the command by an import.",
      from: { pathNot: "^cli/" },
      to: { path: "^cli/" },
    },
    {
      name: "nothing-that-serves-imports-the-bench",
      severity: "error",
      comment: "The generator measures servers from outside; only the command and tests start it.",
      from: { pathNot: "^(bench|cli|test)/" },
      to: { path: "^bench/" },
    },
    {
      name: "image-knows-kit-only",
      severity: "error",
      comment: "The image is made of the program's files; what they do is none of its builder's business.",
      from: { path: "^image/" },
      to: { path: packageSource, pathNot: "^(image|packages/kit)/" },
    },
    {
      name: "packages-do-not-import-apps",
      severity: "error",
      comment: "A package serves any process, so it cannot know one.",
      from: { path: "^packages/" },
      to: { path: "^(broker|nameserver|operator|cli)/" },
    },
    {
      name: "nothing-imports-tests",
      comment: "What ships must not need what only tests have.",
      severity: "error",
      from: { pathNot: forTests },
      to: { path: forTests },
    },
    {
      name: "packages-meet-at-exports",
      comment: "A package's index is its contract; a path into its source is not. Import it by name.",
      severity: "error",
      from: { path: "^(packages/[^/]+|broker|nameserver|operator|cli|bench|image|test)/" },
      to: { path: packageSource, pathNot: "^$1/", dependencyTypes: ["local"], dependencyTypesNot: ["aliased"] },
    },
    {
      name: "no-cycles",
      comment: "Two files that need each other are one file, or miss a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "resolvable",
      comment: "Either the file is missing or it is not among the package's exports.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "declared",
      comment: "A package in no package.json above the importer is there by chance.",
      severity: "error",
      from: { path: packageSource },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "no-tools-at-run-time",
      comment: "Development tools are not installed where SaturnMQ runs.",
      severity: "error",
      from: { path: packageSource, pathNot: forTests },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"], pathNot: "/@types/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    combinedDependencies: true,
    builtInModules: { add: ["node:sqlite", "node:test"] },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      mainFields: ["module", "main", "types", "typings"],
      extensions: [".ts", ".js", ".cjs", ".mjs", ".json"],
    },
  },
};

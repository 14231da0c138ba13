/** Records as the first version wrote them: kind and payload. Recorded from it; never change them. */
export const firstRecords: readonly (readonly [kind: number, payload: string])[] = [
  [
    1,
    `{"cluster":{"clusterId":"cluster-a","shardCount":3,"replicationFactor":1,"createdAtMs":1764000000000},"handleKey":"00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"}`,
  ],
  [2, `{"id":1,"incarnation":1,"zone":"z1","address":"in-process","confirmed":false}`],
  [
    4,
    `{"shards":[{"shard":0,"voters":[1],"leaderHint":1},{"shard":1,"voters":[1],"leaderHint":1},{"shard":2,"voters":[1],"leaderHint":1}]}`,
  ],
  [3, `{"id":1}`],
  [5, `{"requestId":"r1","topic":{"id":1,"name":"orders","type":"NORMAL","queues":8,"createdAtMs":1764000000001}}`],
  [
    5,
    `{"requestId":"r2","topic":{"id":2,"name":"gone","type":"NORMAL","queues":1,"retentionMs":60000,"createdAtMs":1764000000002}}`,
  ],
  [6, `{"requestId":"r3","name":"gone"}`],
  [
    7,
    `{"requestId":"r4","group":{"id":1,"name":"g","order":false,"start":{"kind":"time","atMs":1764000000003},"maxAttempts":17,"cursorEpoch":1,"createdAtMs":1764000000003}}`,
  ],
  [2, `{"id":1,"incarnation":2,"zone":"z1","address":"in-process","confirmed":true}`],
];

/** The first version's checkpoint after those records. */
export const firstCheckpoint = `{"version":1,"revision":9,"cluster":{"clusterId":"cluster-a","shardCount":3,"replicationFactor":1,"createdAtMs":1764000000000},"handleKeys":["00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"],"shards":[{"shard":0,"voters":[1],"leaderHint":1},{"shard":1,"voters":[1],"leaderHint":1},{"shard":2,"voters":[1],"leaderHint":1}],"nextTopicId":3,"nextGroupId":2,"nextBrokerId":2,"brokers":[{"id":1,"incarnation":2,"zone":"z1","address":"in-process","confirmed":true,"state":"up"}],"topics":[{"id":1,"name":"orders","type":"NORMAL","queues":8,"createdAtMs":1764000000001}],"groups":[{"id":1,"name":"g","order":false,"start":{"kind":"time","atMs":1764000000003},"maxAttempts":17,"cursorEpoch":1,"createdAtMs":1764000000003}],"requests":[["r1",{"call":"createTopic orders","topic":{"id":1,"name":"orders","type":"NORMAL","queues":8,"createdAtMs":1764000000001}}],["r2",{"call":"createTopic gone","topic":{"id":2,"name":"gone","type":"NORMAL","queues":1,"retentionMs":60000,"createdAtMs":1764000000002}}],["r3",{"call":"deleteTopic gone"}],["r4",{"call":"createGroup g","group":{"id":1,"name":"g","order":false,"start":{"kind":"time","atMs":1764000000003},"maxAttempts":17,"cursorEpoch":1,"createdAtMs":1764000000003}}]]}`;

// A push consumer of the official client, in a process of its own: after its shutdown the client keeps a timer of its logger, and so the process.
// Prints a JSON line a delivery. Fails the first attempt of the body that is named.
//
//   node push-consumer.mjs ENDPOINT TOPIC GROUP FAILING_BODY
import { ConsumeResult, PushConsumer } from "rocketmq-client-nodejs";

const [endpoints, topic, consumerGroup, failing] = process.argv.slice(2);
const ignore = () => undefined;
const consumer = new PushConsumer({
  endpoints,
  namespace: "",
  // Without `debug` the client gives up a failed message of an ordered group instead of consuming it again.
  logger: { debug: ignore, info: ignore, warn: console.error, error: console.error },
  consumerGroup,
  subscriptions: new Map([[topic, "*"]]),
  messageListener: {
    consume: ({ body, deliveryAttempt, corrupted }) => {
      console.log(JSON.stringify({ body: body.toString(), attempt: deliveryAttempt, corrupted: corrupted ?? false }));
      return body.toString() === failing && deliveryAttempt === 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS;
    },
  },
});
await consumer.startup();

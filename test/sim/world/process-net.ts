import type { Connection, ConnectionHandler, Net } from "@saturnmq/kit";
import type { SimulatedProcess } from "./process.ts";

/** A machine's network as one process sees it: nothing is told to a process that is suspended before it goes on. */
export function processNet(net: Net, process: SimulatedProcess): Net {
  return {
    listen: (options) =>
      net.listen({
        ...options,
        accept: (connection) => acceptLater(connection, options.accept, process),
      }),
    connect: (target, handler) => {
      const connection = net.connect(target, told(handler, process));
      if (process.ended) connection.destroy();
      return connection;
    },
  };
}

/** The system takes a connection before its process looks at it, and keeps what comes over it. */
function acceptLater(
  connection: Connection,
  accept: (connection: Connection) => ConnectionHandler,
  process: SimulatedProcess,
): ConnectionHandler {
  let handler: ConnectionHandler | undefined;
  process.enter(() => {
    handler = accept(connection);
  });
  return told(
    {
      data: (chunk) => handler?.data(chunk),
      drained: () => handler?.drained(),
      closed: (error) => handler?.closed(error),
    },
    process,
  );
}

function told(handler: ConnectionHandler, process: SimulatedProcess): ConnectionHandler {
  return {
    opened: () => process.enter(() => handler.opened?.()),
    data: (chunk) => process.enter(() => handler.data(chunk)),
    drained: () => process.enter(() => handler.drained()),
    closed: (error) => process.enter(() => handler.closed(error)),
  };
}

/**
 * How many connections a server has, without idle ones keeping out those who ask: above the limit, the one that has been idle for
 * longest is closed. Only where all of them have requests under way is the new one closed. Node's own `maxConnections` closes the
 * new one whatever the others do, so that whoever opens enough of them and says nothing shuts out everybody else.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";

interface Connection {
  /** Of TLS, once there is one. */
  socket: Socket;
  requests: number;
}

export function limitConnections(server: Server, limit: number): void {
  const open = new Set<Connection>();
  /** The longest idle first: since it was opened, or its last answer was sent. */
  const idle = new Set<Connection>();
  const bySocket = new WeakMap<Socket, Connection>();
  const byPeer = new Map<string, Connection>();

  server.on("connection", (socket: Socket) => {
    const connection = { socket, requests: 0 };
    const peer = peerOf(socket);
    for (const set of [open, idle]) set.add(connection);
    bySocket.set(socket, connection);
    byPeer.set(peer, connection);
    socket.once("close", () => {
      for (const set of [open, idle]) set.delete(connection);
      if (byPeer.get(peer) === connection) byPeer.delete(peer);
    });
    if (open.size <= limit) return;
    const [longestIdle = connection] = idle;
    for (const set of [open, idle]) set.delete(longestIdle); // the event that it has closed is yet to come
    longestIdle.socket.destroy();
  });

  server.on("secureConnection", (socket: Socket) => {
    const connection = byPeer.get(peerOf(socket));
    if (connection === undefined) return;
    connection.socket = socket;
    bySocket.set(socket, connection);
  });

  server.on("request", ({ socket }, response) => {
    const connection = bySocket.get(socket);
    if (connection === undefined) return;
    connection.requests++;
    idle.delete(connection);
    response.once("close", () => {
      connection.requests--;
      if (connection.requests === 0 && open.has(connection)) idle.add(connection);
    });
  });
}

/** A TLS socket and the one under it have the same, and no two open connections to one listener have. */
function peerOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

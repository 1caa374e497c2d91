// The official server with connection state recovery counts aloud, and breaks every connection now and then.
//
// node recovering_server.mjs <port> <last number>

import { Server } from "socket.io";

import { tell } from "./lines.mjs";

const [port, last] = process.argv.slice(2).map(Number);
const BREAK_EVERY = 20;
const TICK_MS = 3;
const io = new Server({ serveClient: false, connectionStateRecovery: {} });
let number = 0;

function count() {
  io.emit("count", ++number);
  if (number % BREAK_EVERY === 0) io.sockets.sockets.forEach((socket) => socket.conn.close());
  if (number < last) setTimeout(count, TICK_MS);
}

io.on("connection", (socket) => {
  tell("connected", { recovered: socket.recovered });
  if (number === 0) count();
});
io.listen(port);
io.httpServer.on("listening", () => tell("listening"));

// Three official clients in a namespace that came to be because they asked for it, and one that is not let in. They
// answer what they are asked, but for the silent one, and tell what they hear.
//
// node audience.mjs <url>

import { io } from "socket.io-client";

import { tell } from "./lines.mjs";

const [url] = process.argv.slice(2);

function client(user, transport, token) {
  const socket = io(`${url}/tenant-a`, {
    forceNew: true,
    transports: [transport],
    auth: { token },
    query: { user },
    extraHeaders: { "x-user": user },
    reconnection: false,
  });
  socket.on("connect_error", (error) => {
    tell("refused", { user, message: error.message, data: error.data, active: socket.active });
  });
  socket.on("disconnect", (reason) => tell("disconnected", { user, reason, active: socket.active }));
  socket.on("?", (answer) => {
    if (user !== "silent") answer(user);
  });
  return socket;
}

const alice = client("alice", "polling", "open sesame");
client("bob", "websocket", "open sesame");
client("silent", "websocket", "open sesame");
client("mallory", "websocket", "guess");

alice.on("connect", async () => {
  const sum = await alice.emitWithAck("add", 1, 2);
  const misfit = await alice.emitWithAck("add", 1, "two");
  alice.emit("forbidden");
  tell("answered", { sum, misfit });
});

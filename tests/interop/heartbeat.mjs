// One user stays connected through a number of the server's pings, with a round trip at each, then tells how it ends.
//
// node heartbeat.mjs <url> <pings> <transports>

import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";

import { tell } from "./lines.mjs";

const [url, wanted, list] = process.argv.slice(2);
const id = randomUUID();
const transports = list.split(",");
const socket = io(url, { transports, reconnectionDelay: 50, reconnectionDelayMax: 250 });
let pings = 0;
let answered = 0;
let heard = 0;

// The answer to a message and the message itself come in either order.
function tellIfAlive() {
  if (answered === Number(wanted) && heard === Number(wanted)) tell("alive", { pings });
}

socket.on("connect", () => tell("connected"));
socket.on("disconnect", (reason) => tell("disconnected", { reason, active: socket.active }));
socket.on("chat message", (content, offset) => {
  tell("heard", { content, offset });
  heard += 1;
  tellIfAlive();
});
socket.io.on("ping", async () => {
  const ping = ++pings;
  const answer = await socket.timeout(2000).emitWithAck("chat message", `at ping ${ping}`, `${id}-${ping}`);
  tell("answered", { ping, offset: answer.offset });
  answered += 1;
  tellIfAlive();
});

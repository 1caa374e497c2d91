// The official client counts what it hears, breaks its connection every now and then, and tells how it went.
//
// node recovering_client.mjs <url> <last number>

import { io } from "socket.io-client";

import { tellLast, tell } from "./lines.mjs";

const [url, last] = process.argv.slice(2);
const BREAK_EVERY = 20;
const socket = io(url, { transports: ["websocket"], reconnectionDelay: 20, reconnectionDelayMax: 50 });
const numbers = [];
let recovered = 0;
let fresh = 0;

socket.on("connect", () => (socket.recovered ? recovered++ : fresh++));
socket.on("count", (number) => {
  numbers.push(number);
  if (number === Number(last)) {
    tell("counted", { numbers, recovered, fresh });
    tellLast("done");
  } else if (numbers.length % BREAK_EVERY === 0) {
    tell("broke", { number });
    // Not at once: what it has decoded and not yet delivered when a connection breaks, the official client keeps until it
    // is connected again, and then delivers beside the replay.
    setImmediate(() => socket.io.engine.close());
  }
});

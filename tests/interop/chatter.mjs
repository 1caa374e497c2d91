// A chat user on the official client: keeps a window of messages in flight, sends again what a lost connection left
// unacknowledged, and writes down what arrives, in the order in which it arrives.

import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";

import { tell } from "./lines.mjs";

const ACK_TIMEOUT_MS = 3000;

export class Chatter {
  // The persistent part of a message id: a random one a client, so that no two clients, and no two runs, collide.
  #id = randomUUID();
  #counter = 0;
  #pending = new Map();
  #wanted = 0;
  #window = 0;
  #struck = false;

  said = {};
  acknowledged = {};
  arrivals = [];
  seen = new Set();

  upgrades = 0;

  constructor(name, url, transports, onChange) {
    this.name = name;
    this.onChange = onChange;
    this.auth = { serverOffset: 0 };
    this.socket = io(url, {
      auth: this.auth,
      transports,
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 250,
    });
    this.socket.io.on("open", () => this.socket.io.engine.on("upgrade", () => this.upgrades++));
    this.socket.on("connect", () => this.#resend());
    this.socket.on("disconnect", (reason) => this.#onDisconnect(reason));
    this.socket.on("chat message", (content, offset, about) => this.#onMessage(content, offset, about));
    this.socket.on("connect_error", (error) => {
      // Refused connections are what a restart looks like; an inactive socket was refused by the server itself.
      if (!this.socket.active) tell("rejected", { client: name, message: error.message });
    });
  }

  // Says at least `count` messages, `window` of them in flight, and goes on until a connection was lost: so the window
  // is full at the moment of the loss, however fast the server answers.
  talk(count, window) {
    this.#wanted = count;
    this.#window = window;
    this.#fill();
  }

  say(content) {
    const id = `${this.#id}-${this.#counter++}`;
    this.said[id] = content;
    this.#pending.set(id, { content, attempt: 0 });
    if (this.socket.connected) this.#send(id);
    return id;
  }

  get unacknowledged() {
    return this.#pending.size;
  }

  get finished() {
    return this.#struck && this.#counter >= this.#wanted && this.#pending.size === 0;
  }

  #fill() {
    while (this.#pending.size < this.#window && (this.#counter < this.#wanted || !this.#struck)) {
      this.say(`${this.name} says "${this.#counter}": grüß dich, 안녕 🦀\u2028\\`);
    }
  }

  #send(id) {
    const message = this.#pending.get(id);
    const attempt = ++message.attempt;
    this.socket.timeout(ACK_TIMEOUT_MS).emit("chat message", message.content, id, (error, answer) => {
      if (error) {
        // A lost connection also ends here; then it is the next "connect" that sends again.
        if (this.socket.connected && this.#pending.get(id)?.attempt === attempt) this.#send(id);
        return;
      }
      if (typeof answer?.offset !== "number") {
        tell("refused", { client: this.name, id, answer });
        return;
      }
      this.#pending.delete(id);
      this.acknowledged[id] = answer.offset;
      this.#fill();
      this.onChange();
    });
  }

  #resend() {
    tell("connected", { client: this.name, pending: this.#pending.size, from: this.auth.serverOffset });
    for (const id of this.#pending.keys()) this.#send(id);
  }

  #onDisconnect(reason) {
    this.#struck = true;
    tell("disconnected", { client: this.name, reason, active: this.socket.active, unacked: this.#pending.size });
  }

  #onMessage(content, offset, about) {
    this.auth.serverOffset = offset;
    this.arrivals.push({ offset, content, ...about });
    this.seen.add(about?.id);
    this.onChange();
  }
}

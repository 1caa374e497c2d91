// The official client as an actor of `driver.mjs`.

import { Manager } from "socket.io-client";

import { answerTo, fromCase, toCase } from "./driver_values.mjs";

export class OfficialClient {
  #tell;
  #manager;
  #options;
  // Namespace → its socket, and what the server's questions are answered with.
  #sockets = new Map();

  constructor(tell) {
    this.#tell = tell;
  }

  create({ url, options }) {
    this.#options = options;
    this.#manager = new Manager(url, { ...options, autoConnect: false });
    this.#manager.on("reconnect_attempt", (attempt) => this.#tell({ nsp: "/", hears: { reconnect_attempt: attempt } }));
    this.#manager.on("reconnect", (attempts) => this.#tell({ nsp: "/", hears: { reconnect: attempts } }));
    this.#manager.on("reconnect_failed", () => this.#tell({ nsp: "/", hears: "reconnect_failed" }));
  }

  #of(nsp) {
    if (!this.#sockets.has(nsp)) this.#sockets.set(nsp, this.#make(nsp));
    return this.#sockets.get(nsp);
  }

  #make(nsp) {
    const { auth, retries, ackTimeout } = this.#options;
    const socket = this.#manager.socket(nsp, { auth: nsp === "/" ? auth : undefined, retries, ackTimeout });
    const unanswered = [];
    socket.on("connect", () => this.#tell({ nsp, sid: socket.id, hears: socket.recovered ? "recovered" : "connect" }));
    socket.on("disconnect", (reason) => this.#tell({ nsp, hears: { disconnect: reason } }));
    socket.on("connect_error", ({ message, data }) => {
      // A socket that the server refused is no longer active; one that did not get through is.
      const hears = socket.active ? "connect_failed" : { connect_error: data === undefined ? { message } : { message, data } };
      this.#tell({ nsp, hears });
    });
    socket.onAny((...event) => {
      if (typeof event.at(-1) === "function") unanswered.push(event.pop());
      this.#tell({ nsp, hears: toCase(event) });
    });
    return { socket, unanswered };
  }

  connect({ nsp }) {
    this.#of(nsp).socket.connect();
  }

  auth({ nsp, auth }) {
    this.#of(nsp).socket.auth = auth;
  }

  emit({ nsp, event, volatile }) {
    const { socket } = this.#of(nsp);
    (volatile ? socket.volatile : socket).emit(...fromCase(event));
  }

  ask({ nsp, event, timeout }) {
    const { socket } = this.#of(nsp);
    const done = (error, ...answer) => this.#tell({ nsp, hears: answerTo(error, answer) });
    // With `ackTimeout` the client gives an error first, as with `timeout`.
    const errorFirst = timeout !== undefined || this.#options.ackTimeout !== undefined;
    const asking = timeout === undefined ? socket : socket.timeout(timeout);
    asking.emit(...fromCase(event), errorFirst ? done : (...answer) => done(null, ...answer));
  }

  answer({ nsp, event }) {
    this.#of(nsp).unanswered.shift()(...fromCase(event));
  }

  disconnect({ nsp }) {
    this.#of(nsp).socket.disconnect();
  }

  // The connection, not the socket.
  close() {
    this.#manager.engine.close();
  }

  end() {
    if (!this.#manager) return;
    this.#manager.reconnection(false);
    for (const { socket } of this.#sockets.values()) socket.disconnect();
    this.#manager.engine?.close();
  }
}

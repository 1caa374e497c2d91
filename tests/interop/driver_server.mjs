// The official server as an actor of `driver.mjs`.

import { Server } from "socket.io";

import { answerTo, fromCase, toCase } from "./driver_values.mjs";

export class OfficialServer {
  #tell;
  #io;
  #sockets = new Map();
  #events;
  // Namespace → its door, which opens once.
  #doors = new Map();

  constructor(tell) {
    this.#tell = tell;
  }

  listen({ options, namespaces, events }) {
    this.#events = new Set(events);
    this.#io = new Server({ serveClient: false, ...options });
    for (const [name, door] of Object.entries(namespaces)) this.#open(name, door ?? {});
    this.#io.listen(0);
    this.#io.httpServer.on("listening", () => {
      this.#tell({ hears: { listening: this.#io.httpServer.address().port } });
    });
  }

  #open(name, { token, refusal, waits, greets }) {
    const namespace = this.#io.of(name);
    if (token !== undefined) {
      namespace.use((socket, next) => {
        if (socket.handshake.auth.token === token) return next();
        next(Object.assign(new Error(refusal.message), { data: refusal.data }));
      });
    }
    if (greets !== undefined) {
      namespace.use((socket, next) => {
        socket.emit(...fromCase(greets));
        next();
      });
    }
    if (waits) {
      const opened = new Promise((open) => this.#doors.set(name, open));
      namespace.use((_socket, next) => opened.then(() => next()));
    }
    namespace.on("connection", (socket) => this.#listenTo(socket));
  }

  #listenTo(socket) {
    const { id: sid } = socket;
    const nsp = socket.nsp.name;
    const unanswered = [];
    this.#sockets.set(`${nsp} ${sid}`, { socket, unanswered });
    this.#tell({ sid, nsp, hears: "connection" });
    socket.on("disconnect", (reason) => this.#tell({ sid, nsp, hears: { disconnect: reason } }));
    // Not `onAny`, which hears also what no handler is told any more.
    for (const name of this.#events) {
      socket.on(name, (...args) => {
        if (typeof args.at(-1) === "function") unanswered.push(args.pop());
        this.#tell({ sid, nsp, hears: toCase([name, ...args]) });
      });
    }
  }

  #of({ nsp, sid }) {
    return this.#sockets.get(`${nsp} ${sid}`);
  }

  // To one socket; to all others where the command says whom to; of the server, to all.
  emit({ nsp, sid, event, to, except, volatile, broadcast }) {
    let target = sid ? this.#of({ nsp, sid }).socket : this.#io.of(nsp);
    if (sid && broadcast) target = target.broadcast;
    if (to) target = target.to(to);
    if (except) target = target.except(except);
    if (volatile) target = target.volatile;
    target.emit(...fromCase(event));
  }

  ask({ nsp, sid, event, timeout }) {
    const { socket } = this.#of({ nsp, sid });
    const done = (error, ...answer) => this.#tell({ sid, nsp, hears: answerTo(error, answer) });
    if (timeout === undefined) socket.emit(...fromCase(event), (...answer) => done(null, ...answer));
    else socket.timeout(timeout).emit(...fromCase(event), done);
  }

  answer({ nsp, sid, event }) {
    this.#of({ nsp, sid }).unanswered.shift()(...fromCase(event));
  }

  join({ nsp, sid, room }) {
    this.#of({ nsp, sid }).socket.join(room);
  }

  leave({ nsp, sid, room }) {
    this.#of({ nsp, sid }).socket.leave(room);
  }

  disconnect({ nsp, sid, close }) {
    this.#of({ nsp, sid }).socket.disconnect(close);
  }

  admit({ nsp }) {
    this.#doors.get(nsp)();
  }

  close() {
    this.#io.close();
  }

  end() {
    this.#io?.close();
  }
}

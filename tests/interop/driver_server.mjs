// The official server as an actor of `driver.mjs`.

import { Server } from "socket.io";

import { answerTo, fromCase, toCase } from "./driver_values.mjs";

// But for the one that is named as the socket's id.
function roomsOf({ id, rooms }) {
  return [...rooms].filter((room) => room !== id).sort();
}

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
    for (const [name, door] of Object.entries(namespaces)) {
      const isPattern = name.endsWith("*");
      this.#open(name, this.#io.of(isPattern ? new RegExp(`^${name.slice(0, -1)}`) : name), door ?? {});
    }
    this.#io.listen(0);
    this.#io.httpServer.on("listening", () => {
      this.#tell({ hears: { listening: this.#io.httpServer.address().port } });
    });
  }

  #open(name, namespace, { token, refusal, waits, greets, stops, tells = [] }) {
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
    namespace.on("connection", (socket) => this.#listenTo(socket, stops, tells));
  }

  #listenTo(socket, stops, tells) {
    const { id: sid } = socket;
    const nsp = socket.nsp.name;
    const unanswered = [];
    this.#sockets.set(`${nsp} ${sid}`, { socket, unanswered });
    this.#tell({ sid, nsp, hears: socket.recovered ? "recovered" : "connection" });
    if (stops) {
      socket.use(([name], next) => next(name === stops.event ? new Error(stops.message) : undefined));
      socket.on("error", ({ message }) => this.#tell({ sid, nsp, hears: { stopped: message } }));
    }
    if (tells.includes("any")) {
      socket.onAny((...event) => {
        if (typeof event.at(-1) === "function") event.pop();
        this.#tell({ sid, nsp, hears: { any: toCase(event) } });
      });
    }
    if (tells.includes("disconnecting")) {
      socket.on("disconnecting", (reason) => this.#tell({ sid, nsp, hears: { disconnecting: reason, rooms: roomsOf(socket) } }));
    }
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

  // Several sockets: of the server all, of a socket all others, or some of them where the command says whom to.
  #target({ nsp, sid, to, except }) {
    let target = sid ? this.#of({ nsp, sid }).socket.broadcast : this.#io.of(nsp);
    if (to) target = target.to(to);
    if (except) target = target.except(except);
    return target;
  }

  emit({ event, volatile, broadcast, ...whom }) {
    let target = whom.sid && !broadcast ? this.#of(whom).socket : this.#target(whom);
    if (volatile) target = target.volatile;
    target.emit(...fromCase(event));
  }

  ask({ nsp, sid, event, timeout, ...whom }) {
    if (sid === undefined) return this.#askMany({ nsp, ...whom }, event, timeout);
    const { socket } = this.#of({ nsp, sid });
    const done = (error, ...answer) => this.#tell({ sid, nsp, hears: answerTo(error, answer) });
    if (timeout === undefined) socket.emit(...fromCase(event), (...answer) => done(null, ...answer));
    else socket.timeout(timeout).emit(...fromCase(event), done);
  }

  answer({ nsp, sid, event }) {
    this.#of({ nsp, sid }).unanswered.shift()(...fromCase(event));
  }

  #askMany(whom, event, timeout) {
    this.#target(whom).timeout(timeout).emit(...fromCase(event), (error, answers) => {
      // In which order clients answer is chance.
      const hears = { answers: toCase(answers).sort() };
      if (error) hears.error = error.message;
      this.#tell({ nsp: whom.nsp, hears });
    });
  }

  async fetch(whom) {
    const sockets = await this.#target(whom).fetchSockets();
    this.#tell({ nsp: whom.nsp, hears: { sockets: sockets.map(roomsOf) } });
  }

  join({ room, ...whom }) {
    if (whom.sid) this.#of(whom).socket.join(room);
    else this.#target(whom).socketsJoin(room);
  }

  leave({ room, ...whom }) {
    if (whom.sid) this.#of(whom).socket.leave(room);
    else this.#target(whom).socketsLeave(room);
  }

  disconnect({ close, ...whom }) {
    if (whom.sid) this.#of(whom).socket.disconnect(close);
    else this.#target(whom).disconnectSockets(close);
  }

  admit({ nsp }) {
    this.#doors.get(nsp)();
  }

  // Of a socket its connection, else all of the server.
  close({ nsp, sid }) {
    if (sid) this.#of({ nsp, sid }).socket.conn.close();
    else this.#io.close();
  }

  end() {
    this.#io?.close();
  }
}

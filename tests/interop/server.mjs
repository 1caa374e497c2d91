// The official server, with a handler for each thing that its clients can ask of one; it tells what it hears.
//
// node server.mjs <port>

import { Server } from "socket.io";

import { tell } from "./lines.mjs";

const port = Number(process.argv[2]);
const ANSWER_TIMEOUT_MS = 5_000;
const SLOW_MS = 50;
const io = new Server({ serveClient: false });

io.of("/members").use((socket, next) => {
  const known = socket.handshake.auth.token === "member";
  next(known ? undefined : Object.assign(new Error("members only"), { data: { code: 7 } }));
});
io.of("/members").on("connection", (socket) => socket.on("whoami", (answer) => answer(socket.nsp.name)));

io.on("connection", (socket) => {
  tell("connected", { id: socket.id, auth: withoutRecovery(socket.handshake.auth) });
  socket.conn.on("upgrade", () => tell("upgraded"));
  socket.on("disconnect", (reason) => tell("disconnected", { id: socket.id, reason }));
  // What stands on the wire, but for heartbeats and attachments.
  socket.conn.on("packet", ({ type, data }) => {
    if (type === "message" && typeof data === "string") tell("packet", { data });
  });
  socket.on("note", (text, done) => {
    tell("noted", { text });
    done?.();
  });
  // As the notes have it: (1, "2", { 3: "4", 5: <bytes> }); back goes the same.
  socket.on("hello", (...args) => {
    const bytes = args.pop();
    tell("greeted", { args, three: bytes[3], isBuffer: Buffer.isBuffer(bytes[5]), five: bytes[5].toString("hex") });
    socket.emit("hello", ...args, { 3: "4", 5: Buffer.from([6]) });
  });
  socket.on("echo", (...args) => {
    const answer = args.pop();
    answer(...args);
  });
  socket.on("join", (room, done) => {
    socket.join(room);
    done();
  });
  socket.on("leave", (room, done) => {
    socket.leave(room);
    done();
  });
  socket.on("to room", (room, text, done) => {
    io.to(room).emit("told", text);
    done();
  });
  socket.on("to others", (text, done) => {
    socket.broadcast.emit("told", text);
    done();
  });
  socket.on("slow", (n, done) => {
    setTimeout(() => {
      tell("acknowledged", { n });
      done(n);
    }, SLOW_MS);
  });
  let lost = 0;
  // Does what it is asked, but so many of its answers are lost.
  socket.on("losing answers", (answers, done) => {
    tell("did it");
    if (lost++ >= answers) done("done");
  });
  socket.on("ask me", async (question) => {
    const answer = await socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck("question", question);
    tell("answered", { answer });
  });
});

function withoutRecovery({ pid, offset, ...auth }) {
  return auth;
}

io.listen(port);
io.httpServer.on("listening", () => tell("listening"));

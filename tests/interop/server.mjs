// The official server, with a handler for each thing that its clients can ask of one; it tells what it hears.
//
// node server.mjs <port>

import { Server } from "socket.io";

import { tell } from "./lines.mjs";

const port = Number(process.argv[2]);
const ANSWER_TIMEOUT_MS = 5_000;
const io = new Server({ serveClient: false });

io.on("connection", (socket) => {
  tell("connected", { id: socket.id, auth: withoutRecovery(socket.handshake.auth) });
  socket.conn.on("upgrade", () => tell("upgraded"));
  socket.on("disconnect", (reason) => tell("disconnected", { id: socket.id, reason }));
  socket.on("note", (text) => tell("noted", { text }));
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

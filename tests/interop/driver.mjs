// The official server and the official client, led by the Rust test `interop_pairings`: commands come in on stdin, a JSON
// object a line, what is heard goes out on stdout. One process serves many cases at once.

import { createInterface } from "node:readline";

import { OfficialClient } from "./driver_client.mjs";
import { OfficialServer } from "./driver_server.mjs";

// Case → actor → what plays it.
const cases = new Map();

function actorsOf(name) {
  if (!cases.has(name)) cases.set(name, new Map());
  return cases.get(name);
}

function play(command) {
  const actors = actorsOf(command.case);
  if (command.do === "end") {
    cases.delete(command.case);
    for (const actor of actors.values()) actor.end();
    return;
  }
  if (!actors.has(command.actor)) {
    const Actor = command.actor === "server" ? OfficialServer : OfficialClient;
    const tell = (line) => {
      // Nobody listens any more to a case that has ended.
      if (cases.get(command.case) === actors) {
        process.stdout.write(`${JSON.stringify({ case: command.case, actor: command.actor, ...line })}\n`);
      }
    };
    actors.set(command.actor, new Actor(tell));
  }
  actors.get(command.actor)[command.do](command);
}

const commands = createInterface({ input: process.stdin });
commands.on("line", (line) => play(JSON.parse(line)));
// The test holds stdin open while it lives.
commands.on("close", () => process.exit(0));

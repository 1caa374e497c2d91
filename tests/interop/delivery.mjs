// Three users talk while the test kills and restarts the server; then all must have seen what any of them said.
//
// node delivery.mjs <url> <messages a user> <window> <transports>

import { Chatter } from "./chatter.mjs";
import { tell, tellLast } from "./lines.mjs";

const [url, count, window, list] = process.argv.slice(2);
const transports = list.split(",");
const PROGRESS_MS = 250;
// Far longer than a restart takes: what has not come by then does not come, and the test is to say what is missing.
const QUIET_MS = 15_000;
const ACKS_A_PROGRESS = 10;

const talkers = ["alice", "bob", "carol"].map((name) => new Chatter(name, url, transports, onChange));
const readers = [...talkers];
let told = 0;
let changed = Date.now();
// What is left to do once everybody has seen everything that was said so far.
const remaining = [farewell, latecomer, report];

function sum(number) {
  return talkers.reduce((total, talker) => total + number(talker), 0);
}

function progress() {
  tell("progress", {
    sent: sum((talker) => Object.keys(talker.said).length),
    acked: sum((talker) => Object.keys(talker.acknowledged).length),
    unacked: sum((talker) => talker.unacknowledged),
    seen: Object.fromEntries(readers.map((reader) => [reader.name, reader.seen.size])),
  });
}

function onChange() {
  changed = Date.now();
  const acked = sum((talker) => Object.keys(talker.acknowledged).length);
  if (acked - told >= ACKS_A_PROGRESS) {
    told = acked;
    progress();
  }
  if (remaining.length > 0 && converged()) remaining.shift()();
}

function converged() {
  if (!talkers.every((talker) => talker.finished)) return false;
  const said = talkers.flatMap((talker) => Object.keys(talker.said));
  return readers.every((reader) => said.every((id) => reader.seen.has(id)));
}

// A last message is after all others in the one order: who has seen it has seen whatever was still on its way.
function farewell() {
  talkers[0].say("farewell");
}

function latecomer() {
  readers.push(new Chatter("late", url, transports, onChange));
}

function report() {
  for (const { name, said, acknowledged, arrivals, upgrades } of readers) {
    tell("report", { client: name, said, acknowledged, arrivals, upgrades });
  }
  tellLast("end");
  clearInterval(ticking);
}

for (const talker of talkers) talker.talk(Number(count), Number(window));
const ticking = setInterval(() => {
  progress();
  if (Date.now() - changed > QUIET_MS) report();
}, PROGRESS_MS);

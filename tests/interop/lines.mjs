// One JSON object a line on stdout, for the Rust test that started this script. It judges; the scripts only tell.

export function tell(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

// The last word. Ends the script only when the pipe has taken all of it: `process.exit` does not wait for that.
export function tellLast(event) {
  process.stdout.write(`${JSON.stringify({ event })}\n`, () => process.exit(0));
}

// The test holds stdin open while it lives: when it is gone, however it ended, so are we.
process.stdin.resume();
process.stdin.on("end", () => process.exit(1));

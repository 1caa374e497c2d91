// A newcomer to a conversation of some length: is its end in view?
//
// node history.mjs <url> <browser>

import { tell, tellLast } from "../interop/lines.mjs";
import { launch } from "./launch.mjs";
import { Person } from "./person.mjs";

const [url, executable] = process.argv.slice(2);
const MESSAGES = 2_000;
// Fewer than the server lets wait for one socket's handlers.
const AT_ONCE = 200;

const browser = await launch(executable);
const talker = await Person.at(browser, "talker", url);
await talker.page.evaluate(
  async ([messages, atOnce]) => {
    const socket = io({ forceNew: true });
    for (let first = 0; first < messages; first += atOnce) {
      const say = (_, index) => socket.emitWithAck("chat message", `message ${first + index + 1}`);
      await Promise.all(Array.from({ length: atOnce }, say));
    }
  },
  [MESSAGES, AT_ONCE],
);

const newcomer = await Person.at(browser, "newcomer", url);
// By its place: to look for its text in all of them, again and again, would take the time that the page needs to show them.
const last = newcomer.page.locator(`#messages > li:nth-child(${MESSAGES}) .content`);
await last.waitFor();
// As the page's own next frame: it scrolls in that.
await newcomer.page.evaluate(() => new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame))));
const box = await last.boundingBox();
tell("shown", { inView: box.y >= 0 && box.y + box.height <= newcomer.page.viewportSize().height });
tellLast("end");

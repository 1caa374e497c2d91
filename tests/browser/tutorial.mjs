// Two people at the page of the notes and one at ours. The test kills and starts the server when it is told to, and judges
// what the pages show.
//
// node tutorial.mjs <url> <browser>

import { readFile } from "node:fs/promises";

import { tell, tellLast } from "../interop/lines.mjs";
import { serveBeside } from "./beside.mjs";
import { launch } from "./launch.mjs";
import { Person } from "./person.mjs";

const [url, executable] = process.argv.slice(2);
const SHOWN_TIMEOUT_MS = 20_000;
const said = [];

const browser = await launch(executable);
const html = await readFile(new URL("tutorial.html", import.meta.url), "utf8");
const notes = await serveBeside(url, html);

async function tutorial() {
  const page = await browser.newPage();
  page.setDefaultTimeout(SHOWN_TIMEOUT_MS);
  await page.goto(notes);
  await page.waitForFunction(() => socket.connected);
  return page;
}

async function say(page, text) {
  await page.fill("#input", text);
  await page.click("button");
  said.push(text);
}

const sees = (page, text) => page.locator("#messages li").getByText(text, { exact: true }).waitFor();

const eve = await tutorial();
const fay = await tutorial();
const ada = await Person.at(browser, "ada", url);
await say(eve, "eve 1");
await sees(fay, "eve 1");
await say(fay, "fay 1");
await sees(eve, "fay 1");
await ada.say("ada 1");
said.push("ada 1");
await sees(eve, "ada 1");

tell("kill the server");
for (const page of [eve, fay]) await page.waitForFunction(() => !socket.connected);
// Both are called `undefined-1`, and are two messages.
await say(eve, "eve to nobody");
await say(fay, "fay to nobody");
tell("start the server");
for (const text of said) {
  await Promise.all([sees(eve, text), sees(fay, text), ada.sees(text)]);
}
await say(eve, "farewell");
await Promise.all([sees(eve, "farewell"), sees(fay, "farewell"), ada.sees("farewell")]);

const texts = (page) => page.locator("#messages > li").allTextContents();
tell("shown", { said, pages: [await texts(eve), await texts(fay), (await ada.log()).map(({ content }) => content)] });
tellLast("end");

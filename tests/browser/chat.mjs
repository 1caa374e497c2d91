// Two people chat, in three tabs: one goes offline and reloads, the server is killed and started again, a tab is closed
// with something left to say. The test kills and starts the server when it is told to, and judges what the pages show.
//
// node chat.mjs <url> <browser>

import { tell, tellLast } from "../interop/lines.mjs";
import { launch } from "./launch.mjs";
import { Person } from "./person.mjs";

const [url, executable] = process.argv.slice(2);
const MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script><b>bold</b>';
// More than the server takes of one message.
const TOO_LONG = "too long ".repeat(8_000).trim();

const browser = await launch(executable);
const ada = await Person.at(browser, "ada", url);
const bob = await Person.at(browser, "bob", url);
const said = {};

async function says(person, ...texts) {
  for (const text of texts) {
    await person.say(text);
    (said[person.name] ??= []).push(text);
  }
}

await says(ada, "ada 1", "ada 2");
await bob.sees("ada 2");
await says(bob, "bob 1", MARKUP);
await ada.sees(MARKUP);
tell("markup", {
  ran: await ada.page.evaluate(() => "hacked" in window),
  elements: await ada.page.locator("#messages .content :is(img, script)").count(),
  bold: await ada.page.locator("#messages b", { hasText: "bold" }).count(),
});

await bob.say(TOO_LONG);
const failed = bob.page.locator('#outbox [data-state="failed"]');
await failed.waitFor();
tell("failed", { state: await failed.locator(".state").textContent() });
await bob.page.reload();
await failed.waitFor();
await failed.getByRole("button", { name: "Discard" }).click();
await failed.waitFor({ state: "detached" });

await ada.context.setOffline(true);
await ada.offline();
await says(ada, "ada in the tunnel", "ada still there");
await ada.waits("ada in the tunnel");
await says(bob, "bob meanwhile");
await bob.sees("bob meanwhile");
await ada.page.reload().catch(() => {});
await ada.context.setOffline(false);
await ada.open();
await ada.sees("ada still there");
await bob.sees("ada still there");

const second = await Person.in(ada.context, "second", url);
tell("kill the server");
await Promise.all([ada.offline(), bob.offline(), second.offline()]);
await says(ada, "ada to nobody", "ada again");
await says(second, "second, about to close");
await says(bob, "bob to nobody");
await Promise.all([ada.waits("ada again"), second.waits("second, about to close"), bob.waits("bob to nobody")]);
await second.page.close();
tell("start the server");

const everything = Object.values(said).flat();
const people = [ada, bob];
await Promise.all(people.flatMap((person) => everything.map((text) => person.sees(text))));
// A last message is after all others in the one order: who shows it shows whatever was still on its way.
await says(ada, "farewell");
people.push(await Person.at(browser, "late", url));
await Promise.all(people.map((person) => person.sees("farewell")));

for (const person of people) {
  await person.page.waitForFunction(() => document.querySelectorAll("#outbox li").length === 0);
  const { name, troubles } = person;
  tell("report", { name, troubles, log: await person.log(), outbox: await person.outbox() });
}
tell("said", { said });
tellLast("end");

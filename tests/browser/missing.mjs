// What the page says where the official client is not installed.
//
// node missing.mjs <url> <browser>

import { tellLast, tell } from "../interop/lines.mjs";
import { launch } from "./launch.mjs";

const [url, executable] = process.argv.slice(2);
const browser = await launch(executable);
const page = await browser.newPage();
await page.goto(url);
tell("notice", { text: await page.getByRole("alert").locator("p").textContent() });
tellLast("end");

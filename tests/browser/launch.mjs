// The browser of the system, without what it would do besides showing pages.

import { chromium } from "playwright-core";

export function launch(executablePath) {
  const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", ...quiet];
  return chromium.launch({ executablePath, args });
}

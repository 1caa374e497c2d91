// Somebody's web server with Squall behind it: the page is its own, all other requests are passed on.

import { connect, createServer } from "node:net";

// Answers where it listens. Each connection is looked at once: a page is what a browser asks for first.
export async function serveBeside(url, html) {
  const { hostname, port } = new URL(url);
  const body = `Content-Type: text/html; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(html)}\r\n\r\n${html}`;
  const server = createServer((browser) => {
    browser.on("error", () => {});
    browser.once("data", (request) => {
      if (request.toString("latin1").startsWith("GET / ")) {
        browser.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n${body}`);
        return;
      }
      const squall = connect(Number(port), hostname);
      // What ends on one side ends on the other, refusals and kills too.
      squall.on("error", () => browser.destroy());
      squall.on("close", () => browser.destroy());
      browser.on("close", () => squall.destroy());
      squall.write(request);
      browser.pipe(squall).pipe(browser);
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return `http://127.0.0.1:${server.address().port}/`;
}

// A person at a browser of their own: does with the page what people do, and reads what it shows.

const SHOWN_TIMEOUT_MS = 20_000;

export class Person {
  // What the page said was wrong: uncaught errors, and what its content security policy refused.
  troubles = [];

  static async at(browser, name, url) {
    return Person.in(await browser.newContext(), name, url);
  }

  // In a tab of their own beside others of the same browser.
  static async in(context, name, url) {
    const person = new Person();
    Object.assign(person, { context, name, url, page: await context.newPage() });
    person.page.setDefaultTimeout(SHOWN_TIMEOUT_MS);
    person.page.on("pageerror", (error) => person.troubles.push(String(error)));
    person.page.on("console", (message) => {
      if (/content security policy/i.test(message.text())) person.troubles.push(message.text());
    });
    await person.open();
    return person;
  }

  async open() {
    await this.page.goto(this.url);
    await this.online();
  }

  online() {
    return this.page.locator('#connection[data-state="online"]').waitFor();
  }

  offline() {
    return this.page.locator('#connection[data-state="offline"]').waitFor();
  }

  // With the keyboard alone.
  async say(text) {
    await this.page.getByPlaceholder("Say something").fill(text);
    await this.page.keyboard.press("Enter");
  }

  sees(text) {
    return this.page.locator("#messages .content").getByText(text, { exact: true }).waitFor();
  }

  waits(text) {
    return this.page.locator('#outbox [data-state="pending"] .content').getByText(text, { exact: true }).waitFor();
  }

  // All that the log shows, from top to bottom.
  log() {
    return this.page.locator("#messages > li").evaluateAll((items) =>
      items.map((item) => ({
        offset: Number(item.dataset.offset),
        id: item.dataset.id,
        content: item.querySelector(".content").textContent,
      })),
    );
  }

  // What is shown as not delivered.
  outbox() {
    return this.page.locator("#outbox .content").allTextContents();
  }
}

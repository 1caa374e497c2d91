// What the user said and the server has not answered for, kept in the browser's localStorage.
//
// Promise: when `add` returns, the message is kept under an id that no other message has, so it survives a reload and may
// be sent any number of times. A message leaves only by `remove`. Two tabs never send from one box: each load of the page
// fills a box of its own and holds its lock; the boxes of loads that are gone are taken over, their messages first.
// Not promised: a browser writes its storage to the disk some seconds later, so a power cut may take the last ones.

const AUTHOR = "squall.author";
const BOX = "squall.outbox.";
const TAB = "squall.boxes-of-this-tab";
const ADOPT_EVERY_MS = 10_000;
const DIGITS_OF_A_NUMBER = 9;

export class Outbox {
  #author = persistentAuthor();
  #box = random();
  #born = Date.now();
  #next = 0;
  #messages = [];
  #held = new Set();
  #onAdopted;

  // Throws when this browser keeps nothing. `onAdopted` is called when messages of an earlier load have come.
  constructor(onAdopted) {
    this.#onAdopted = onAdopted;
    const before = JSON.parse(sessionStorage.getItem(TAB) ?? "[]").filter((box) => keysOf(box).length > 0);
    sessionStorage.setItem(TAB, JSON.stringify([...before, this.#box]));
    this.#hold(this.#box, {});
    // Of a reload, the page that is going may still hold them: wait. Others belong to other tabs, or to nobody.
    for (const box of before) this.#hold(box, {});
    this.adoptAbandoned();
    setInterval(() => this.adoptAbandoned(), ADOPT_EVERY_MS);
  }

  // All that waits or failed, oldest first: `{ id, content, reason? }`; with a reason it failed.
  get messages() {
    return this.#messages;
  }

  // Throws when it cannot be kept; then nothing was said.
  add(content) {
    const n = this.#next++;
    const key = `${BOX}${this.#box}.${String(n).padStart(DIGITS_OF_A_NUMBER, "0")}`;
    // Everybody sees ids. The end is drawn, so that nobody sends the next one first and has this message taken for a repeat.
    const id = `${this.#author}.${this.#box}-${n}-${random()}`;
    const message = { key, id, content, born: this.#born };
    keep(message);
    this.#messages.push(message);
    return message;
  }

  fail(message, reason) {
    message.reason = reason;
    keep(message);
  }

  remove(message) {
    localStorage.removeItem(message.key);
    this.#messages = this.#messages.filter((other) => other !== message);
  }

  // Takes over what tabs that were closed have left.
  adoptAbandoned() {
    for (const box of boxes()) this.#hold(box, { ifAvailable: true });
  }

  // Whether a message was said in this browser.
  isOwn(id) {
    return typeof id === "string" && id.startsWith(`${this.#author}.`);
  }

  // For as long as this page lives. Without locks (they need HTTPS or localhost) every box is taken: two tabs may then
  // send the same message, which the server knows by its id and stores once.
  #hold(box, options) {
    if (this.#held.has(box)) return;
    if (!navigator.locks) return this.#adopt(box);
    navigator.locks.request(`${BOX}${box}`, options, (lock) => {
      if (!lock || this.#held.has(box)) return undefined;
      this.#adopt(box);
      return new Promise(() => {});
    });
  }

  #adopt(box) {
    this.#held.add(box);
    if (box === this.#box) return;
    const adopted = keysOf(box).map(read).filter(Boolean);
    if (adopted.length === 0) return;
    // Boxes by their birth; inside a box the sort leaves the order that its keys have.
    this.#messages = [...adopted, ...this.#messages].sort((a, b) => a.born - b.born);
    this.#onAdopted();
  }
}

function persistentAuthor() {
  const author = localStorage.getItem(AUTHOR) ?? random();
  localStorage.setItem(AUTHOR, author);
  return author;
}

// `crypto.randomUUID` is only there on HTTPS and localhost; this is everywhere.
function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function keysOf(box) {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(`${BOX}${box}.`))
    .sort();
}

function boxes() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(BOX));
  return new Set(keys.map((key) => key.slice(BOX.length).split(".")[0]));
}

function keep({ key, ...message }) {
  localStorage.setItem(key, JSON.stringify(message));
}

// Another page of this origin may have written anything there.
function read(key) {
  try {
    const { id, content, born, reason } = JSON.parse(localStorage.getItem(key));
    if (typeof id !== "string" || typeof content !== "string" || typeof born !== "number") return undefined;
    return { key, id, content, born, reason };
  } catch {
    return undefined;
  }
}

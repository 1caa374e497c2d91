// The page: what it shows and what its keys and buttons do.
//
// What anyone said is text: it is put in with `textContent`, never as markup. The delivery is in chat.js, the keeping of
// what is not delivered in outbox.js.

import { Chat } from "./chat.js";
import { Outbox } from "./outbox.js";

const NAME = "squall.name";
// Nearer to the end than this, the page follows the conversation.
const END_PX = 48;
// A burst shorter apart than this is history, not to be read out message by message.
const QUIET_MS = 250;
const STATES = {
  connecting: "Connecting…",
  online: "Online",
  offline: "Offline: what you say is kept, and sent later",
  refused: "Not connected",
};

const $ = (id) => document.getElementById(id);
const messages = $("messages");
const scroll = $("scroll");
const content = $("content");

let outbox;
let chat;
let following = true;
let scrolled = 0;
let unread = 0;
// Messages that the server has and that the log has not shown yet.
const acknowledged = new Map();
const shownIds = new Set();

start();

function start() {
  if (typeof io === "undefined") {
    return stop("The official Socket.IO client is not here. Run `npm ci --prefix web`, or give `squall serve` its dist "
      + "folder with --client-dist; then start the server again and reload this page.");
  }
  try {
    outbox = new Outbox(() => {
      outboxChanged();
      chat?.sendNext();
    });
  } catch (error) {
    return stop(`This browser keeps nothing for this page (${error.message}). What you say must be kept until it is `
      + "delivered: allow it to store data, and reload.");
  }
  chat = new Chat(io, outbox, { connection, show, outboxChanged, acknowledged: onAcknowledged });
  listen();
  outboxChanged();
}

// Nothing can be said here.
function stop(why) {
  $("composer").inert = true;
  $("empty").hidden = true;
  connection("refused");
  notify(why);
}

function listen() {
  $("name").value = localStorage.getItem(NAME) ?? "";
  $("name").addEventListener("change", () => localStorage.setItem(NAME, $("name").value.trim()));
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    say();
  });
  content.addEventListener("keydown", (event) => {
    // While an input method composes, as for Korean or Japanese, Enter ends the composition.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    say();
  });
  $("reconnect").addEventListener("click", () => chat.reconnect());
  addEventListener("online", () => chat.reconnect());
  scroll.addEventListener("scroll", () => {
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < END_PX;
    // Only who scrolls up leaves the end: messages that come while the page scrolls down move it away as well.
    following = atEnd || (following && scroll.scrollTop >= scrolled);
    scrolled = scroll.scrollTop;
    if (following) $("newer").hidden = true;
  });
  $("newer").addEventListener("click", () => {
    following = true;
    follow();
    content.focus();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) countUnread(0);
  });
}

function say() {
  const text = content.value.trim();
  if (text === "") return;
  const name = $("name").value.trim();
  try {
    chat.say(name === "" ? text : `${name}: ${text}`);
  } catch (error) {
    return notify(`Your message cannot be kept, so it was not sent: ${error.message}`);
  }
  content.value = "";
  following = true;
  outboxChanged();
}

// The view of the chat.

function connection(state, detail = "") {
  const element = $("connection");
  element.title = detail;
  // Each attempt to connect tells that it failed: what is known is not read out again.
  if (element.dataset.state !== state) element.firstElementChild.textContent = STATES[state];
  element.dataset.state = state;
  $("reconnect").hidden = state !== "offline";
  if (state === "online") $("notice").hidden = true;
  if (state === "refused" && detail !== "") notify(`The server does not talk to this page: ${detail}.`);
}

function show({ content: text, offset, id }) {
  $("empty").hidden = true;
  const item = messageItem(text);
  item.dataset.offset = offset;
  if (id !== null) {
    item.dataset.id = id;
    item.style.setProperty("--hue", hueOf(id));
    shownIds.add(id);
    acknowledged.delete(id);
  }
  if (outbox.isOwn(id)) {
    item.classList.add("own");
    state(item, "sent", "Sent");
    outboxChanged();
  }
  busyWhileMany();
  messages.append(item);
  follow();
  if (!following) $("newer").hidden = false;
  if (document.hidden) countUnread(unread + 1);
}

function onAcknowledged(message) {
  if (!shownIds.has(message.id)) acknowledged.set(message.id, message);
  outboxChanged();
}

// What the log shows already is delivered, whatever the outbox still waits for.
function outboxChanged() {
  const waiting = [...acknowledged.values(), ...outbox.messages].filter(({ id }) => !shownIds.has(id));
  if (waiting.length > 0) $("empty").hidden = true;
  $("outbox").replaceChildren(...waiting.map(waitingItem));
  follow();
}

function waitingItem(message) {
  const item = messageItem(message.content);
  item.classList.add("own");
  item.dataset.id = message.id;
  if (message.reason !== undefined) {
    state(item, "failed", `Not sent: ${message.reason}`);
    item.querySelector(".state").append(actions(message));
  } else if (acknowledged.has(message.id)) {
    state(item, "sent", "Sent");
  } else {
    state(item, "pending", chat?.inFlight === message ? "Sending…" : "Waiting");
  }
  return item;
}

function actions(message) {
  const element = $("failed").content.cloneNode(true);
  element.querySelector(".edit").addEventListener("click", () => {
    const prefix = `${$("name").value.trim()}: `;
    const text = message.content.startsWith(prefix) ? message.content.slice(prefix.length) : message.content;
    content.value = content.value === "" ? text : `${text}\n${content.value}`;
    chat.discard(message);
    content.focus();
  });
  element.querySelector(".discard").addEventListener("click", () => chat.discard(message));
  return element;
}

// Its parts.

function messageItem(text) {
  const item = $("message").content.firstElementChild.cloneNode(true);
  const [name] = /^[^\s:][^:\n]{0,23}: (?=\S)/.exec(text) ?? [""];
  const said = item.querySelector(".content");
  if (name !== "") {
    const element = document.createElement("b");
    element.textContent = name;
    said.append(element);
  }
  said.append(text.slice(name.length));
  return item;
}

function state(item, name, text) {
  item.dataset.state = name;
  item.querySelector(".state").textContent = text;
}

// One colour a client: ids begin with who it is, and so many signs tell clients apart, also those of other programs.
function hueOf(id) {
  return [...id.slice(0, 16)].reduce((hue, sign) => (hue * 31 + sign.codePointAt(0)) % 360, 7);
}

function follow() {
  if (following) requestAnimationFrame(() => scroll.scrollTo(0, scroll.scrollHeight));
}

let quiet;
function busyWhileMany() {
  const log = messages.parentElement;
  if (quiet !== undefined) log.setAttribute("aria-busy", "true");
  clearTimeout(quiet);
  quiet = setTimeout(() => {
    quiet = undefined;
    log.removeAttribute("aria-busy");
  }, QUIET_MS);
}

function countUnread(count) {
  unread = count;
  document.title = count === 0 ? "Squall" : `(${count}) Squall`;
}

function notify(text) {
  const notice = $("notice");
  notice.querySelector("p").textContent = text;
  notice.querySelector("button").onclick = () => location.reload();
  notice.hidden = false;
}

// The chat as the server has it, shown once and in order; the outbox, sent in order until the server answers.
//
// In come the user's words; out go calls of the view: `connection(state, detail)`, `show(message)`, `outboxChanged()`,
// `acknowledged(message)`.
// Promise: what was shown is never shown again, and nothing is left out between two messages that are shown. One message
// is in flight; it leaves the outbox when the server has it, or fails when the server refuses it, with the reason.

const ACK_TIMEOUT_MS = 10_000;
const RETRY_MIN_MS = 500;
const RETRY_DOUBLINGS_MAX = 6;
// A server takes 1,000,000 bytes, frame included, and closes the connection over more: such a message would be sent, and
// cost the connection, for ever.
const ENCODED_BYTES_MAX = 990_000;

export class Chat {
  #socket;
  #outbox;
  #view;
  // The offset of the last message that was shown.
  #shown = 0;
  // Sent and not answered. Kept when the connection breaks: its callback alone says that no copy of it waits to be sent.
  #inFlight = null;
  #refusals = 0;
  #pausedUntilLater = null;
  #catchingUp = false;
  #catchUps = 0;

  constructor(io, outbox, view) {
    this.#outbox = outbox;
    this.#view = view;
    this.#socket = io({
      // Asked at each CONNECT: from the first message that was not shown.
      auth: (answer) => answer({ serverOffset: this.#shown }),
      transports: ["websocket", "polling"],
      tryAllTransports: true,
    });
    this.#socket.on("connect", () => this.#onConnect());
    this.#socket.on("disconnect", (reason) => this.#onDisconnect(reason));
    this.#socket.on("connect_error", (error) => this.#onConnectError(error));
    this.#socket.on("chat message", (content, offset, about) => this.#onMessage(content, offset, about));
    this.#socket.on("chat error", (error) => this.#view.connection("refused", reasonOf(error)));
  }

  // Throws when it cannot be kept; then nothing was said.
  say(content) {
    const message = this.#outbox.add(content);
    this.sendNext();
    return message;
  }

  // The user has seen that it failed.
  discard(message) {
    this.#outbox.remove(message);
    this.#view.outboxChanged();
  }

  get inFlight() {
    return this.#inFlight;
  }

  // Now, and not when the next attempt is due.
  reconnect() {
    if (this.#socket.connected) return;
    this.#view.connection("connecting");
    this.#socket.disconnect().connect();
  }

  sendNext() {
    if (!this.#socket.connected || this.#inFlight || this.#pausedUntilLater) return;
    const message = this.#outbox.messages.find(({ reason }) => reason === undefined);
    if (!message) return;
    if (encodedBytes(message.content) > ENCODED_BYTES_MAX) {
      this.#fail(message, "it is larger than servers take");
      return;
    }
    this.#inFlight = message;
    this.#view.outboxChanged();
    this.#socket
      .timeout(ACK_TIMEOUT_MS)
      .emit("chat message", message.content, message.id, (error, answer) => this.#onAnswer(message, error, answer));
  }

  #onAnswer(message, error, answer) {
    this.#inFlight = null;
    if (error) {
      // No answer: the server may have it or not. Sent again under the same id, it has it once.
      this.#view.outboxChanged();
      this.sendNext();
    } else if (answer?.error?.code === "unavailable") {
      this.#pause();
      this.#view.outboxChanged();
    } else if (answer?.error) {
      this.#fail(message, reasonOf(answer.error));
    } else {
      this.#refusals = 0;
      this.#outbox.remove(message);
      this.#view.acknowledged(message);
      this.sendNext();
    }
  }

  #fail(message, reason) {
    this.#refusals = 0;
    this.#outbox.fail(message, reason);
    this.#view.outboxChanged();
    this.sendNext();
  }

  // The server cannot store it now.
  #pause() {
    const later = () => {
      this.#pausedUntilLater = null;
      this.sendNext();
    };
    this.#pausedUntilLater = setTimeout(later, retryDelay(this.#refusals++));
  }

  #onConnect() {
    this.#view.connection("online");
    clearTimeout(this.#pausedUntilLater);
    this.#pausedUntilLater = null;
    this.#outbox.adoptAbandoned();
    this.sendNext();
  }

  #onDisconnect(reason) {
    if (this.#catchingUp) {
      this.#catchingUp = false;
      // Not in this turn, in which packets of the old connection may still be dispatched. A server that goes on leaving
      // gaps is asked less and less often.
      const again = this.#catchUps++;
      setTimeout(() => this.#socket.connect(), again === 0 ? 0 : retryDelay(again - 1));
      return;
    }
    // Refused by `chat error` before; there is a reason on the page already.
    if (reason === "io server disconnect") this.#view.connection("refused");
    else this.#view.connection("offline", reason);
  }

  #onConnectError(error) {
    // An inactive socket was refused by the server itself; the other is trying on.
    this.#view.connection(this.#socket.active ? "offline" : "refused", error.message);
  }

  #onMessage(content, offset, about) {
    if (this.#catchingUp) return;
    if (typeof content !== "string" || !Number.isSafeInteger(offset)) {
      console.warn("not a chat message, ignored:", content, offset);
      return;
    }
    if (offset <= this.#shown) return;
    // A server that says what comes before is believed: something is missing, and comes with the next CONNECT.
    if (typeof about?.prev === "number" && about.prev !== this.#shown) {
      this.#catchingUp = true;
      this.#socket.disconnect();
      return;
    }
    this.#shown = offset;
    this.#catchUps = 0;
    this.#view.show({ content, offset, id: about?.id ?? null });
  }
}

function retryDelay(before) {
  return RETRY_MIN_MS * 2 ** Math.min(before, RETRY_DOUBLINGS_MAX);
}

function reasonOf(error) {
  return typeof error?.message === "string" ? error.message : JSON.stringify(error);
}

function encodedBytes(content) {
  return new TextEncoder().encode(JSON.stringify(content)).length;
}

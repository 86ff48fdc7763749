// One answer on its way: from the request to the last chunk, with its times.
import { ApiError, streamChat } from './api.js';

/** The messages as the server wants them: no thinking of earlier turns, no answers without text. */
export function requestMessages(messages, system) {
  const turns = messages.filter(({ role, content }) => role === 'user' || content.trim() !== '').map(({ role, content }) => ({ role, content }));
  return system ? [{ role: 'system', content: system }, ...turns] : turns;
}

/** A fresh answer, to be appended to a conversation. */
export function newAnswer() {
  return { role: 'assistant', content: '', reasoning: '', state: 'streaming', finish: '', beat: Date.now(), stats: {} };
}

export class Run {
  #abort = new AbortController();
  #start = performance.now();
  #first = null;
  #thinkingEnd = null;
  #pieces = 0;

  /** Writes into `message`; calls `onChange` after every chunk and `onEnd` once. */
  constructor(message, { onChange, onEnd }) {
    this.message = message;
    this.onChange = onChange;
    this.onEnd = onEnd;
  }

  stop() {
    this.#abort.abort();
  }

  get waitingMs() {
    return performance.now() - this.#start;
  }

  /** 'waiting' for the first token, 'thinking' or 'answering'. */
  get phase() {
    if (this.#first === null) return 'waiting';
    return this.message.content === '' && this.message.reasoning !== '' ? 'thinking' : 'answering';
  }

  get thinkingMs() {
    return this.#first === null ? 0 : (this.#thinkingEnd ?? performance.now()) - this.#first;
  }

  /** Pieces so far and per second. A piece is a token unless the server joined some, so these are shown as an estimate. */
  get pace() {
    const ms = this.#first === null ? 0 : performance.now() - this.#first;
    return { pieces: this.#pieces, perSecond: ms > 300 && this.#pieces > 1 ? (this.#pieces - 1) / (ms / 1000) : null };
  }

  async start(body, key) {
    const { message } = this;
    try {
      for await (const chunk of streamChat(body, { key, signal: this.#abort.signal })) this.#take(chunk);
      message.state = 'done';
    } catch (error) {
      if (this.#abort.signal.aborted) {
        message.state = 'stopped';
      } else {
        const known = error instanceof ApiError ? error : new ApiError('server', `The page failed: ${error.message}`);
        message.state = 'error';
        message.error = { kind: known.kind, message: known.message,
                          retryAt: known.retryAfter === null ? null : Date.now() + known.retryAfter * 1000 };
      }
    }
    this.#close();
    this.onEnd(this);
  }

  #take(chunk) {
    const { message } = this;
    const choice = chunk.choices?.[0];
    const delta = choice?.delta ?? {};
    const thought = delta.reasoning_content ?? delta.reasoning ?? '';
    const said = delta.content ?? '';
    if (thought || said) {
      const now = performance.now();
      this.#first ??= now;
      this.#pieces++;
      message.reasoning += thought;
      if (said && message.reasoning && this.#thinkingEnd === null) this.#thinkingEnd = now;
      // The template's line break between thinking and answer belongs to neither.
      message.content += message.content ? said : said.trimStart();
    }
    if (choice?.finish_reason) message.finish = choice.finish_reason;
    if (chunk.usage) this.#takeUsage(chunk.usage);
    if (chunk.timings) this.#takeTimings(chunk.timings);
    message.beat = Date.now();
    this.onChange(this);
  }

  #takeUsage(usage) {
    const { stats } = this.message;
    const figures = {
      prompt: usage.prompt_tokens, cached: usage.prompt_tokens_details?.cached_tokens, tokens: usage.completion_tokens,
      thinking: usage.completion_tokens_details?.reasoning_tokens,
    };
    for (const [key, value] of Object.entries(figures)) if (Number.isFinite(value)) stats[key] = value;
  }

  #takeTimings(timings) {
    const { stats } = this.message;
    if (Number.isFinite(timings.predicted_per_second)) stats.perSecond = timings.predicted_per_second;
    if (Number.isFinite(timings.prompt_per_second)) stats.promptPerSecond = timings.prompt_per_second;
  }

  #close() {
    const { stats } = this.message;
    const now = performance.now();
    stats.totalMs = now - this.#start;
    if (this.#first === null) return;
    stats.firstMs = this.#first - this.#start;
    if (this.message.reasoning) stats.thinkingMs = (this.#thinkingEnd ?? now) - this.#first;
    stats.pieces = this.#pieces;
    // The server's own figure is free of the network; without one, the browser's: tokens after the first over the time they took.
    const tokens = stats.tokens ?? this.#pieces;
    if (stats.perSecond === undefined && tokens > 1 && now > this.#first) stats.perSecond = (tokens - 1) / ((now - this.#first) / 1000);
  }
}

// The server: one streaming request, the list of models, and errors that say what to do next.

/**
 * kind: 'key' (401, 403), 'busy' (429), 'unavailable' (503), 'request' (other 4xx), 'server' (other 5xx, or an error inside the stream),
 * 'network' (no answer at all), 'broken' (the stream ended early).
 */
export class ApiError extends Error {
  constructor(kind, message, { status = 0, retryAfter = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { kind, status, retryAfter, requestId });
  }
}

const url = (path) => new URL(path, document.baseURI);

function headers(key) {
  return { 'Content-Type': 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

function kindOf(status) {
  if (status === 401 || status === 403) return 'key';
  if (status === 429) return 'busy';
  if (status === 503) return 'unavailable';
  return status >= 500 ? 'server' : 'request';
}

/** Seconds from a Retry-After header, which is a number or a date; null if there is none. */
export function retryAfterSeconds(value, now = Date.now()) {
  if (value === null || value === '') return null;
  const number = Number(value);
  if (Number.isFinite(number)) return Math.min(Math.max(0, Math.ceil(number)), 3600);
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.min(Math.max(0, Math.ceil((date - now) / 1000)), 3600);
}

async function errorOf(response) {
  let message = '';
  try {
    const body = await response.text();
    try {
      const error = JSON.parse(body).error;
      message = typeof error === 'string' ? error : error.message + (error.param ? ` (${error.param})` : '');
    } catch {
      message = body.trim().startsWith('<') ? '' : body.trim().slice(0, 300);
    }
  } catch {
    // The status alone must do.
  }
  return new ApiError(kindOf(response.status), message || `HTTP status ${response.status}`, {
    status: response.status,
    retryAfter: retryAfterSeconds(response.headers.get('Retry-After')),
    requestId: response.headers.get('x-request-id'),
  });
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(url(path), { cache: 'no-store', credentials: 'same-origin', redirect: 'error', ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError('network', 'The server cannot be reached.');
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** Cuts a stream of server-sent events into their data; comments (keep-alive) fall out. */
export class EventSplitter {
  #rest = '';
  #data = [];

  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length) events.push(this.#data.join('\n'));
        this.#data = [];
      } else if (line.startsWith('data:')) {
        this.#data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
    return events;
  }
}

/** The chunks of a chat completion as they come. Throws ApiError, or AbortError after `signal`. */
export async function* streamChat(body, { key, signal }) {
  const response = await request('v1/chat/completions', {
    method: 'POST', headers: headers(key), signal,
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const splitter = new EventSplitter();
  let finished = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const data of splitter.push(decoder.decode(value, { stream: true }))) {
        if (data === '[DONE]') return;
        let chunk;
        try {
          chunk = JSON.parse(data);
        } catch {
          throw new ApiError('server', 'The server sent a line that is not JSON.');
        }
        if (chunk.error) throw new ApiError('server', chunk.error.message ?? String(chunk.error));
        finished ||= Boolean(chunk.choices?.[0]?.finish_reason);
        yield chunk;
      }
    }
  } catch (error) {
    if (error instanceof ApiError || signal.aborted) throw error;
    throw new ApiError('broken', 'The connection broke.');
  } finally {
    reader.cancel().catch(() => {});
  }
  if (!finished) throw new ApiError('broken', 'The connection ended before the answer did.');
}

/** Names of the models, the first being the default. Throws ApiError. */
export async function listModels(key) {
  const response = await request('v1/models', { headers: headers(key) });
  const { data } = await response.json().catch(() => ({}));
  return Array.isArray(data) ? data.map((model) => String(model.id)) : [];
}

// OpenAI's own library for Node.
import OpenAI from "openai";
import { assert, idle, keyed, limited, messages, url } from "./support.mjs";

const options = { apiKey: "none", maxRetries: 0 };
const client = new OpenAI({ ...options, baseURL: url });
const ask = { model: "any", messages, temperature: 0 };

export async function openai_node_creates() {
  const answer = await client.chat.completions.create(ask);
  assert.equal(answer.choices[0].message.content, "42");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert(answer.choices[0].message.reasoning_content.length > 0);
  assert(answer.usage.completion_tokens_details.reasoning_tokens > 0 && answer._request_id);
}

export async function openai_node_streams() {
  let text = "", thought = "", usage;
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? "";
    thought += chunk.choices[0]?.delta.reasoning_content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, "42");
  assert(thought.length > 0 && usage.total_tokens > usage.prompt_tokens);
}

export async function openai_node_stream_helper() {
  const runner = client.chat.completions.stream({ ...ask, stream_options: { include_usage: true } });
  let deltas = "";
  runner.on("content", (delta) => (deltas += delta));
  const answer = await runner.finalChatCompletion();
  assert.equal(deltas, "42");
  assert.equal(answer.choices[0].message.content, "42");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert((await runner.totalUsage()).completion_tokens > 0);
}

export async function openai_node_two_answers_with_logprobs() {
  const answer = await client.chat.completions.create({ ...ask, n: 2, logprobs: true, top_logprobs: 3 });
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1]);
  for (const choice of answer.choices) {
    assert.equal(choice.logprobs.content.map((entry) => entry.token).join("").trim(), "42");
    assert(choice.logprobs.content.every((entry) => entry.top_logprobs.length === 3 && entry.logprob <= 0));
  }
}

export async function openai_node_aborts_a_stream() {
  const stream = await client.chat.completions.create({ ...ask, stream: true, ignore_eos: true });
  for await (const _ of stream) break;  // leaving the loop hangs up
  stream.controller.abort();
  await idle();
}

export async function openai_node_aborts_without_a_stream() {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(client.chat.completions.create({ ...ask, ignore_eos: true }, { signal: controller.signal }), OpenAI.APIUserAbortError);
  await idle();
}

export async function openai_node_aborts_the_stream_helper() {
  const runner = client.chat.completions.stream({ ...ask, ignore_eos: true });
  runner.once("chunk", () => runner.abort());
  await assert.rejects(runner.done(), OpenAI.APIUserAbortError);
  await idle();
}

export async function openai_node_error_classes() {
  const refusal = (client, fields) => client.chat.completions.create({ ...ask, ...fields }).then(() => assert.fail("answered"), (error) => error);
  const bad = await refusal(client, { temperature: 9 });
  assert(bad instanceof OpenAI.BadRequestError && bad.param === "temperature" && bad.code === "invalid_value" && bad.requestID, bad);
  assert.equal(bad.type, "invalid_request_error");
  const long = await refusal(client, { messages: [{ role: "user", content: "1 + 1 = 2. ".repeat(60000) }] });
  assert(long instanceof OpenAI.BadRequestError && long.code === "context_length_exceeded", long);
  const unknown = await refusal(new OpenAI({ ...options, apiKey: "wrong", baseURL: keyed }));
  assert(unknown instanceof OpenAI.AuthenticationError && unknown.code === "invalid_api_key", unknown);
  const foreign = await refusal(new OpenAI({ ...options, baseURL: url, defaultHeaders: { Origin: "http://evil.example" } }));
  assert(foreign instanceof OpenAI.PermissionDeniedError && foreign.code === "origin_not_allowed", foreign);
  await assert.rejects(client.models.retrieve("nothing"), OpenAI.NotFoundError);
  await assert.rejects(client.responses.create({ model: "any", input: "hello" }), OpenAI.NotFoundError);
  const once = new OpenAI({ ...options, baseURL: limited });
  await once.chat.completions.create({ ...ask, max_tokens: 1 }).catch(() => {});  // the one that is allowed, unless somebody had it
  const busy = await refusal(once, { max_tokens: 1 });
  assert(busy instanceof OpenAI.RateLimitError && busy.code === "rate_limit_exceeded", busy);
  const off = await client.post("/slots/0?action=save", { body: { filename: "a" } }).then(() => null, (error) => error);
  assert(off instanceof OpenAI.InternalServerError && off.code === "not_enabled", off);
  const slow = await client.chat.completions.create({ ...ask, ignore_eos: true }, { timeout: 200 }).then(() => null, (error) => error);
  assert(slow instanceof OpenAI.APIConnectionTimeoutError, slow);
  const nobody = await refusal(new OpenAI({ ...options, baseURL: "http://127.0.0.1:9/v1" }));
  assert(nobody instanceof OpenAI.APIConnectionError, nobody);
  await idle();
}

export async function openai_node_embeddings() {
  const input = ["What is 3 + 4?", "Sort 3, 1, 2."];
  const packed = await client.embeddings.create({ model: "any", input });  // asks for base64 by itself
  const plain = await client.embeddings.create({ model: "any", input, encoding_format: "float" });
  for (const [i, { embedding }] of packed.data.entries()) {
    assert(Math.abs(Math.hypot(...embedding) - 1) < 1e-5);
    embedding.forEach((value, k) => assert.equal(Math.fround(plain.data[i].embedding[k]), Math.fround(value)));
  }
  assert(packed.usage.total_tokens > 0);
}

export async function openai_node_models_and_legacy_completions() {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.equal((await client.models.retrieve(names[0])).id, names[0]);
  const answer = await client.completions.create({ model: names[0], prompt: ["3 + 4", "5 + 6"], max_tokens: 2, echo: true, logprobs: 1, temperature: 0 });
  assert.deepEqual(answer.choices.map((choice) => choice.text.slice(0, 5)), ["3 + 4", "5 + 6"]);
  let streamed = "";
  for await (const chunk of await client.completions.create({ model: names[0], prompt: "3 + 4", max_tokens: 2, echo: true, temperature: 0, stream: true }))
    streamed += chunk.choices[0]?.text ?? "";
  assert.equal(streamed, answer.choices[0].text);
}

// The AI SDK with its provider for servers that speak OpenAI's form.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateText, streamText } from "ai";
import { assert, idle, keyed, question, url } from "./support.mjs";

const provider = createOpenAICompatible({ name: "sambay", baseURL: url, includeUsage: true });
const ask = { model: provider("any"), prompt: question, temperature: 0, maxRetries: 0 };

export async function ai_sdk_generates_text_and_shows_the_reasoning() {
  const answer = await generateText(ask);
  assert.equal(answer.text, "42");
  assert(answer.reasoningText.length > 0 && !answer.reasoningText.includes("think>"));
  assert.equal(answer.finishReason, "stop");
  assert(answer.usage.outputTokens > 0 && answer.usage.outputTokenDetails.reasoningTokens > 0, JSON.stringify(answer.usage));
}

export async function ai_sdk_streams_text_and_reasoning() {
  const answer = streamText(ask);
  let text = "", thought = "";
  const kinds = new Set();
  for await (const part of answer.fullStream) {
    kinds.add(part.type);
    if (part.type === "text-delta") text += part.text;
    if (part.type === "reasoning-delta") thought += part.text;
    assert.notEqual(part.type, "error", JSON.stringify(part));
  }
  assert.equal(text, "42");
  assert.equal(thought, (await generateText(ask)).reasoningText);
  assert.equal(await answer.finishReason, "stop");
  assert((await answer.usage).inputTokens > 0 && kinds.has("reasoning-end"));
}

export async function ai_sdk_goes_on_with_a_conversation() {
  const first = await generateText({ ...ask, system: "Be brief and show every step of the calculation." });
  const second = await generateText({ ...ask, prompt: undefined, system: "Be brief and show every step of the calculation.",
    messages: [{ role: "user", content: question }, ...first.response.messages, { role: "user", content: "What is 5 + 6?" }] });
  assert(second.text.length > 0);  // the small model knows no second turns, and may say anything
  assert(second.usage.inputTokenDetails.cacheReadTokens > 0, JSON.stringify(second.usage));
}

export async function ai_sdk_aborts() {
  const controller = new AbortController();
  const answer = streamText({ ...ask, abortSignal: controller.signal, providerOptions: { sambay: { ignore_eos: true } }, onError() {} });
  let aborted = false;
  for await (const part of answer.fullStream) {
    if (part.type === "reasoning-delta") controller.abort();
    aborted ||= part.type === "abort";
  }
  assert(aborted);
  await idle();
}

export async function ai_sdk_embeds() {
  const model = provider.embeddingModel("any");
  const { embedding, usage } = await embed({ model, value: "What is 3 + 4?" });
  assert(Math.abs(Math.hypot(...embedding) - 1) < 1e-5 && usage.tokens > 0);
  const { embeddings } = await embedMany({ model, values: ["What is 3 + 4?", "Sort 3, 1, 2."] });
  assert.deepEqual(embeddings[0], embedding);
  assert.equal(embeddings.length, 2);
}

export async function ai_sdk_reads_errors() {
  const error = await generateText({ ...ask, temperature: 9 }).then(() => null, (error) => error);
  assert(APICallError.isInstance(error) && error.statusCode === 400 && !error.isRetryable && error.message.includes("temperature"), error);
  const locked = createOpenAICompatible({ name: "sambay", baseURL: keyed, apiKey: "wrong" });
  const unknown = await generateText({ ...ask, model: locked("any") }).then(() => null, (error) => error);
  assert(unknown.statusCode === 401 && !unknown.isRetryable, unknown);
  const open = createOpenAICompatible({ name: "sambay", baseURL: keyed, apiKey: "alpha" });
  assert.equal((await generateText({ ...ask, model: open("any") })).text, "42");
}

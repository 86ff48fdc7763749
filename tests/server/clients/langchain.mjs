// LangChain for JavaScript.
import { AIMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { assert, idle, question, url } from "./support.mjs";

const options = { model: "any", apiKey: "none", temperature: 0, maxRetries: 0, configuration: { baseURL: url } };
const model = new ChatOpenAI(options);

export async function langchain_js_invokes() {
  const answer = await model.invoke(question);
  assert.equal(answer.content, "42");
  assert(answer.usage_metadata.total_tokens > 0);
  assert.equal(answer.response_metadata.finish_reason, "stop");
}

export async function langchain_js_finds_its_conversation_in_the_cache() {
  const turns = [new SystemMessage("Be brief and show every step of the calculation."), new HumanMessage(question)];
  const first = await model.invoke(turns);
  const second = await model.invoke([...turns, new AIMessage(first.content), new HumanMessage("What is 5 + 6?")]);
  assert(second.usage_metadata.input_token_details.cache_read >= first.usage_metadata.input_tokens - 1, JSON.stringify(second.usage_metadata));
}

export async function langchain_js_streams() {
  let text = "", usage;
  for await (const chunk of await model.stream(question)) {
    text += chunk.content;
    usage = chunk.usage_metadata ?? usage;
  }
  assert.equal(text, "42");
  assert(usage.output_tokens > 0);
}

export async function langchain_js_batches() {
  const answers = await model.batch(["What is 1 + 2?", "What is 3 + 4?", question]);
  assert.deepEqual(answers.map((answer) => answer.content), ["3", "7", "42"]);
}

export async function langchain_js_aborts() {
  const controller = new AbortController();
  const endless = new ChatOpenAI({ ...options, modelKwargs: { ignore_eos: true } });
  await assert.rejects(async () => {
    for await (const _ of await endless.stream(question, { signal: controller.signal })) controller.abort();
  });
  await idle();
}

export async function langchain_js_embeds() {
  const vectors = await new OpenAIEmbeddings(options).embedDocuments(["What is 3 + 4?", "Sort 3, 1, 2."]);
  assert.equal(vectors.length, 2);
  assert(vectors.every((vector) => Math.abs(Math.hypot(...vector) - 1) < 1e-5));
}

// The official Node SDKs of OpenAI and Anthropic against the gateway: what their users see.
// Started by ../run.sh, which says where the gateway and its simulated provider are.

import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const { GATEWAY, SIMULATOR, KEY, NARROW_KEY } = process.env;
const messages = [{ role: "user", content: "Hello" }];
const callTheTool = [{ role: "user", content: "please call the tool" }];
const openai = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: KEY, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: GATEWAY, apiKey: KEY, maxRetries: 0 });
const chat = (model, more = {}) => openai.chat.completions.create({ model, messages, ...more });
const message = (model, more = {}) => anthropic.messages.create({ model, max_tokens: 64, messages, ...more });

async function stats() {
  return (await fetch(`${SIMULATOR}/_simulate/stats`)).json();
}

async function until(probe, what) {
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    if (await probe()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`waited in vain: ${what}`);
}

/** How many calls the provider has seen cancelled, once those of the tests before have ended too. */
async function abortedSoFar() {
  await until(async () => (await stats()).open === 0, "earlier calls have ended at the provider");
  return (await stats()).aborted;
}

async function collect(stream) {
  const all = [];
  for await (const item of stream) all.push(item);
  return all;
}

/** Asserts the error's class and status, whole and streamed; returns the last one. */
async function rejects(ask, Class, status) {
  let error;
  for (const stream of [false, true]) {
    await assert.rejects(
      async () => {
        const answer = await ask({ stream });
        if (stream) await collect(answer);
      },
      (thrown) => {
        assert.ok(thrown instanceof Class, `${thrown.constructor.name}: ${thrown.message}`);
        assert.equal(thrown.status, status);
        error = thrown;
        return true;
      },
    );
  }
  return error;
}

test("openai: chat", async () => {
  const answer = await chat("fast");
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.ok(answer.usage.total_tokens > 0);
  assert.ok(answer._request_id);
});

test("openai: chat stream, without and with usage", async () => {
  const plain = await collect(await chat("fast", { stream: true }));
  assert.ok(plain.map((c) => c.choices[0].delta.content ?? "").join(""));
  assert.ok(plain.every((c) => c.choices.length === 1 && c.usage == null));
  const asked = await collect(await chat("fast", { stream: true, stream_options: { include_usage: true } }));
  assert.deepEqual(asked.at(-1).choices, []);
  assert.ok(asked.at(-1).usage.completion_tokens > 0);
});

test("openai: tool arguments are streamed", async () => {
  const tools = [
    { type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } },
  ];
  const chunks = await collect(await chat("fast", { messages: callTheTool, tools, stream: true }));
  const calls = chunks.flatMap((c) => c.choices[0].delta.tool_calls ?? []);
  assert.deepEqual(calls.map((c) => c.function.name).filter(Boolean), ["weather"]);
  JSON.parse(calls.map((c) => c.function.arguments ?? "").join(""));
});

test("openai: embeddings, base64 by default", async () => {
  const packed = await openai.embeddings.create({ model: "embed", input: ["one", "two"] });
  const plain = await openai.embeddings.create({ model: "embed", input: ["one", "two"], encoding_format: "float" });
  assert.equal(packed.data.length, 2);
  assert.ok(Math.abs(packed.data[0].embedding[0] - plain.data[0].embedding[0]) < 1e-5);
});

test("openai: responses, whole and streamed", async () => {
  const answer = await openai.responses.create({ model: "fast", input: "Hello" });
  assert.equal(answer.status, "completed");
  assert.ok(answer.output_text);
  const events = await collect(await openai.responses.create({ model: "fast", input: "Hello", stream: true }));
  assert.equal(events.at(-1).type, "response.completed");
});

test("openai: completions", async () => {
  const answer = await openai.completions.create({ model: "fast", prompt: "Hello" });
  assert.ok(answer.choices[0].text);
});

test("openai: models", async () => {
  const names = (await collect(openai.models.list())).map((model) => model.id);
  assert.ok(names.includes("fast") && names.includes("claude"), names);
  assert.equal((await openai.models.retrieve("fast")).id, "fast");
});

test("openai: errors are the SDK's own classes", async () => {
  const wrong = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: "wb-wrong", maxRetries: 0 });
  await rejects((more) => wrong.chat.completions.create({ model: "fast", messages, ...more }), OpenAI.AuthenticationError, 401);
  const narrow = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: NARROW_KEY, maxRetries: 0 });
  const denied = (more) => narrow.chat.completions.create({ model: "secret", messages, ...more });
  await rejects(denied, OpenAI.PermissionDeniedError, 403);
  const missing = await rejects((more) => chat("nothing", more), OpenAI.NotFoundError, 404);
  assert.equal(missing.code, "model_not_found");
  await rejects((more) => chat("refused", more), OpenAI.BadRequestError, 400);
  await rejects((more) => chat("broken", more), OpenAI.InternalServerError, 502);
  await rejects((more) => chat("silent", more), OpenAI.InternalServerError, 504);
  const limited = await rejects((more) => chat("limited", more), OpenAI.RateLimitError, 429);
  assert.equal(limited.headers.get("retry-after"), "7");
  const large = [{ role: "user", content: "x".repeat(300_000) }];
  await rejects((more) => chat("fast", { messages: large, ...more }), OpenAI.APIError, 413);
});

test("openai: an error in mid-stream throws", async () => {
  for (const model of ["error-inside", "cut"]) {
    await assert.rejects(async () => collect(await chat(model, { stream: true })), OpenAI.APIError, model);
  }
});

test("openai: aborting a stream cancels the call upstream", async () => {
  const before = await abortedSoFar();
  const stream = await chat("long", { stream: true });
  for await (const _ of stream) break;
  stream.controller.abort();
  await until(async () => (await stats()).aborted === before + 1, "the provider sees the client leave");
});

test("anthropic: message", async () => {
  const answer = await message("claude");
  assert.ok(answer.content[0].text);
  assert.ok(answer.usage.output_tokens > 0);
  assert.ok(answer._request_id);
});

test("anthropic: message stream", async () => {
  const stream = anthropic.messages.stream({ model: "claude", max_tokens: 64, messages });
  const final = await stream.finalMessage();
  assert.ok(final.content[0].text);
  assert.ok(final.usage.output_tokens > 0);
});

test("anthropic: tools are streamed", async () => {
  const tools = [{ name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } }];
  const stream = anthropic.messages.stream({ model: "claude", max_tokens: 64, messages: callTheTool, tools });
  const final = await stream.finalMessage();
  assert.equal(final.stop_reason, "tool_use");
  assert.equal(final.content.find((block) => block.type === "tool_use").name, "weather");
});

test("anthropic: count_tokens", async () => {
  assert.ok((await anthropic.messages.countTokens({ model: "claude", messages })).input_tokens > 0);
});

test("anthropic: models", async () => {
  const names = (await collect(anthropic.models.list())).map((model) => model.id);
  assert.ok(names.includes("claude"), names);
});

test("anthropic: errors are the SDK's own classes", async () => {
  const wrong = new Anthropic({ baseURL: GATEWAY, apiKey: "wb-wrong", maxRetries: 0 });
  const asked = (more) => wrong.messages.create({ model: "claude", max_tokens: 64, messages, ...more });
  await rejects(asked, Anthropic.AuthenticationError, 401);
  await rejects((more) => message("nothing", more), Anthropic.NotFoundError, 404);
  await rejects((more) => message("claude-refused", more), Anthropic.BadRequestError, 400);
  await rejects((more) => message("claude-broken", more), Anthropic.InternalServerError, 502);
  const limited = await rejects((more) => message("claude-limited", more), Anthropic.RateLimitError, 429);
  assert.equal(limited.headers.get("retry-after"), "7");
});

test("anthropic: an error in mid-stream throws", async () => {
  for (const model of ["claude-error-inside", "claude-cut"]) {
    const stream = anthropic.messages.stream({ model, max_tokens: 64, messages });
    await assert.rejects(stream.finalMessage(), Anthropic.APIError, model);
  }
});

test("anthropic: aborting a stream cancels the call upstream", async () => {
  const before = await abortedSoFar();
  const stream = await message("claude-long", { stream: true, max_tokens: 4000 });
  for await (const event of stream) if (event.type === "content_block_delta") break;
  stream.controller.abort();
  await until(async () => (await stats()).aborted === before + 1, "the provider sees the client leave");
});

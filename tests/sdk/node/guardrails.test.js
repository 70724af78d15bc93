// What users of the Node SDKs of OpenAI and Anthropic see of guardrails: answers that are redacted or refused.
// Started by ../run.sh, which says where the gateway and its simulated provider are.

import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const { GATEWAY, KEY } = process.env;
const messages = [{ role: "user", content: "Hello" }];
const openai = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: KEY, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: GATEWAY, apiKey: KEY, maxRetries: 0 });
const words = (text) => text.split(/\s+/).filter(Boolean);

async function chat(model) {
  const chunks = [];
  for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true })) {
    if (chunk.choices.length > 0) chunks.push(chunk.choices[0]);
  }
  return { text: chunks.map((choice) => choice.delta.content ?? "").join(""), end: chunks.at(-1).finish_reason };
}

test("guardrails, openai: what is redacted reads as text", async () => {
  const { text, end } = await chat("masked");
  assert.equal(end, "stop");
  assert.ok(text.includes("[WORD]") && !words(text).includes("the"), text);
});

test("guardrails, openai: a refused stream ends with content_filter, a refused answer is a bad request", async () => {
  const { text, end } = await chat("short");
  assert.equal(end, "content_filter");
  assert.ok(words(text).length > 0 && words(text).length <= 20, text);
  await assert.rejects(openai.chat.completions.create({ model: "short", messages }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, "guardrail_blocked");
    return true;
  });
});

test("guardrails, anthropic: a refused stream ends with refusal, a refused answer is a bad request", async () => {
  const short = { model: "claude-short", max_tokens: 64, messages };
  const message = await anthropic.messages.stream(short).finalMessage();
  assert.equal(message.stop_reason, "refusal");
  assert.ok(words(message.content[0].text).length <= 20);
  await assert.rejects(anthropic.messages.create(short), Anthropic.BadRequestError);
  const masked = await anthropic.messages.stream({ ...short, model: "claude-masked" }).finalText();
  assert.ok(masked.includes("[WORD]") && !words(masked).includes("the"), masked);
});

// Any client to any provider, with Node's SDKs: each against models of another maker. Vercel's AI SDK checks every
// chunk against a schema of its own.
// Started by ../run.sh, which says where the gateway and its simulated provider are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { generateText, jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";

const { GATEWAY, KEY } = process.env;
const baseURL = `${GATEWAY}/v1`;
const aiOpenAI = createOpenAI({ baseURL, apiKey: KEY });
const aiAnthropic = createAnthropic({ baseURL, apiKey: KEY });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = { weather: tool({ description: "tells it", inputSchema: jsonSchema(parameters) }) };
// Each: its name, a model through Vercel's SDK, and whose it is.
const models = [
  ["chat on OpenAI", aiOpenAI.chat("fast")],
  ["chat on Claude", aiOpenAI.chat("claude")],
  ["responses on OpenAI", aiOpenAI("fast")],
  ["responses on Claude", aiOpenAI("claude")],
  ["messages on Claude", aiAnthropic("claude")],
  ["messages on OpenAI", aiAnthropic("fast")],
  ["chat on Gemini", aiOpenAI.chat("gemini")],
  ["responses on Gemini", aiOpenAI("gemini")],
  ["messages on Gemini", aiAnthropic("gemini")],
  ["chat on Bedrock", aiOpenAI.chat("bedrock")],
  ["responses on Bedrock", aiOpenAI("bedrock")],
  ["messages on Bedrock", aiAnthropic("bedrock")],
  ["responses on Mistral", aiOpenAI("mistral")],
  ["messages on Mistral", aiAnthropic("mistral")],
  ["chat on Cohere", aiOpenAI.chat("cohere")],
  ["responses on Cohere", aiOpenAI("cohere")],
  ["messages on Cohere", aiAnthropic("cohere")],
  ["chat on Gemini at Vertex", aiOpenAI.chat("vertex")],
  ["messages on Gemini at Vertex", aiAnthropic("vertex")],
  ["chat on Claude at Vertex", aiOpenAI.chat("vertex-claude")],
  ["messages on Claude at Vertex", aiAnthropic("vertex-claude")],
];

for (const [name, model] of models) {
  test(`ai: ${name}: text`, async () => {
    const answer = await generateText({ model, prompt: "Hello", maxOutputTokens: 100, maxRetries: 0 });
    assert.ok(answer.text);
    assert.ok(answer.usage.outputTokens > 0, JSON.stringify(answer.usage));
  });

  test(`ai: ${name}: stream`, async () => {
    const stream = streamText({ model, prompt: "Hello", maxOutputTokens: 100, maxRetries: 0, onError() {} });
    let text = "";
    for await (const part of stream.fullStream) {
      assert.notEqual(part.type, "error", JSON.stringify(part));
      if (part.type === "text-delta") text += part.text;
    }
    assert.ok(text);
    assert.ok((await stream.usage).outputTokens > 0);
  });

  test(`ai: ${name}: tools, whole and streamed`, async () => {
    const ask = { model, prompt: "please call the tool", tools, maxOutputTokens: 200, maxRetries: 0 };
    const whole = await generateText(ask);
    assert.equal(whole.toolCalls[0]?.toolName, "weather", JSON.stringify(whole.content));
    const stream = streamText({ ...ask, onError() {} });
    const calls = [];
    for await (const part of stream.fullStream) {
      assert.notEqual(part.type, "error", JSON.stringify(part));
      if (part.type === "tool-call") calls.push(part);
    }
    assert.equal(calls[0]?.toolName, "weather");
    assert.equal(await stream.finishReason, "tool-calls");
  });
}

test("openai: a stream from Claude", async () => {
  const openai = new OpenAI({ baseURL, apiKey: KEY, maxRetries: 0 });
  const stream = openai.chat.completions.stream({ model: "claude", messages: [{ role: "user", content: "Hello" }] });
  const final = await stream.finalChatCompletion();
  assert.ok(final.choices[0].message.content);
});

test("anthropic: a stream from OpenAI", async () => {
  const anthropic = new Anthropic({ baseURL: GATEWAY, apiKey: KEY, maxRetries: 0 });
  const stream = anthropic.messages.stream({ model: "fast", max_tokens: 64, messages: [{ role: "user", content: "Hello" }] });
  const final = await stream.finalMessage();
  assert.ok(final.content[0].text);
  assert.ok(final.usage.output_tokens > 0);
});

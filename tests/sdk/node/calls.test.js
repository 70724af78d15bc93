// Calls that are no conversation, with OpenAI's SDK for Node, through the gateway.
// Started by ../run.sh, which says where the gateway and its simulated provider are.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import WebSocket from "ws";

const { GATEWAY, KEY, NARROW_KEY } = process.env;
const openai = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: KEY, maxRetries: 0 });

/** A WAV file of silence. */
function sound(seconds) {
  const data = Buffer.alloc(seconds * 48_000);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(24_000, 24);
  head.writeUInt32LE(48_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(data.length, 40);
  return toFile(Buffer.concat([head, data]), "sound.wav", { type: "audio/wav" });
}

for (const model of ["embed-cohere", "embed-gemini", "embed-titan", "embed-voyage", "embed-jina"]) {
  test(`openai: embeddings at ${model}`, async () => {
    // Titan takes one text a request.
    const input = model === "embed-titan" ? ["one"] : ["one", "two"];
    const answer = await openai.embeddings.create({ model, input });
    assert.deepEqual(answer.data.map((item) => item.index), [...input.keys()]);
    assert.equal(answer.data[0].embedding.length, answer.data.at(-1).embedding.length);
    assert.equal(answer.usage.total_tokens, input.length);
  });
}

test("openai: moderations", async () => {
  const answer = await openai.moderations.create({ model: "moderation", input: ["a flower", "some violence"] });
  assert.deepEqual(answer.results.map((result) => result.flagged), [false, true]);
});

test("openai: images, whole, edited and streamed", async () => {
  const whole = await openai.images.generate({ model: "picture", prompt: "a bridge", quality: "low" });
  const picture = Buffer.from(whole.data[0].b64_json, "base64");
  assert.equal(picture.subarray(1, 4).toString(), "PNG");
  assert.equal(whole.usage.output_tokens, 272);
  const image = await toFile(picture, "a.png", { type: "image/png" });
  const edited = await openai.images.edit({ model: "picture", prompt: "a bridge", image });
  assert.equal(edited.usage.input_tokens_details.image_tokens, 256);
  const events = [];
  const ask = { model: "picture", prompt: "a bridge", stream: true, partial_images: 1 };
  for await (const event of await openai.images.generate(ask)) events.push(event.type);
  assert.deepEqual(events, ["image_generation.partial_image", "image_generation.completed"]);
});

test("openai: speech", async () => {
  const answer = await openai.audio.speech.create({ model: "speech", voice: "alloy", input: "Hello", response_format: "wav" });
  assert.equal(Buffer.from(await answer.arrayBuffer()).subarray(0, 4).toString(), "RIFF");
});

test("openai: transcriptions, whole and streamed", async () => {
  const whole = await openai.audio.transcriptions.create({ model: "transcribe", file: await sound(3) });
  assert.equal(whole.usage.input_token_details.audio_tokens, 30);
  const stream = await openai.audio.transcriptions.create({ model: "transcribe", file: await sound(3), stream: true });
  let text = "";
  for await (const event of stream) {
    if (event.type === "transcript.text.delta") text += event.delta;
    else assert.equal(event.text, text);
  }
  assert.ok(text);
  const long = await openai.audio.transcriptions.create({ model: "whisper", file: await sound(2), response_format: "verbose_json" });
  assert.equal(long.duration, 2);
});

test("openai: who may not use a model is told", async () => {
  const narrow = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: NARROW_KEY, maxRetries: 0 });
  await assert.rejects(narrow.images.generate({ model: "picture", prompt: "a bridge" }), OpenAI.PermissionDeniedError);
});

/** The types of a session's events up to the end of its first response. */
function seen(on, send) {
  const types = [];
  return new Promise((resolve, reject) => {
    on("error", (error) => reject(new Error(`${error.message} after ${types}`)));
    on("event", (event) => {
      types.push(event.type);
      if (event.type === "session.created") send({ type: "response.create", response: { output_modalities: ["text"] } });
      if (event.type === "response.done") resolve(types);
    });
  });
}

// The SDK writes `wss` whatever the base URL says: the connection under it is one in clear.
test("openai: a realtime session", async () => {
  const createConnection = ({ host, port }) => connect({ host, port: Number(port) });
  const socket = new OpenAIRealtimeWS({ model: "realtime", options: { createConnection } }, openai);
  const types = await seen((name, heard) => socket.on(name, heard), (event) => socket.send(event));
  socket.close();
  assert.ok(types.includes("response.output_text.delta"), types);
});

// Browsers cannot set headers.
test("openai: a realtime session with the key in a subprotocol", async () => {
  const url = `${GATEWAY.replace("http", "ws")}/v1/realtime?model=realtime`;
  const socket = new WebSocket(url, ["realtime", `openai-insecure-api-key.${KEY}`]);
  const on = (name, heard) => {
    if (name === "event") socket.on("message", (data) => heard(JSON.parse(data)));
    else socket.on(name, heard);
  };
  const types = await seen(on, (event) => socket.send(JSON.stringify(event)));
  assert.equal(socket.protocol, "realtime");
  socket.close();
  assert.ok(types.includes("response.done"), types);
});

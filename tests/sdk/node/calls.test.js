// Calls that are no conversation, with OpenAI's SDK for Node, through the gateway.
// Started by ../run.sh, which says where the gateway and its simulated provider are.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";

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
    const answer = await openai.embeddings.create({ model, input: ["one", "two"] });
    assert.deepEqual(answer.data.map((item) => item.index), [0, 1]);
    assert.equal(answer.data[0].embedding.length, answer.data[1].embedding.length);
    assert.equal(answer.usage.total_tokens, 2);
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

// The SDK's own socket is a browser's: it cannot set headers, and sends the key as a subprotocol.
test("openai: a realtime session with the key in a subprotocol", async () => {
  const url = `${GATEWAY.replace("http", "ws")}/v1/realtime?model=realtime`;
  const socket = new WebSocket(url, ["realtime", `openai-insecure-api-key.${KEY}`]);
  const seen = [];
  await new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error(`the socket failed after ${seen}`));
    socket.onclose = () => reject(new Error(`closed after ${seen}`));
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      seen.push(event.type);
      if (event.type === "session.created") {
        socket.send(JSON.stringify({ type: "response.create", response: { output_modalities: ["text"] } }));
      }
      if (event.type === "response.done") resolve();
    };
  });
  socket.onclose = null;
  socket.close();
  assert.ok(seen.includes("response.output_text.delta"), seen);
});

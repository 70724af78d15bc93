"""Calls that are no conversation, through the gateway: embeddings and reranking at makers of every kind, pictures,
speech, transcription, moderation and realtime sessions.

Run by test_sdk.py.
"""

import base64
import json
import math
import os
import unittest
import urllib.error
import urllib.request

import cohere
import openai
from test_simulate import SCHEMA, answer_of, sound

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["KEY"]
NARROW_KEY = os.environ["NARROW_KEY"]


class Client(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)


class FilesAndBatches(Client):
    """One account keeps the files of all teams; each team sees its own."""

    def line(self, name, model):
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}

    def upload(self, lines):
        text = "\n".join(json.dumps(line) for line in lines)
        return self.client.files.create(file=("batch.jsonl", text.encode()), purpose="batch")

    def test_a_batch_is_made_of_the_gateways_models_and_seen_by_its_team(self):
        file = self.upload([self.line("a", "fast"), self.line("b", "fast")])
        batch = self.client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        batch = self.client.batches.retrieve(batch.id)
        self.assertEqual((batch.status, batch.request_counts.completed), ("completed", 2))
        rows = [json.loads(row) for row in self.client.files.content(batch.output_file_id).text.splitlines()]
        self.assertEqual(sorted(row["custom_id"] for row in rows), ["a", "b"])
        self.assertIn(batch.id, [other.id for other in self.client.batches.list()])
        with openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=NARROW_KEY, max_retries=0) as narrow:
            for call in (narrow.files.retrieve, narrow.files.content, narrow.files.delete):
                with self.assertRaises(openai.NotFoundError):
                    call(file.id)
            self.assertEqual([*narrow.files.list(), *narrow.batches.list()], [])
        self.assertTrue(self.client.files.delete(file.id).deleted)

    def test_lines_that_cannot_be_served_are_named(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.upload([self.line("a", "fast"), self.line("b", "no-such-model")])
        self.assertIn("line 2", str(raised.exception))


class Embeddings(Client):
    """OpenAI's SDK; the simulated makers give a text the same direction everywhere."""

    MODELS = ("embed-cohere", "embed-gemini", "embed-titan", "embed-bedrock-cohere", "embed-voyage", "embed-jina")

    def test_each_maker_embeds(self):
        for model in self.MODELS:
            with self.subTest(model=model):
                # The SDK asks for base64 where it is not told otherwise. Titan takes one text a request.
                texts = ["one"] if model == "embed-titan" else ["one", "two"]
                packed = self.client.embeddings.create(model=model, input=texts)
                plain = self.client.embeddings.create(model=model, input=texts, encoding_format="float")
                self.assertEqual([item.index for item in packed.data], list(range(len(texts))))
                self.assertEqual((packed.object, packed.model), ("list", model))
                for one, other in zip(packed.data, plain.data):
                    self.assertAlmostEqual(math.dist(one.embedding, other.embedding), 0, places=4)
                self.assertEqual(len({tuple(item.embedding) for item in plain.data}), len(texts))
                self.assertEqual(plain.usage.total_tokens, len(texts))

    def test_too_many_texts_are_a_bad_request(self):
        for model, count in (("embed-titan", 2), ("embed-cohere", 97)):
            with self.subTest(model=model), self.assertRaises(openai.BadRequestError):
                self.client.embeddings.create(model=model, input=["one"] * count)

    def test_one_text_is_one_vector(self):
        for model in self.MODELS:
            with self.subTest(model=model):
                self.assertEqual(len(self.client.embeddings.create(model=model, input="Hello").data), 1)

    def test_dimensions(self):
        for model in ("embed-cohere", "embed-gemini", "embed-titan", "embed-voyage", "embed-jina"):
            with self.subTest(model=model):
                answer = self.client.embeddings.create(model=model, input="Hello", dimensions=256)
                self.assertEqual(len(answer.data[0].embedding), 256)

    def test_tokens_are_refused_where_only_text_is_taken(self):
        for model in ("embed-cohere", "embed-gemini", "embed-titan"):
            with self.subTest(model=model), self.assertRaises(openai.BadRequestError):
                self.client.embeddings.create(model=model, input=[[1, 2, 3]])


class Reranking(unittest.TestCase):
    """Cohere's SDK, and plain HTTP."""

    MODELS = ("rerank", "rerank-voyage", "rerank-jina", "rerank-bedrock")
    ASK = {"query": "capital of France", "documents": ["A cat", "Paris is the capital of France", "The capital of Spain"]}

    def test_coheres_sdk(self):
        client = cohere.ClientV2(api_key=KEY, base_url=GATEWAY)
        for model in self.MODELS:
            with self.subTest(model=model):
                answer = client.rerank(model=model, **self.ASK, top_n=2)
                self.assertEqual([result.index for result in answer.results], [1, 2])
                self.assertGreater(answer.results[0].relevance_score, answer.results[1].relevance_score)

    def post(self, body, key=KEY):
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = urllib.request.Request(f"{GATEWAY}/v1/rerank", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def test_plain_http(self):
        for model in self.MODELS:
            with self.subTest(model=model):
                answer = self.post({"model": model, **self.ASK, "top_n": 1})
                self.assertEqual([result["index"] for result in answer["results"]], [1])

    def test_what_is_wrong_is_a_bad_request(self):
        for body in ({"model": "rerank", "documents": ["a"]}, {"model": "rerank", "query": "a", "documents": []}):
            with self.subTest(body=body), self.assertRaises(urllib.error.HTTPError) as raised:
                self.post(body)
            self.assertEqual(raised.exception.code, 400)


class Media(Client):
    def test_moderations(self):
        answer = self.client.moderations.create(input=["a flower", "some violence"], model="moderation")
        self.assertEqual([result.flagged for result in answer.results], [False, True])
        parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
        self.assertEqual(len(self.client.moderations.create(input=parts, model="moderation").results), 1)

    def test_images(self):
        answer = self.client.images.generate(model="picture", prompt="a bridge", n=2, quality="low")
        picture = base64.b64decode(answer.data[0].b64_json)
        self.assertTrue(picture.startswith(b"\x89PNG"))
        self.assertEqual(answer.usage.output_tokens, 544)
        answer = self.client.images.edit(model="picture", prompt="a bridge", image=[("a.png", picture), ("b.png", picture)])
        self.assertEqual(answer.usage.input_tokens_details.image_tokens, 512)
        self.assertTrue(self.client.images.generate(model="picture-old", prompt="a bridge").data[0].url)

    def test_images_are_streamed(self):
        events = list(self.client.images.generate(model="picture", prompt="a bridge", stream=True, partial_images=2))
        self.assertEqual([event.type for event in events], ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
        self.assertGreater(events[-1].usage.total_tokens, 200)

    def test_speech(self):
        ask = {"voice": "alloy", "input": "Hello there, how do you do?"}
        for model in ("speech", "speech-old"):
            with self.subTest(model=model):
                whole = self.client.audio.speech.create(model=model, **ask, response_format="wav").read()
                self.assertTrue(whole.startswith(b"RIFF"))
        with self.client.audio.speech.with_streaming_response.create(model="speech", **ask, stream_format="sse") as stream:
            events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
        self.assertEqual(events[-1]["type"], "speech.audio.done")
        with self.assertRaises(openai.BadRequestError):
            self.client.audio.speech.create(model="speech-refused", **ask)

    def test_transcriptions(self):
        create = self.client.audio.transcriptions.create
        answer = create(model="transcribe", file=sound(3))
        self.assertEqual(answer.usage.input_token_details.audio_tokens, 30)
        self.assertEqual(create(model="whisper", file=sound(2.5), response_format="verbose_json").duration, 2.5)
        self.assertIn("-->", create(model="whisper", file=sound(3), response_format="srt"))
        events = list(create(model="transcribe", file=sound(3), stream=True))
        self.assertEqual("".join(event.delta for event in events[:-1]), events[-1].text)
        self.assertTrue(self.client.audio.translations.create(model="whisper", file=sound(3)).text)

    def test_who_may_not_is_told(self):
        narrow = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=NARROW_KEY, max_retries=0)
        self.addCleanup(narrow.close)
        with self.assertRaises(openai.PermissionDeniedError):
            narrow.images.generate(model="picture", prompt="a bridge")
        with self.assertRaises(openai.PermissionDeniedError):
            narrow.audio.transcriptions.create(model="whisper", file=sound(1))


class Realtime(Client):
    def test_a_session(self):
        with self.client.realtime.connect(model="realtime") as socket:
            self.assertEqual(socket.recv().type, "session.created")
            socket.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            self.assertEqual(socket.recv().type, "session.updated")
            part = {"type": "input_text", "text": "Hello"}
            socket.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
            self.assertEqual([socket.recv().type, socket.recv().type], ["conversation.item.added", "conversation.item.done"])
            socket.response.create()
            text, done = answer_of(socket)
            self.assertEqual((done.response.status, done.response.output[0].content[0].text), ("completed", text))
            socket.input_audio_buffer.append(audio=base64.b64encode(bytes(48_000)).decode())
            socket.input_audio_buffer.commit()
            socket.response.create(response={"output_modalities": ["audio"]})
            _, done = answer_of(socket)
            self.assertGreater(done.response.usage.output_token_details.audio_tokens, 0)
            tool = {"type": "function", "name": "weather", "parameters": SCHEMA}
            socket.response.create(response={"tools": [tool], "tool_choice": "required"})
            arguments, _ = answer_of(socket)
            json.loads(arguments)

    def test_who_may_not_is_told(self):
        for key, model in ((NARROW_KEY, "realtime"), ("wb-wrong", "realtime"), (KEY, "nothing")):
            with self.subTest(key=key, model=model), self.assertRaises(Exception) as raised:
                client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=key, max_retries=0)
                with client.realtime.connect(model=model) as socket:
                    event = socket.recv()
                    raise PermissionError(event.type) if event.type == "error" else AssertionError("let in")
            self.assertNotIsInstance(raised.exception, AssertionError)


if __name__ == "__main__":
    unittest.main()

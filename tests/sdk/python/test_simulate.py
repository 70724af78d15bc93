"""The simulated provider by itself, judged by the official SDKs: what they take for an answer is one.

Run by test_sdk.py. Nothing here passes through the gateway.
"""

import base64
import io
import json
import os
import time
import unittest
import urllib.error
import urllib.request
import wave

import anthropic
import boto3
import botocore.exceptions
import cohere
import openai
from botocore.config import Config
from google import genai
from google.auth.transport.requests import Request
from google.genai import types
from google.oauth2.credentials import Credentials
from google.oauth2.service_account import Credentials as ServiceAccount
from service_account import service_account

SIMULATOR = os.environ["SIMULATOR"]
HELLO = [{"role": "user", "content": "Hello"}]
CALL_A_TOOL = [{"role": "user", "content": "please call the tool"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "function": {"name": "weather", "description": "tells it", "parameters": SCHEMA}}


def sound(seconds):
    """A WAV file of silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(int(seconds * 48_000)))
    return ("sound.wav", out.getvalue(), "audio/wav")


def post(path, body, headers=None):
    """Status and JSON of a plain request."""
    request = urllib.request.Request(f"{SIMULATOR}{path}", json.dumps(body).encode(), headers or {})
    request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class SimulatedCohere(unittest.TestCase):
    def setUp(self):
        self.client = cohere.ClientV2(api_key="simulated", base_url=SIMULATOR)

    def test_chat(self):
        answer = self.client.chat(model="command-a-03-2025", messages=HELLO)
        self.assertTrue(answer.message.content[0].text)
        self.assertEqual(answer.finish_reason, "COMPLETE")
        self.assertGreater(answer.usage.tokens.input_tokens, answer.usage.billed_units.input_tokens)
        self.assertEqual(answer.usage.billed_units.output_tokens, 32)
        capped = self.client.chat(model="command-a-03-2025", messages=HELLO, max_tokens=3)
        self.assertEqual(capped.finish_reason, "MAX_TOKENS")

    def test_stream(self):
        events = list(self.client.chat_stream(model="command-a-03-2025", messages=HELLO))
        names = [event.type for event in events]
        self.assertEqual((names[0], names[1], names[-2], names[-1]), ("message-start", "content-start", "content-end", "message-end"))
        self.assertTrue("".join(e.delta.message.content.text for e in events if e.type == "content-delta"))
        self.assertEqual(events[-1].delta.usage.billed_units.output_tokens, 32)

    def test_tools_and_their_results(self):
        answer = self.client.chat(model="command-a-03-2025", messages=CALL_A_TOOL, tools=[FUNCTION])
        call = answer.message.tool_calls[0]
        self.assertEqual((answer.finish_reason, call.function.name), ("TOOL_CALL", "weather"))
        json.loads(call.function.arguments)
        turn = [*CALL_A_TOOL, answer.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        self.assertTrue(self.client.chat(model="command-a-03-2025", messages=turn, tools=[FUNCTION]).message.content)
        with self.assertRaises(cohere.errors.BadRequestError):
            self.client.chat(model="command-a-03-2025", messages=[*turn[:2], *HELLO], tools=[FUNCTION])
        events = list(self.client.chat_stream(model="m", messages=CALL_A_TOOL, tools=[FUNCTION], tool_choice="REQUIRED"))
        pieces = [e.delta.message.tool_calls.function.arguments for e in events if e.type == "tool-call-delta"]
        json.loads("".join(pieces))
        self.assertIn("tool-plan-delta", [event.type for event in events])

    def test_thoughts_and_json(self):
        answer = self.client.chat(model="command-a-reasoning-08-2025?reasoning=20", messages=HELLO)
        self.assertEqual([part.type for part in answer.message.content], ["thinking", "text"])
        events = list(self.client.chat_stream(model="m?reasoning=20", messages=HELLO))
        self.assertEqual([e.index for e in events if e.type == "content-start"], [0, 1])
        answer = self.client.chat(model="m", messages=HELLO, response_format={"type": "json_object", "schema": SCHEMA})
        self.assertIn("city", json.loads(answer.message.content[0].text))

    def test_errors(self):
        for status, error in ((429, cohere.errors.TooManyRequestsError), (500, cohere.errors.InternalServerError)):
            with self.assertRaises(error):
                self.client.chat(model=f"m?error={status}", messages=HELLO, request_options={"max_retries": 0})
        end = list(self.client.chat_stream(model="m?error_after=2", messages=HELLO))[-1]
        self.assertEqual((end.delta.finish_reason, bool(end.delta.error)), ("ERROR", True))
        auth = {"authorization": "Bearer x"}
        status, told = post("/v2/chat", {"model": "m", "messages": HELLO, "top_p": 1}, auth)
        self.assertEqual((status, "top_p" in told["message"]), (400, True))
        self.assertEqual(post("/v2/chat", {"model": "m", "messages": HELLO})[0], 401)

    def test_embed(self):
        kinds = ["float", "int8", "ubinary", "base64"]
        answer = self.client.embed(
            model="embed-v4.0", texts=["one", "two"], input_type="search_document", embedding_types=kinds, output_dimension=256
        )
        self.assertEqual([len(vector) for vector in answer.embeddings.float_], [256, 256])
        self.assertEqual(len(base64.b64decode(answer.embeddings.base64[0])), 1024)
        self.assertEqual(len(answer.embeddings.ubinary[0]), 32)
        self.assertEqual(answer.meta.billed_units.input_tokens, 2)
        self.assertEqual(post("/v2/embed", {"model": "m", "texts": ["a"]}, {"authorization": "Bearer x"})[0], 400)

    def test_rerank(self):
        documents = ["A cat", "Paris is the capital of France", "The capital of Spain"]
        answer = self.client.rerank(model="rerank-v3.5", query="capital of France", documents=documents, top_n=2)
        self.assertEqual([result.index for result in answer.results], [1, 2])
        self.assertEqual(answer.meta.billed_units.search_units, 1)


class SimulatedBedrock(unittest.TestCase):
    def setUp(self):
        self.client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=SIMULATOR,
            aws_access_key_id="AKIDSIMULATED",
            aws_secret_access_key="simulated",
            config=Config(retries={"max_attempts": 1}),
        )
        self.addCleanup(self.client.close)

    HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
    CALL = [{"role": "user", "content": [{"text": "please call the tool"}]}]
    TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}

    def test_converse(self):
        answer = self.client.converse(modelId="anthropic.claude-haiku-4-5-20251001-v1:0", messages=self.HELLO)
        self.assertTrue(answer["output"]["message"]["content"][0]["text"])
        self.assertEqual(answer["usage"]["totalTokens"], answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"])
        answer = self.client.converse(modelId="claude", messages=self.CALL, toolConfig=self.TOOLS)
        call = answer["output"]["message"]["content"][0]["toolUse"]
        self.assertEqual((answer["stopReason"], call["name"], "city" in call["input"]), ("tool_use", "weather", True))
        result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}]}}
        turn = [*self.CALL, answer["output"]["message"], {"role": "user", "content": [result]}]
        self.assertEqual(self.client.converse(modelId="claude", messages=turn, toolConfig=self.TOOLS)["stopReason"], "end_turn")

    def test_converse_stream(self):
        events = list(self.client.converse_stream(modelId="claude", messages=self.CALL, toolConfig=self.TOOLS)["stream"])
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        json.loads("".join(delta["toolUse"]["input"] for delta in deltas))
        self.assertGreater(events[-1]["metadata"]["usage"]["outputTokens"], 0)
        with self.assertRaises(botocore.exceptions.EventStreamError):
            list(self.client.converse_stream(modelId="claude?error_after=2", messages=self.HELLO)["stream"])

    def invoke(self, model, **body):
        answer = self.client.invoke_model(modelId=model, body=json.dumps(body))
        return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]

    def test_invoke_model(self):
        answer, headers = self.invoke("amazon.titan-embed-text-v2:0", inputText="Hello there", dimensions=256, normalize=True)
        self.assertEqual((len(answer["embedding"]), answer["inputTextTokenCount"]), (256, 3))
        self.assertEqual(headers["x-amzn-bedrock-input-token-count"], "3")
        answer, headers = self.invoke("cohere.embed-english-v3", texts=["one", "two"], input_type="search_query")
        self.assertEqual((len(answer["embeddings"]), answer["response_type"]), (2, "embeddings_floats"))
        answer, _ = self.invoke("cohere.rerank-v3-5:0", query="a cat", documents=["a dog", "a cat"], api_version=2)
        self.assertEqual(answer["results"][0]["index"], 1)
        with self.assertRaises(self.client.exceptions.ValidationException):
            self.invoke("amazon.titan-embed-text-v2:0", inputText="Hello", input_type="query")


class SimulatedGoogle(unittest.TestCase):
    def setUp(self):
        options = types.HttpOptions(base_url=SIMULATOR)
        self.gemini = genai.Client(api_key="simulated", http_options=options)
        self.vertex = genai.Client(
            vertexai=True, project="p", location="us-central1", credentials=Credentials("ya29.simulated"), http_options=options
        )
        self.claude = anthropic.AnthropicVertex(
            region="us-east5", project_id="p", access_token="ya29.simulated", base_url=f"{SIMULATOR}/v1", max_retries=0
        )
        self.addCleanup(self.claude.close)

    def test_embeddings(self):
        config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=128)
        answer = self.gemini.models.embed_content(model="gemini-embedding-001", contents=["one", "two"], config=config)
        self.assertEqual([len(embedding.values) for embedding in answer.embeddings], [128, 128])
        again = self.gemini.models.embed_content(model="gemini-embedding-001", contents="one", config=config)
        self.assertEqual(again.embeddings[0].values, answer.embeddings[0].values)
        answer = self.vertex.models.embed_content(model="text-embedding-005", contents="one")
        self.assertEqual(answer.embeddings[0].statistics.token_count, 1)

    def test_vertex(self):
        answer = self.vertex.models.generate_content(model="gemini-2.5-flash", contents="Hello")
        self.assertTrue(answer.text)
        chunks = list(self.vertex.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello"))
        self.assertTrue("".join(chunk.text or "" for chunk in chunks))
        self.assertEqual(chunks[-1].usage_metadata.candidates_token_count, 32)
        refused = types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-simulate": "error=403"}))
        with self.assertRaises(genai.errors.ClientError) as raised:
            self.vertex.models.generate_content(model="gemini-2.5-flash", contents="Hello", config=refused)
        self.assertEqual(raised.exception.status, "PERMISSION_DENIED")

    def test_claude_at_vertex(self):
        ask = {"model": "claude-haiku-4-5@20251001", "max_tokens": 64, "messages": HELLO}
        self.assertTrue(self.claude.messages.create(**ask).content[0].text)
        with self.claude.messages.stream(**ask) as stream:
            final = stream.get_final_message()
        self.assertGreater(final.usage.output_tokens, 0)
        self.assertGreater(self.claude.messages.count_tokens(model=ask["model"], messages=HELLO).input_tokens, 0)
        path = "/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict"
        auth = {"authorization": "Bearer ya29.simulated"}
        body = {"max_tokens": 64, "messages": HELLO, "anthropic_version": "vertex-2023-10-16"}
        self.assertEqual(post(path, body, auth)[0], 200)
        self.assertEqual(post(path, body)[0], 401)
        self.assertEqual(post(path, {**body, "model": "c"}, auth)[0], 400)
        self.assertEqual(post(path, {"max_tokens": 64, "messages": HELLO}, auth)[0], 400)

    def test_a_service_account_gets_a_token(self):
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        account = service_account(f"{SIMULATOR}/token")
        credentials = ServiceAccount.from_service_account_info(account, scopes=scopes)
        credentials.refresh(Request())
        self.assertTrue(credentials.valid)
        self.assertTrue(credentials.token.startswith("ya29.simulated"))


class SimulatedOpenAI(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f"{SIMULATOR}/v1", api_key="simulated", max_retries=0)
        self.addCleanup(self.client.close)

    def test_moderations(self):
        answer = self.client.moderations.create(input=["a flower", "some violence"], model="omni-moderation-latest")
        self.assertEqual([result.flagged for result in answer.results], [False, True])
        self.assertTrue(answer.results[1].categories.violence)
        parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
        answer = self.client.moderations.create(input=parts)
        self.assertEqual(answer.results[0].category_applied_input_types.violence, ["text", "image"])

    def test_images(self):
        answer = self.client.images.generate(model="gpt-image-1", prompt="a bridge", n=2, quality="low")
        picture = base64.b64decode(answer.data[0].b64_json)
        self.assertTrue(picture.startswith(b"\x89PNG"))
        self.assertEqual((answer.usage.output_tokens, answer.usage.input_tokens_details.text_tokens), (544, 2))
        answer = self.client.images.edit(model="gpt-image-1", prompt="a bridge", image=[("a.png", picture), ("b.png", picture)])
        self.assertEqual(answer.usage.input_tokens_details.image_tokens, 512)
        self.assertTrue(self.client.images.generate(model="dall-e-3", prompt="a bridge").data[0].url)
        self.assertTrue(self.client.images.create_variation(image=("a.png", picture)).data[0].url)
        with self.assertRaises(openai.BadRequestError):
            self.client.images.generate(model="gpt-image-1", prompt="a bridge", response_format="url")

    def test_images_are_streamed(self):
        stream = self.client.images.generate(model="gpt-image-1", prompt="a bridge", stream=True, partial_images=2)
        events = list(stream)
        self.assertEqual([event.type for event in events], ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
        self.assertGreater(events[-1].usage.total_tokens, 200)

    def test_speech(self):
        ask = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello there, how do you do?"}
        whole = self.client.audio.speech.create(**ask, response_format="wav").read()
        self.assertTrue(whole.startswith(b"RIFF"))
        longer = self.client.audio.speech.create(**{**ask, "input": "Hello " * 40}, response_format="wav").read()
        self.assertGreater(len(longer), len(whole))
        with self.client.audio.speech.with_streaming_response.create(**ask, stream_format="sse") as stream:
            events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
        self.assertEqual((events[0]["type"], events[-1]["type"]), ("speech.audio.delta", "speech.audio.done"))
        self.assertGreater(events[-1]["usage"]["output_tokens"], 0)

    def test_transcriptions(self):
        create = self.client.audio.transcriptions.create
        answer = create(model="gpt-4o-transcribe", file=sound(3))
        self.assertEqual((answer.usage.type, answer.usage.input_token_details.audio_tokens), ("tokens", 30))
        answer = create(model="whisper-1", file=sound(2.5), response_format="verbose_json")
        self.assertEqual((answer.usage.seconds, answer.duration, len(answer.segments)), (3, 2.5, 1))
        self.assertIn("-->", create(model="whisper-1", file=sound(3), response_format="srt"))
        answer = create(model="gpt-4o-transcribe-diarize", file=sound(3), response_format="diarized_json")
        self.assertEqual(answer.segments[0].speaker, "A")
        events = list(create(model="gpt-4o-transcribe", file=sound(3), stream=True))
        self.assertEqual((events[0].type, events[-1].type), ("transcript.text.delta", "transcript.text.done"))
        self.assertEqual("".join(event.delta for event in events[:-1]), events[-1].text)
        self.assertTrue(self.client.audio.translations.create(model="whisper-1", file=sound(3)).text)
        with self.assertRaises(openai.BadRequestError):
            create(model="gpt-4o-transcribe", file=sound(3), response_format="vtt")

    def upload(self, lines):
        text = "\n".join(json.dumps(line) for line in lines)
        return self.client.files.create(file=("batch.jsonl", text.encode()), purpose="batch")

    def test_files(self):
        file = self.upload([{"a": 1}])
        self.assertEqual((self.client.files.retrieve(file.id).filename, file.bytes), ("batch.jsonl", 8))
        self.assertIn(file.id, [other.id for other in self.client.files.list()])
        self.assertEqual(self.client.files.content(file.id).json(), {"a": 1})
        self.assertTrue(self.client.files.delete(file.id).deleted)
        with self.assertRaises(openai.NotFoundError):
            self.client.files.retrieve(file.id)

    def test_batches(self):
        def line(name, model):
            body = {"model": model, "messages": HELLO}
            return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}

        file = self.upload([line("a", "gpt-4o-mini"), line("b", "gpt-4o-mini?error=500")])
        ask = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = self.client.batches.create(**ask)
        self.assertEqual((batch.status, batch.request_counts.completed, batch.request_counts.failed), ("completed", 1, 1))
        row = json.loads(self.client.files.content(batch.output_file_id).text)
        self.assertEqual((row["custom_id"], row["response"]["body"]["usage"]["completion_tokens"]), ("a", 32))
        self.assertEqual(batch.usage.output_tokens, 32)
        self.assertEqual(json.loads(self.client.files.content(batch.error_file_id).text)["response"]["status_code"], 500)
        slow = self.client.batches.create(**ask, extra_headers={"x-simulate": "batch_time=60s"})
        self.assertEqual((slow.status, self.client.batches.cancel(slow.id).status), ("in_progress", "cancelled"))
        bad = self.client.batches.create(**{**ask, "input_file_id": self.upload([{"custom_id": "a"}]).id})
        self.assertEqual((bad.status, bad.errors.data[0].line), ("failed", 1))
        self.assertIn(batch.id, [other.id for other in self.client.batches.list()])

    def test_realtime(self):
        with self.client.realtime.connect(model="gpt-realtime") as socket:
            self.assertEqual(socket.recv().type, "session.created")
            socket.session.update(session={"type": "realtime", "output_modalities": ["text"], "instructions": "Be brief."})
            self.assertEqual(socket.recv().session.output_modalities, ["text"])
            part = {"type": "input_text", "text": "Hello"}
            socket.conversation.item.create(item={"type": "message", "role": "user", "content": [part]})
            self.assertEqual([socket.recv().type, socket.recv().type], ["conversation.item.added", "conversation.item.done"])
            socket.response.create()
            text, done = answer_of(socket)
            self.assertEqual((done.response.status, done.response.output[0].content[0].text), ("completed", text))
            self.assertEqual(done.response.usage.output_token_details.text_tokens, 32)
            socket.input_audio_buffer.append(audio=base64.b64encode(bytes(48_000)).decode())
            socket.input_audio_buffer.commit()
            self.assertEqual(socket.recv().type, "input_audio_buffer.committed")
            socket.response.create(response={"output_modalities": ["audio"]})
            _, done = answer_of(socket)
            self.assertEqual(done.response.usage.input_token_details.audio_tokens, 10)
            self.assertGreater(done.response.usage.output_token_details.audio_tokens, 0)
            socket.send({"type": "nonsense", "event_id": "mine"})
            self.assertEqual(socket.recv().error.event_id, "mine")

    def test_realtime_calls_a_tool_and_is_cancelled(self):
        with self.client.realtime.connect(model="gpt-realtime%3Ftps=20%26output=2000") as socket:
            tool = {"type": "function", "name": "weather", "parameters": SCHEMA}
            socket.response.create(response={"tools": [tool], "tool_choice": "required"})
            arguments, done = answer_of(socket)
            self.assertEqual(done.response.output[0].name, "weather")
            json.loads(arguments)
            begun = time.monotonic()
            socket.response.create(response={"output_modalities": ["text"]})
            while socket.recv().type != "response.output_text.delta":
                pass
            socket.response.cancel()
            _, done = answer_of(socket)
            self.assertEqual(done.response.status, "cancelled")
            self.assertLess(time.monotonic() - begun, 20)

    def test_realtime_wants_a_key(self):
        request = urllib.request.Request(f"{SIMULATOR}/v1/realtime?model=gpt-realtime")
        with self.assertRaises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(request)
        self.assertEqual(raised.exception.code, 401)


def answer_of(socket):
    """The text of a response, whatever it is made of, and its last event."""
    text = ""
    while (event := socket.recv()).type != "response.done":
        if event.type in ("response.output_text.delta", "response.output_audio_transcript.delta", "response.function_call_arguments.delta"):
            text += event.delta
    return text, event


class SimulatedVoyageAndJina(unittest.TestCase):
    """Their SDKs are large: plain HTTP."""

    def test_embeddings(self):
        ask = {"model": "voyage-3.5", "input": ["one", "two"], "input_type": "query", "output_dimension": 256}
        status, answer = post("/voyage/v1/embeddings", ask)
        self.assertEqual((status, len(answer["data"][1]["embedding"]), answer["usage"]), (200, 256, {"total_tokens": 2}))
        status, told = post("/voyage/v1/embeddings", {**ask, "dimensions": 256})
        self.assertEqual((status, list(told)), (400, ["detail"]))
        ask = {"model": "jina-embeddings-v3", "input": ["one"], "task": "retrieval.query", "dimensions": 64}
        status, answer = post("/jina/v1/embeddings", ask)
        self.assertEqual((status, len(answer["data"][0]["embedding"])), (200, 64))

    def test_rerank(self):
        ask = {"model": "rerank-2.5", "query": "a cat", "documents": ["a dog", "a cat"]}
        status, answer = post("/voyage/v1/rerank", {**ask, "top_k": 1, "return_documents": True})
        self.assertEqual((status, answer["data"][0]["document"]), (200, "a cat"))
        for path in ("/jina/v1/rerank", "/v1/rerank"):
            status, answer = post(path, {**ask, "top_n": 1})
            self.assertEqual((status, answer["results"][0]["document"]["text"]), (200, "a cat"))
            self.assertGreater(answer["usage"]["total_tokens"], 0)
        self.assertEqual(post("/jina/v1/rerank", {**ask, "top_k": 1})[0], 400)


if __name__ == "__main__":
    unittest.main()

"""Google's SDK, official and unaware, in front of a gateway: its own maker's model and those of others.

Run by test_sdk.py, behind the tests of each SDK against its own dialect.
"""

import base64
import os
import unittest

from google import genai
from google.genai import errors, types

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["KEY"]
MODELS = ("gemini", "fast", "claude", "vertex", "cohere")
ENDS = (types.FinishReason.STOP, types.FinishReason.MAX_TOKENS)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def client(key=KEY):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=GATEWAY))


def weather():
    declared = types.FunctionDeclaration(name="weather", description="tells it", parameters_json_schema=SCHEMA)
    return types.Tool(function_declarations=[declared])


class Gemini(unittest.TestCase):
    """The same calls for a model of Google's, of OpenAI's and of Anthropic's."""

    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def ask(self, model, contents="Hello", **config):
        config = types.GenerateContentConfig(**config) if config else None
        return self.client.models.generate_content(model=model, contents=contents, config=config)

    def stream(self, model, contents="Hello", **config):
        config = types.GenerateContentConfig(**config) if config else None
        return self.client.models.generate_content_stream(model=model, contents=contents, config=config)

    def test_text(self):
        for model in MODELS:
            with self.subTest(model=model):
                answer = self.ask(model, system_instruction="Be brief.", max_output_tokens=64, temperature=0.5)
                self.assertTrue(answer.text)
                self.assertEqual(answer.candidates[0].content.role, "model")
                self.assertIn(answer.candidates[0].finish_reason, ENDS)
                self.assertTrue(answer.model_version)
                usage = answer.usage_metadata
                self.assertGreater(usage.prompt_token_count, 0)
                self.assertGreater(usage.candidates_token_count, 0)
                thoughts = usage.thoughts_token_count or 0
                self.assertEqual(
                    usage.total_token_count, usage.prompt_token_count + usage.candidates_token_count + thoughts
                )

    def test_stream(self):
        for model in MODELS:
            with self.subTest(model=model):
                chunks = list(self.stream(model, max_output_tokens=64))
                self.assertGreater(len(chunks), 1)
                self.assertTrue("".join(chunk.text or "" for chunk in chunks))
                reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
                self.assertIn(reasons[-1], ENDS)
                self.assertFalse(any(reasons[:-1]), "one end")
                usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
                self.assertGreater(usage[-1].candidates_token_count, 0)

    def test_a_chat_of_several_turns(self):
        for model in MODELS:
            with self.subTest(model=model):
                chat = self.client.chats.create(model=model)
                self.assertTrue(chat.send_message("Hello").text)
                self.assertTrue("".join(chunk.text or "" for chunk in chat.send_message_stream("And now?")))
                roles = [turn.role for turn in chat.get_history()]
                self.assertEqual((roles[:3], set(roles[3:])), (["user", "model", "user"], {"model"}))

    def test_functions_and_what_they_answered(self):
        for model in MODELS:
            with self.subTest(model=model):
                contents = [types.Content(role="user", parts=[types.Part(text="please call the tool")])]
                answer = self.ask(model, contents, tools=[weather()], max_output_tokens=64)
                call = answer.function_calls[0]
                self.assertEqual(call.name, "weather")
                self.assertIsInstance(call.args["city"], str)
                contents.append(answer.candidates[0].content)
                result = types.FunctionResponse(id=call.id, name=call.name, response={"output": "sunny"})
                contents.append(types.Content(role="user", parts=[types.Part(function_response=result)]))
                answer = self.ask(model, contents, tools=[weather()], max_output_tokens=64)
                self.assertTrue(answer.text)
                self.assertFalse(answer.function_calls)

    def test_a_function_is_called_in_a_stream_with_its_arguments_whole(self):
        forced = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))
        for model in MODELS:
            with self.subTest(model=model):
                chunks = list(self.stream(model, tools=[weather()], tool_config=forced, max_output_tokens=64))
                calls = [call for chunk in chunks for call in chunk.function_calls or []]
                self.assertEqual([call.name for call in calls], ["weather"])
                self.assertIsInstance(calls[0].args["city"], str)

    def test_functions_are_called_by_the_sdk_itself(self):
        def weather(city: str) -> str:
            """Tells the weather."""
            seen.append(city)
            return "sunny"

        for model in MODELS:
            with self.subTest(model=model):
                seen = []
                answer = self.ask(model, "please call the tool", tools=[weather], max_output_tokens=64)
                self.assertTrue(answer.text)
                self.assertEqual(len(seen), 1)

    def test_json_by_a_schema(self):
        for model in ("gemini", "fast"):
            with self.subTest(model=model):
                answer = self.ask(model, response_mime_type="application/json", response_json_schema=SCHEMA)
                self.assertIsInstance(answer.parsed["city"], str)

    def test_pictures(self):
        for model in MODELS:
            with self.subTest(model=model):
                parts = [types.Part(text="What is it?"), types.Part.from_bytes(data=PIXEL, mime_type="image/png")]
                contents = [types.Content(role="user", parts=parts)]
                self.assertTrue(self.ask(model, contents, max_output_tokens=64).text)

    def test_errors_are_the_sdks_own_classes(self):
        for model, error, code in (
            ("refused", errors.ClientError, 400),
            ("limited", errors.ClientError, 429),
            ("broken", errors.ServerError, None),
            ("silent", errors.ServerError, 504),
            ("claude-refused", errors.ClientError, 400),
            ("claude-limited", errors.ClientError, 429),
            ("claude-broken", errors.ServerError, None),
            ("claude-silent", errors.ServerError, 504),
            ("nobody", errors.ClientError, 404),
        ):
            for call in (self.ask, lambda model, **config: list(self.stream(model, **config))):
                with self.subTest(model=model):
                    with self.assertRaises(error) as raised:
                        call(model, max_output_tokens=64)
                    if code is not None:
                        self.assertEqual(raised.exception.code, code)
                    self.assertTrue(raised.exception.status)
                    self.assertTrue(raised.exception.message)

    def test_a_wrong_key_is_refused(self):
        stranger = client("wb-nobody")
        self.addCleanup(stranger.close)
        with self.assertRaises(errors.ClientError) as raised:
            stranger.models.generate_content(model="gemini", contents="Hello")
        self.assertIn(raised.exception.code, (401, 403))

    def test_an_error_in_mid_stream_raises(self):
        for model in ("error-inside", "cut", "claude-error-inside", "claude-cut"):
            with self.subTest(model=model), self.assertRaises(errors.APIError):
                list(self.stream(model, max_output_tokens=64))


if __name__ == "__main__":
    unittest.main()

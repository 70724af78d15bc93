"""Any client to any provider: each SDK, official and unaware, against models of another maker.

Run by test_sdk.py, behind the tests of each SDK against its own dialect.
"""

import json
import os
import unittest

import anthropic
import openai

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["KEY"]
HELLO = [{"role": "user", "content": "Hello"}]
CALL_A_TOOL = [{"role": "user", "content": "please call the tool"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class OpenAIOnClaude(unittest.TestCase):
    """OpenAI's SDK; the model `claude` is Anthropic's."""

    MODEL = "claude"
    CANNOT = ("logit_bias", {"50256": -100})

    def setUp(self):
        self.client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)

    def chat(self, **more):
        return self.client.chat.completions.create(**{"model": self.MODEL, "messages": HELLO, **more})

    def tool(self):
        return {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}

    def test_text(self):
        answer = self.chat()
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual((answer.object, answer.model), ("chat.completion", self.MODEL))
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_stream(self):
        with self.client.chat.completions.stream(
            model=self.MODEL, messages=HELLO, stream_options={"include_usage": True}
        ) as stream:
            final = stream.get_final_completion()
        self.assertTrue(final.choices[0].message.content)
        self.assertGreater(final.usage.completion_tokens, 0)
        chunks = list(self.chat(stream=True))
        self.assertTrue(all(chunk.choices for chunk in chunks), "no usage for who did not ask")

    def test_tools_and_what_they_answered(self):
        answer = self.chat(messages=CALL_A_TOOL, tools=[self.tool()])
        message = answer.choices[0].message
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        call = message.tool_calls[0]
        self.assertEqual(call.function.name, "weather")
        json.loads(call.function.arguments)
        turn = [*CALL_A_TOOL, message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        self.assertTrue(self.chat(messages=turn, tools=[self.tool()]).choices[0].message)

    def test_tool_arguments_are_streamed(self):
        with self.client.chat.completions.stream(model=self.MODEL, messages=CALL_A_TOOL, tools=[self.tool()]) as stream:
            final = stream.get_final_completion()
        json.loads(final.choices[0].message.tool_calls[0].function.arguments)

    def test_pictures(self):
        parts = [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ]
        self.assertTrue(self.chat(messages=[{"role": "user", "content": parts}]).choices[0].message.content)

    def test_reasoning_is_asked_for(self):
        self.assertTrue(self.chat(reasoning_effort="low", max_completion_tokens=8000).choices[0].message.content)

    def test_responses(self):
        answer = self.client.responses.create(model=self.MODEL, input="Hello", instructions="Be brief.")
        self.assertEqual((answer.status, bool(answer.output_text)), ("completed", True))
        with self.client.responses.stream(model=self.MODEL, input="Hello") as stream:
            names = [event.type for event in stream]
            final = stream.get_final_response()
        self.assertEqual((names[0], names[-1]), ("response.created", "response.completed"))
        self.assertTrue(final.output_text)
        self.assertGreater(final.usage.output_tokens, 0)

    def test_responses_call_tools(self):
        tool = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
        answer = self.client.responses.create(model=self.MODEL, input="please call the tool", tools=[tool])
        call = next(item for item in answer.output if item.type == "function_call")
        json.loads(call.arguments)
        turn = [{"role": "user", "content": "please call the tool"}, call.model_dump(exclude_none=True)]
        turn.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
        self.assertEqual(self.client.responses.create(model=self.MODEL, input=turn, tools=[tool]).status, "completed")

    def test_what_cannot_be_said_is_a_bad_request(self):
        name, value = self.CANNOT
        with self.assertRaises(openai.BadRequestError) as raised:
            self.chat(**{name: value})
        self.assertEqual((raised.exception.code, raised.exception.param), ("not_translatable", name))

    def errors_are_the_sdks_own_classes(self):
        for model, error in (
            ("claude-refused", openai.BadRequestError),
            ("claude-limited", openai.RateLimitError),
            ("claude-broken", openai.InternalServerError),
            ("claude-silent", openai.InternalServerError),
        ):
            for stream in (False, True):
                with self.subTest(model=model, stream=stream), self.assertRaises(error):
                    self.chat(model=model, stream=stream)

    def test_errors_are_the_sdks_own_classes(self):
        if self.MODEL == "claude":
            self.errors_are_the_sdks_own_classes()

    def test_an_error_in_mid_stream_raises(self):
        for model in (f"{self.MODEL}-error-inside", f"{self.MODEL}-cut"):
            with self.subTest(model=model), self.assertRaises(openai.APIError):
                list(self.chat(model=model, stream=True))
            with self.subTest(model=model, api="responses"), self.assertRaises(openai.APIError):
                list(self.client.responses.create(model=model, input="Hello", stream=True))


class OpenAIOnGemini(OpenAIOnClaude):
    """The same; the model is Google's."""

    MODEL = "gemini"


class OpenAIOnBedrock(OpenAIOnClaude):
    """The same; the model is at Amazon's Bedrock."""

    MODEL = "bedrock"


class OpenAIOnCohere(OpenAIOnClaude):
    """The same; the model is Cohere's."""

    MODEL = "cohere"


class OpenAIOnVertex(OpenAIOnClaude):
    """The same; the model is Google's, at Vertex."""

    MODEL = "vertex"


class OpenAIOnVertexClaude(OpenAIOnClaude):
    """The same; the model is Anthropic's, at Google's Vertex."""

    MODEL = "vertex-claude"


class AnthropicOnOpenAI(unittest.TestCase):
    """Anthropic's SDK; the model `fast` is OpenAI's."""

    MODEL = "fast"

    def setUp(self):
        self.client = anthropic.Anthropic(base_url=GATEWAY, api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)

    def ask(self, **more):
        return self.client.messages.create(**{"model": self.MODEL, "max_tokens": 64, "messages": HELLO, **more})

    def tool(self):
        return {"name": "weather", "description": "tells it", "input_schema": SCHEMA}

    def test_text(self):
        answer = self.ask(system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}])
        self.assertTrue(answer.content[0].text)
        self.assertIn(answer.stop_reason, ("end_turn", "max_tokens"))
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_stream(self):
        with self.client.messages.stream(model=self.MODEL, max_tokens=64, messages=HELLO) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, final.content[0].text)
        self.assertGreater(final.usage.output_tokens, 0)

    def test_tools_and_what_they_answered(self):
        answer = self.ask(messages=CALL_A_TOOL, tools=[self.tool()])
        self.assertEqual(answer.stop_reason, "tool_use")
        call = next(block for block in answer.content if block.type == "tool_use")
        self.assertIsInstance(call.input, dict)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
        turn = [*CALL_A_TOOL, {"role": "assistant", "content": [block.model_dump() for block in answer.content]}]
        self.assertTrue(self.ask(messages=[*turn, {"role": "user", "content": [result]}], tools=[self.tool()]).content)

    def test_tool_arguments_are_streamed(self):
        with self.client.messages.stream(
            model=self.MODEL, max_tokens=64, messages=CALL_A_TOOL, tools=[self.tool()]
        ) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_message()
        self.assertIn("input_json", kinds)
        self.assertTrue(any(block.type == "tool_use" for block in final.content))

    def test_what_was_dropped_is_told(self):
        raw = self.client.messages.with_raw_response.create(
            model=self.MODEL,
            max_tokens=64,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            messages=HELLO,
        )
        if self.MODEL in ("bedrock", "vertex-claude"):
            return  # they have cache points
        self.assertIn("system[0].cache_control", raw.headers["x-weighbridge-dropped"])

    def test_errors_are_the_sdks_own_classes(self):
        for model, error in (
            ("refused", anthropic.BadRequestError),
            ("limited", anthropic.RateLimitError),
            ("broken", anthropic.InternalServerError),
            ("silent", anthropic.DeadlineExceededError),
        ):
            for stream in (False, True):
                with self.subTest(model=model, stream=stream), self.assertRaises(error):
                    self.ask(model=model, stream=stream)

    def test_an_error_in_mid_stream_raises(self):
        for model in ("error-inside", "cut"):
            with self.subTest(model=model), self.assertRaises(anthropic.APIStatusError):
                with self.client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
                    for _ in stream:
                        pass


class AnthropicOnResponses(AnthropicOnOpenAI):
    """The same; the model is OpenAI's by its Responses API."""

    MODEL = "reasoner"


class AnthropicOnGemini(AnthropicOnOpenAI):
    """The same; the model is Google's."""

    MODEL = "gemini"


class AnthropicOnBedrock(AnthropicOnOpenAI):
    """The same; the model is at Amazon's Bedrock."""

    MODEL = "bedrock"


class AnthropicOnMistral(AnthropicOnOpenAI):
    """The same; the model is Mistral's, which refuses what it does not know."""

    MODEL = "mistral"


class AnthropicOnCohere(AnthropicOnOpenAI):
    """The same; the model is Cohere's."""

    MODEL = "cohere"


class AnthropicOnVertex(AnthropicOnOpenAI):
    """The same; the model is Google's, at Vertex."""

    MODEL = "vertex"


class AnthropicOnVertexClaude(AnthropicOnOpenAI):
    """The same; the model is Anthropic's, at Google's Vertex."""

    MODEL = "vertex-claude"

    def test_tokens_are_counted(self):
        self.assertGreater(self.client.messages.count_tokens(model=self.MODEL, messages=HELLO).input_tokens, 0)

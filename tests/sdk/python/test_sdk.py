"""The official Python SDKs of OpenAI and Anthropic against the gateway: what their users see.

Started by ../run.sh, which says where the gateway and its simulated provider are.
"""

import json
import os
import time
import unittest
import urllib.request

import anthropic
import openai

GATEWAY = os.environ["GATEWAY"]
SIMULATOR = os.environ["SIMULATOR"]
KEY = os.environ["KEY"]
NARROW_KEY = os.environ["NARROW_KEY"]
HELLO = [{"role": "user", "content": "Hello"}]
CALL_A_TOOL = [{"role": "user", "content": "please call the tool"}]


def stats():
    with urllib.request.urlopen(f"{SIMULATOR}/_simulate/stats") as page:
        return json.load(page)


def wait_until(probe, what, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if probe():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


def aborted_so_far():
    """How many calls the provider has seen cancelled, once those of the tests before have ended too."""
    wait_until(lambda: stats()["open"] == 0, "earlier calls have ended at the provider")
    return stats()["aborted"]


class OpenAI(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)

    def raises(self, error, model, status, **more):
        """Asserts the class, whole and streamed, and returns the one that was raised last."""
        for stream in (False, True):
            with self.subTest(model=model, stream=stream), self.assertRaises(error) as raised:
                self.client.chat.completions.create(model=model, messages=HELLO, stream=stream, **more)
            self.assertEqual(raised.exception.status_code, status)
            self.assertTrue(raised.exception.request_id)
        return raised.exception

    def test_chat(self):
        answer = self.client.chat.completions.create(model="fast", messages=HELLO)
        self.assertTrue(answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertTrue(answer._request_id)

    def test_the_clients_request_id_comes_back(self):
        headers = {"x-request-id": "sdk-label-1"}
        answer = self.client.chat.completions.create(model="fast", messages=HELLO, extra_headers=headers)
        self.assertEqual(answer._request_id, "sdk-label-1")

    def test_headers_tell_cost_and_attempts(self):
        raw = self.client.chat.completions.with_raw_response.create(model="fallback", messages=HELLO)
        self.assertEqual(raw.headers["x-weighbridge-attempts"], "2")
        self.assertGreater(float(raw.headers["x-weighbridge-cost-usd"]), 0)
        self.assertTrue(raw.parse().choices[0].message.content)

    def test_chat_stream_without_usage(self):
        chunks = list(self.client.chat.completions.create(model="fast", messages=HELLO, stream=True))
        self.assertTrue("".join(c.choices[0].delta.content or "" for c in chunks))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertTrue(all(c.choices and c.usage is None for c in chunks), "no usage for who did not ask")

    def test_chat_stream_with_usage(self):
        options = {"include_usage": True}
        chunks = list(
            self.client.chat.completions.create(model="fast", messages=HELLO, stream=True, stream_options=options)
        )
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)

    def tool(self):
        parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        return {"type": "function", "function": {"name": "weather", "parameters": parameters}}

    def test_tools(self):
        answer = self.client.chat.completions.create(model="fast", messages=CALL_A_TOOL, tools=[self.tool()])
        call = answer.choices[0].message.tool_calls[0]
        self.assertEqual((call.function.name, answer.choices[0].finish_reason), ("weather", "tool_calls"))
        self.assertTrue(call.id)
        json.loads(call.function.arguments)

    def test_tool_arguments_are_streamed(self):
        stream = self.client.chat.completions.create(
            model="fast", messages=CALL_A_TOOL, tools=[self.tool()], stream=True
        )
        names, pieces = [], []
        for chunk in stream:
            for call in chunk.choices[0].delta.tool_calls or []:
                names += [call.function.name] if call.function.name else []
                pieces += [call.function.arguments] if call.function.arguments else []
        self.assertEqual(names, ["weather"])
        self.assertGreater(len(pieces), 1, "in more than one piece")
        json.loads("".join(pieces))

    def test_the_stream_helper_accumulates(self):
        with self.client.chat.completions.stream(model="fast", messages=HELLO) as stream:
            final = stream.get_final_completion()
        self.assertTrue(final.choices[0].message.content)

    def test_embeddings_come_as_base64_by_default(self):
        answer = self.client.embeddings.create(model="embed", input=["one", "two"])
        self.assertEqual(len(answer.data), 2)
        self.assertIsInstance(answer.data[0].embedding[0], float)
        floats = self.client.embeddings.create(model="embed", input=["one", "two"], encoding_format="float")
        for packed, plain in zip(answer.data[0].embedding, floats.data[0].embedding):
            self.assertAlmostEqual(packed, plain, places=5)
        self.assertGreater(answer.usage.prompt_tokens, 0)

    def test_responses(self):
        answer = self.client.responses.create(model="fast", input="Hello")
        self.assertEqual(answer.status, "completed")
        self.assertTrue(answer.output_text)
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_responses_stream(self):
        events = list(self.client.responses.create(model="fast", input="Hello", stream=True))
        self.assertEqual(events[0].type, "response.created")
        self.assertEqual(events[-1].type, "response.completed")
        self.assertEqual([e.sequence_number for e in events], list(range(len(events))))
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        self.assertEqual(text, events[-1].response.output_text)

    def test_completions(self):
        answer = self.client.completions.create(model="fast", prompt="Hello")
        self.assertTrue(answer.choices[0].text)
        pieces = list(self.client.completions.create(model="fast", prompt="Hello", stream=True))
        self.assertTrue("".join(p.choices[0].text for p in pieces))
        self.assertTrue(all(p.usage is None for p in pieces))

    def test_models(self):
        names = {model.id for model in self.client.models.list()}
        self.assertTrue({"fast", "embed", "secret", "claude"} <= names, names)
        self.assertEqual(self.client.models.retrieve("fast").id, "fast")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("nothing")
        narrow = self.client.with_options(api_key=NARROW_KEY)
        self.assertEqual({model.id for model in narrow.models.list()}, {"fast", "claude"})

    def test_errors_are_the_sdks_own_classes(self):
        wrong = self.client.with_options(api_key="wb-wrong")
        with self.assertRaises(openai.AuthenticationError) as raised:
            wrong.chat.completions.create(model="fast", messages=HELLO)
        self.assertEqual(raised.exception.code, "invalid_api_key")
        narrow = self.client.with_options(api_key=NARROW_KEY)
        with self.assertRaises(openai.PermissionDeniedError) as raised:
            narrow.chat.completions.create(model="secret", messages=HELLO)
        self.assertEqual((raised.exception.code, raised.exception.param), ("model_not_allowed", "model"))
        error = self.raises(openai.NotFoundError, "nothing", 404)
        self.assertEqual(error.code, "model_not_found")
        self.raises(openai.BadRequestError, "refused", 400)
        with self.assertRaises(openai.BadRequestError) as raised:
            self.client.embeddings.create(model="claude", input="Hello")
        self.assertEqual(raised.exception.code, "dialect_not_supported")
        error = self.raises(openai.InternalServerError, "broken", 502)
        self.assertEqual(error.code, "upstream_failed")
        error = self.raises(openai.InternalServerError, "rejected", 502)
        self.assertEqual(error.code, "upstream_rejected_credentials")
        error = self.raises(openai.InternalServerError, "silent", 504)
        self.assertEqual(error.code, "upstream_timeout")

    def test_a_rate_limit_tells_the_wait(self):
        error = self.raises(openai.APIStatusError, "poor", 402)
        self.assertEqual(error.code, "budget_exhausted")
        self.assertIn("model/poor/usd/day", error.message)
        error = self.raises(openai.RateLimitError, "limited", 429)
        self.assertEqual(error.response.headers["retry-after"], "7")

    def test_a_body_that_is_too_large_is_413(self):
        with self.assertRaises(openai.APIStatusError) as raised:
            self.client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "x" * 300_000}])
        self.assertEqual((raised.exception.status_code, raised.exception.code), (413, "body_too_large"))

    def test_what_a_retry_cannot_help_is_not_retried(self):
        before = stats()["requests"]
        with self.assertRaises(openai.InternalServerError):
            patient = self.client.with_options(max_retries=2)
            patient.chat.completions.create(model="rejected", messages=HELLO)
        self.assertEqual(stats()["requests"] - before, 1, "x-should-retry: false is heard")

    def test_a_limit_is_a_rate_limit_error_that_says_how_long_to_wait(self):
        raw = self.client.chat.completions.with_raw_response.create(model="few", messages=HELLO)
        self.assertEqual(raw.headers["x-ratelimit-limit-requests"], "1")
        self.assertEqual(raw.headers["x-ratelimit-remaining-requests"], "0")
        error = self.raises(openai.RateLimitError, "few", 429)
        self.assertEqual(error.code, "limit_reached")
        self.assertGreater(int(error.response.headers["retry-after"]), 80_000)

    def test_a_budget_lowers_the_cap_and_tells_it(self):
        create = self.client.chat.completions.with_raw_response.create
        raw = create(model="lean", messages=HELLO, max_completion_tokens=16_000)
        cap = int(raw.headers["x-weighbridge-output-cap"])
        self.assertTrue(256 <= cap < 16_000, cap)
        self.assertTrue(raw.parse().choices[0].message.content)

    def test_an_error_in_mid_stream_raises(self):
        for model in ("error-inside", "cut"):
            with self.subTest(model=model):
                text = ""
                with self.assertRaises(openai.APIError):
                    for chunk in self.client.chat.completions.create(model=model, messages=HELLO, stream=True):
                        text += chunk.choices[0].delta.content or ""
                self.assertTrue(text, "what came before was seen")
                with self.assertRaises(openai.APIError):
                    list(self.client.responses.create(model=model, input="Hello", stream=True))

    def test_closing_a_stream_cancels_the_call_upstream(self):
        before = aborted_so_far()
        stream = self.client.chat.completions.create(model="long", messages=HELLO, stream=True)
        next(stream)
        stream.close()
        wait_until(lambda: stats()["aborted"] == before + 1, "the provider sees the client leave")


class AsyncOpenAI(unittest.IsolatedAsyncioTestCase):
    async def test_many_at_once(self):
        import asyncio

        async with openai.AsyncOpenAI(base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0) as client:

            async def ask(number):
                messages = [{"role": "user", "content": f"Hello {number}"}]
                stream = await client.chat.completions.create(model="fast", messages=messages, stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            self.assertTrue(all(await asyncio.gather(*[ask(n) for n in range(50)])))


class Anthropic(unittest.TestCase):
    def setUp(self):
        self.client = anthropic.Anthropic(base_url=GATEWAY, api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)

    def ask(self, model="claude", **more):
        return self.client.messages.create(model=model, max_tokens=64, **{"messages": HELLO, **more})

    def raises(self, error, model, status, kind):
        for stream in (False, True):
            with self.subTest(model=model, stream=stream), self.assertRaises(error) as raised:
                self.ask(model, stream=stream)
            self.assertEqual(raised.exception.status_code, status)
            self.assertEqual(raised.exception.body["error"]["type"], kind)
            self.assertTrue(raised.exception.request_id)
        return raised.exception

    def test_message(self):
        answer = self.ask()
        self.assertTrue(answer.content[0].text)
        self.assertGreater(answer.usage.output_tokens, 0)
        self.assertTrue(answer._request_id)

    def test_message_with_a_bearer_token(self):
        client = anthropic.Anthropic(base_url=GATEWAY, auth_token=KEY, api_key=None, max_retries=0)
        with client:
            answer = client.messages.create(model="claude", max_tokens=64, messages=HELLO)
        self.assertTrue(answer.content[0].text)

    def test_message_stream(self):
        with self.client.messages.stream(model="claude", max_tokens=64, messages=HELLO) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, final.content[0].text)
        self.assertGreater(final.usage.output_tokens, 0)
        self.assertIn(final.stop_reason, ("end_turn", "max_tokens"))

    def test_tools(self):
        tool = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
        answer = self.ask(messages=CALL_A_TOOL, tools=[tool])
        call = next(block for block in answer.content if block.type == "tool_use")
        self.assertEqual((call.name, answer.stop_reason), ("weather", "tool_use"))
        with self.client.messages.stream(
            model="claude", max_tokens=64, messages=CALL_A_TOOL, tools=[tool]
        ) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_message()
        self.assertIn("input_json", kinds)
        self.assertTrue(any(block.type == "tool_use" and block.input is not None for block in final.content))

    def test_count_tokens(self):
        count = self.client.messages.count_tokens(model="claude", messages=HELLO)
        self.assertGreater(count.input_tokens, 0)

    def test_beta_calls(self):
        answer = self.client.beta.messages.create(model="claude", max_tokens=64, messages=HELLO, betas=["one-2025-01-01"])
        self.assertTrue(answer.content[0].text)

    def test_models(self):
        names = {model.id for model in self.client.models.list()}
        self.assertIn("claude", names)
        self.assertEqual(self.client.models.retrieve("claude").id, "claude")

    def test_errors_are_the_sdks_own_classes(self):
        wrong = self.client.with_options(api_key="wb-wrong")
        with self.assertRaises(anthropic.AuthenticationError):
            wrong.messages.create(model="claude", max_tokens=64, messages=HELLO)
        narrow = self.client.with_options(api_key=NARROW_KEY)
        with self.assertRaises(anthropic.PermissionDeniedError):
            narrow.messages.create(model="claude-long", max_tokens=64, messages=HELLO)
        self.raises(anthropic.NotFoundError, "nothing", 404, "not_found_error")
        self.raises(anthropic.BadRequestError, "claude-refused", 400, "invalid_request_error")
        counted = self.client.messages.count_tokens(model="fast", messages=HELLO)
        self.assertGreater(counted.input_tokens, 0, "the gateway counts for models of other makers")
        self.raises(anthropic.InternalServerError, "claude-broken", 502, "api_error")
        self.raises(anthropic.DeadlineExceededError, "claude-silent", 504, "timeout_error")
        self.raises(anthropic.APIStatusError, "claude-poor", 402, "billing_error")
        error = self.raises(anthropic.RateLimitError, "claude-limited", 429, "rate_limit_error")
        self.assertEqual(error.response.headers["retry-after"], "7")

    def test_a_body_that_is_too_large_is_413(self):
        with self.assertRaises(anthropic.RequestTooLargeError):
            self.ask(messages=[{"role": "user", "content": "x" * 300_000}])

    def test_an_error_in_mid_stream_raises(self):
        for model in ("claude-error-inside", "claude-cut"):
            with self.subTest(model=model), self.assertRaises(anthropic.APIStatusError):
                with self.client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
                    for _ in stream:
                        pass

    def test_closing_a_stream_cancels_the_call_upstream(self):
        before = aborted_so_far()
        with self.client.messages.stream(model="claude-long", max_tokens=4000, messages=HELLO) as stream:
            next(iter(stream.text_stream))
        wait_until(lambda: stats()["aborted"] == before + 1, "the provider sees the client leave")


if __name__ == "__main__":
    from test_calls import *  # noqa: F403: calls that are no conversation
    from test_crossing import *  # noqa: F403: the tests of clients in front of other makers' models
    from test_gemini import *  # noqa: F403
    from test_guardrails import *  # noqa: F403: what a refused and a redacted answer look like
    from test_langchain import *  # noqa: F403
    from test_simulate import *  # noqa: F403: the simulated provider itself

    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    raise SystemExit(1 if failed else 0)

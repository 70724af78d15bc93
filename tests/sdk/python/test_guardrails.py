"""What users of the Python SDKs of OpenAI and Anthropic see of guardrails: answers that are redacted or refused, whole and
streamed, and lines of files.

Run by test_sdk.py.
"""

import json
import os
import unittest

import anthropic
import openai

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["KEY"]
HELLO = [{"role": "user", "content": "Hello"}]
SAID = {"the", "a", "and", "of", "in", "that"}


class OpenAIGuardrails(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)

    def redacted(self, text):
        self.assertIn("[WORD]", text)
        self.assertFalse(SAID & set(text.split()), text)

    def test_what_is_redacted_reads_as_text(self):
        answer = self.client.chat.completions.create(model="masked", messages=HELLO)
        self.redacted(answer.choices[0].message.content)
        chunks = list(self.client.chat.completions.create(model="masked", messages=HELLO, stream=True))
        self.redacted("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
        self.assertIn("stop", [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices])
        self.redacted(self.client.responses.create(model="masked", input="Hello").output_text)

    def test_a_refused_answer_is_a_bad_request_and_a_refused_stream_ends_with_content_filter(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.client.chat.completions.create(model="short", messages=HELLO)
        self.assertEqual(raised.exception.code, "guardrail_blocked")
        chunks = [chunk for chunk in self.client.chat.completions.create(model="short", messages=HELLO, stream=True)]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertTrue(0 < len(text.split()) <= 20, text)
        self.assertEqual(chunks[-1].choices[0].finish_reason, "content_filter")
        events = list(self.client.responses.create(model="short", input="Hello", stream=True))
        self.assertEqual(events[-1].type, "response.incomplete")
        self.assertEqual(events[-1].response.incomplete_details.reason, "content_filter")

    def test_lines_of_a_file_are_redacted(self):
        body = {"model": "masked", "messages": [{"role": "user", "content": "about a nightjar"}]}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
        file = self.client.files.create(file=("batch.jsonl", json.dumps(line).encode()), purpose="batch")
        batch = self.client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        batch = self.client.batches.retrieve(batch.id)
        row = json.loads(self.client.files.content(batch.output_file_id).text)
        self.redacted(row["response"]["body"]["choices"][0]["message"]["content"])


class AnthropicGuardrails(unittest.TestCase):
    def setUp(self):
        self.client = anthropic.Anthropic(base_url=GATEWAY, api_key=KEY, max_retries=0)
        self.addCleanup(self.client.close)

    def test_what_is_redacted_reads_as_text(self):
        answer = self.client.messages.create(model="claude-masked", max_tokens=64, messages=HELLO)
        self.assertIn("[WORD]", answer.content[0].text)
        with self.client.messages.stream(model="claude-masked", max_tokens=64, messages=HELLO) as stream:
            text = stream.get_final_text()
        self.assertIn("[WORD]", text)
        self.assertFalse(SAID & set(text.split()), text)

    def test_a_refused_answer_is_a_bad_request_and_a_refused_stream_ends_with_refusal(self):
        with self.assertRaises(anthropic.BadRequestError) as raised:
            self.client.messages.create(model="claude-short", max_tokens=64, messages=HELLO)
        self.assertIn("guardrail `short` refuses the answer", str(raised.exception))
        with self.client.messages.stream(model="claude-short", max_tokens=64, messages=HELLO) as stream:
            message = stream.get_final_message()
        self.assertEqual(message.stop_reason, "refusal")
        self.assertTrue(0 < len(message.content[0].text.split()) <= 20)


if __name__ == "__main__":
    unittest.main()

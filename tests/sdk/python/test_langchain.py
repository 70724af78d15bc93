"""LangChain's clients, as most agents use them: models of OpenAI, Anthropic and Gemini behind the gateway.

Run by test_sdk.py.
"""

import os
import unittest

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["KEY"]
MODELS = ("fast", "claude", "gemini-lenient")


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sunny in {city}"


class Place(BaseModel):
    """A place."""

    city: str = Field(description="its name")


def whole(chunks):
    """The sum of a stream's chunks."""
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    return total


class LangChainOpenAI(unittest.TestCase):
    def each(self, check):
        for name in MODELS:
            with self.subTest(model=name):
                check(self.model(name))

    def model(self, name):
        return ChatOpenAI(model=name, base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0, stream_usage=True)

    def test_invoke(self):
        def check(model):
            answer = model.invoke("Hello")
            self.assertTrue(answer.text)
            self.assertGreater(answer.usage_metadata["output_tokens"], 0)

        self.each(check)

    def test_stream(self):
        def check(model):
            answer = whole(model.stream("Hello"))
            self.assertTrue(answer.text)
            self.assertGreater(answer.usage_metadata["output_tokens"], 0)

        self.each(check)

    def test_tools(self):
        def check(model):
            bound = model.bind_tools([weather])
            turns = [HumanMessage("please call the tool")]
            answer = bound.invoke(turns)
            call = answer.tool_calls[0]
            self.assertEqual((call["name"], list(call["args"])), ("weather", ["city"]))
            result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
            self.assertTrue(bound.invoke([*turns, answer, result]).text)
            self.assertEqual(whole(bound.stream(turns)).tool_calls[0]["name"], "weather")

        self.each(check)

    def test_structured_output(self):
        def check(model):
            for method in ("json_schema", "function_calling"):
                self.assertIsInstance(model.with_structured_output(Place, method=method).invoke("Where?"), Place)

        self.each(check)


class LangChainAnthropic(LangChainOpenAI):
    def model(self, name):
        return ChatAnthropic(model=name, base_url=GATEWAY, api_key=KEY, max_retries=0, max_tokens=256)


class LangChainEmbeddings(unittest.TestCase):
    def test_embeddings(self):
        # Tokens instead of texts are what it sends if it is not told otherwise.
        model = OpenAIEmbeddings(model="embed", base_url=f"{GATEWAY}/v1", api_key=KEY, check_embedding_ctx_length=False)
        self.assertEqual([len(vector) for vector in model.embed_documents(["one", "two"])], [1536, 1536])


if __name__ == "__main__":
    unittest.main()

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
MODELS = ("fast", "claude", "gemini")


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sunny in {city}"


class Place(BaseModel):
    """A place."""

    city: str = Field(description="its name")


class LangChainOpenAI(unittest.TestCase):
    def models(self):
        for name in MODELS:
            with self.subTest(model=name):
                yield self.model(name)

    def model(self, name):
        return ChatOpenAI(model=name, base_url=f"{GATEWAY}/v1", api_key=KEY, max_retries=0, stream_usage=True)

    def test_invoke(self):
        for model in self.models():
            answer = model.invoke("Hello")
            self.assertTrue(answer.text)
            self.assertGreater(answer.usage_metadata["output_tokens"], 0)

    def test_stream(self):
        for model in self.models():
            whole = None
            for chunk in model.stream("Hello"):
                whole = chunk if whole is None else whole + chunk
            self.assertTrue(whole.text)
            self.assertGreater(whole.usage_metadata["output_tokens"], 0)

    def test_tools(self):
        for model in self.models():
            bound = model.bind_tools([weather])
            turns = [HumanMessage("please call the tool")]
            answer = bound.invoke(turns)
            call = answer.tool_calls[0]
            self.assertEqual((call["name"], list(call["args"])), ("weather", ["city"]))
            result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
            self.assertTrue(bound.invoke([*turns, answer, result]).text)
            whole = None
            for chunk in bound.stream(turns):
                whole = chunk if whole is None else whole + chunk
            self.assertEqual(whole.tool_calls[0]["name"], "weather")

    def test_structured_output(self):
        for model in self.models():
            self.assertIsInstance(model.with_structured_output(Place).invoke("Where?"), Place)
            called = model.with_structured_output(Place, method="function_calling")
            self.assertIsInstance(called.invoke("Where?"), Place)


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

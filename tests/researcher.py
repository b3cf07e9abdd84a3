"""A neuron as one writes it for the published package: it waits, and asks a server."""

import asyncio
import os
from typing import Any

import httpx


async def researcher(input: Any, context: Any) -> Any:
    await asyncio.sleep(0.05)
    site = os.environ["RESEARCH_SITE"]
    async with httpx.AsyncClient(trust_env=False) as client:
        first = await client.get(f"{site}/about", params={"q": input["q"]})
        async with asyncio.timeout(10):
            both = await asyncio.gather(*(client.get(f"{site}/page/{n}") for n in range(2)))
    await asyncio.sleep(0.05)
    return {"found": first.json()["said"], "pages": [response.json()["said"] for response in both]}

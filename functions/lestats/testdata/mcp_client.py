"""Asks every question of a server with PyPI's client of the Model Context Protocol, over HTTP and
over standard input and output, in each way in which the client can begin, and compares with GET.

Usage: mcp_client.py URL PROGRAM, where PROGRAM mcp speaks over its standard streams.
"""

import asyncio
import json
import os
import sys
import urllib.parse
import urllib.request

from mcp import Client, StdioServerParameters

base, program = sys.argv[1:]


def get(path):
    with urllib.request.urlopen(base + path) as response:
        return json.load(response)


async def ask_all(transport, mode):
    questions = get("/api/questions")["data"]
    server = base + "/mcp" if transport == "http" else StdioServerParameters(command=program, args=["mcp"], env=dict(os.environ))
    async with Client(server, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "SYNTHETIC" in client.instructions, client.instructions
        for served in questions:
            example, name = served["example"], served["example"]["question"]
            assert tools[name].annotations.read_only_hint and tools[name].annotations.idempotent_hint, tools[name]
            params = example.get("params", {})
            where = example.get("where")
            query = "&".join(
                f"{key}={urllib.parse.quote(str(one))}" for key, value in params.items() for one in (value if isinstance(value, list) else [value])
            )
            assert where is None, "an example with a where is not translated here"
            want, got = get(f"/api/{name}.json?_layout=rows&{query}"), None
            arguments = {**params, "_limit": 1000}
            while got is None or len(got["data"]) < page["total"]:
                arguments["_offset"] = 0 if got is None else len(got["data"])
                result = await client.call_tool(name, arguments)
                assert not result.is_error, result
                assert result.content[0].text.startswith("SYNTHETIC"), result.content
                body = result.structured_content
                page = body.pop("page")
                if got is None:
                    got = body
                else:
                    got["data"] += body["data"]
            assert got == want, f"{name}: {str(got)[:300]} is not {str(want)[:300]}"
        wrong = await client.call_tool("states_mean", {"question": "obesity"})
        assert wrong.is_error and wrong.structured_content["hint"], wrong
        values = await client.call_tool("list-values", {"column": "location", "prefix": "new"})
        assert "New York" in values.structured_content["values"], values
        resources = (await client.list_resources()).resources
        dataset = json.loads((await client.read_resource("lestats://dataset")).contents[0].text)
        assert dataset["digest"].startswith("sha256:") and len(resources) > 3, dataset
        print(f"{transport}: {len(questions)} questions ({client.protocol_version})", flush=True)


for transport in "http", "stdio":
    for mode in "auto", "legacy":
        asyncio.run(asyncio.wait_for(ask_all(transport, mode), 120))

"""One user's journey over HTTP: load a network, start from its configuration of today, optimise until proven, fetch the result."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any
from urllib.parse import quote

import aiohttp

# The default weights make of MWh of loss an objective in watt-hours; the demo's one period is an hour, so it reads as watts.
WATTS_PER_KW = 1000.0
POLL_S = 0.05

Document = dict[str, Any]  # a JSON document of the reconfiguration API, read only field by field here


class DemoFailed(Exception):
    """The journey did not end as it should; the message says where."""


@dataclass(frozen=True)
class Sample:
    """The state of the run at one moment: seconds since start, loss and bound in kW."""

    at_s: float
    loss_kw: float
    bound_kw: float | None


@dataclass
class Result:
    """What the journey brought home."""

    network: Document
    before: Document
    after: Document
    info_before: Document
    info: Document
    samples: list[Sample] = field(default_factory=list)

    @property
    def loss_before_kw(self) -> float:
        """Loss of today's configuration."""
        return float(self.info_before["objective_value"]) / WATTS_PER_KW

    @property
    def loss_after_kw(self) -> float:
        """Loss of the best configuration found."""
        return float(self.info["objective_value"]) / WATTS_PER_KW

    @property
    def is_proven(self) -> bool:
        """Whether a lower bound certifies the result."""
        return bool(self.info["is_optimal"]) and self.info["proof"] != "none" and self.info["gap"] is not None

    def open_lines(self) -> list[str]:
        """Ids of the open switches of the best configuration, in numeric order."""
        return open_lines(self.after)

    def voltages_pu(self) -> dict[str, tuple[float, float]]:
        """Voltage of each bus before and after, as a fraction of the source's voltage."""
        source_kv = next(float(node["v_gen"]) for node in self.network["nodes"] if node["type"] == "provider")
        before, after = (solution["flows"][0]["voltages"] for solution in (self.before, self.after))
        return {bus: (before[bus] / source_kv, after[bus] / source_kv) for bus in after}


def open_lines(solution: Document) -> list[str]:
    """Ids of the lines that a solution's first period opens."""
    settings = solution["period_solutions"][0]["switch_settings"]
    return sorted((setting["line_id"] for setting in settings if setting["open"]), key=int)


def load_document(name: str) -> Document:
    """One of the demo's documents."""
    document: Document = json.loads((resources.files("services.cli.demo") / name).read_text("utf-8"))
    return document


class Api:
    """The few calls of the reconfiguration API that the demo needs."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def get(self, path: str) -> Document:
        """A JSON document."""
        async with self._http.get(self._url + path) as response:
            if response.status != 200:
                raise DemoFailed(f"GET {path} answered {response.status}: {await response.text()}")
            document: Document = await response.json(content_type=None)
            return document

    async def post_form(self, path: str, fields: Mapping[str, str], files: Mapping[str, Document]) -> None:
        """A form of text fields and JSON files."""
        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, value)
        for name, document in files.items():
            form.add_field(name, json.dumps(document).encode(), filename=f"{name}.json")
        async with self._http.post(self._url + path, data=form) as response:
            if response.status != 201:
                raise DemoFailed(f"POST {path} answered {response.status}: {await response.text()}")

    async def run(self, session: str, *, wanted: bool) -> None:
        """Start or stop an optimisation."""
        async with self._http.put(f"{self._url}/api/sessions/{session}/runOptimization", json=wanted) as response:
            if response.status != 200:
                raise DemoFailed(f"starting or stopping answered {response.status}: {await response.text()}")


async def travel(url: str, *, within_s: float = 60.0) -> Result:
    """Go through the whole journey against a running Busbar.

    Raises:
        DemoFailed: an unexpected answer, or no proof within the time.
    """
    network, demands, start = (load_document(f"baran_wu_33{part}.json") for part in ("", "_demands", "_start"))
    name = quote("Baran and Wu, 33 buses")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=within_s)) as http:
        api = Api(http, url)
        await api.post_form(f"/api/networks/{name}", {}, {"networkDescription": network})
        await api.post_form(
            f"/api/sessions/{name}",
            {"networkId": "Baran and Wu, 33 buses"},
            {"demands": demands, "startConfiguration": start},
        )
        session = f"/api/sessions/{name}"
        before, info_before = await api.get(f"{session}/bestSolution"), await api.get(f"{session}/bestSolutionInfo")
        await api.run(name, wanted=True)
        samples = await _watch(api, session, within_s=within_s)
        await api.run(name, wanted=False)
        after, info = await api.get(f"{session}/bestSolution"), await api.get(f"{session}/bestSolutionInfo")
    return Result(network, before, after, info_before, info, samples)


async def _watch(api: Api, session: str, *, within_s: float) -> list[Sample]:
    samples: list[Sample] = []
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < within_s:
        info = await api.get(f"{session}/bestSolutionInfo")
        bound = info["bound"]
        samples.append(
            Sample(elapsed, info["objective_value"] / WATTS_PER_KW, None if bound is None else bound / WATTS_PER_KW)
        )
        if info["is_optimal"]:
            return samples
        await asyncio.sleep(POLL_S)
    raise DemoFailed(f"no proof of optimality within {within_s:g} s")

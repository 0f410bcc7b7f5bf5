"""All contracts by name and version, for whoever parses an envelope."""

from __future__ import annotations

from shared.contracts import asks, flexibility, reconfiguration
from shared.contracts.message import Message

CONTRACTS: tuple[type[Message], ...] = (
    reconfiguration.NetworkLoadRequested,
    reconfiguration.NetworkAnalysisRequested,
    reconfiguration.SessionCreationRequested,
    reconfiguration.SolutionEvaluationRequested,
    reconfiguration.SolutionRepairRequested,
    reconfiguration.RunRequested,
    reconfiguration.RunProgressed,
    reconfiguration.RunFinished,
    flexibility.IngestRequested,
    flexibility.ScheduleRequested,
    flexibility.ForecastRequested,
    flexibility.JobsFinished,
    asks.AskAnswered,
)

CONTRACT_OF: dict[tuple[str, int], type[Message]] = {
    (contract.name, contract.version): contract for contract in CONTRACTS
}

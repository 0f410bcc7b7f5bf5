"""Why no schedule can be planned, in words for the customer. Leaves of ``BusbarError``; the texts are part of the API's contract.

BusbarError
└── PlanImpossible
    ├── PriceMissing, PricesUnknown
    ├── PowerCapacityMissing
    ├── StateOfChargeUnknown
    └── ConstraintsContradict
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.errors import BusbarError


class PlanImpossible(BusbarError):
    """The configuration and the series make no problem that could be solved; the message says why."""

    code = "plan_impossible"


class PriceMissing(PlanImpossible):
    """A commodity that needs a price has none."""

    code = "price_missing"

    def __init__(self, commodity: str) -> None:
        super().__init__(f"Missing consumption price for commodity '{commodity}'.")


class PricesUnknown(PlanImpossible):
    """No price is known for any step."""

    code = "prices_unknown"

    def __init__(self, sensor_id: int | None) -> None:
        where = f" (sensor {sensor_id})" if sensor_id is not None else ""
        super().__init__(f"Prices unknown for planning window.{where}")


class PowerCapacityMissing(PlanImpossible):
    """Nothing limits the power of a device."""

    code = "power_capacity_missing"

    def __init__(self, asset_id: int) -> None:
        super().__init__(f"Power capacity on asset {asset_id} is not defined in the flex-model.")


class StateOfChargeUnknown(PlanImpossible):
    """A sensor is to tell the state of charge at the start, and has no value near it."""

    code = "state_of_charge_unknown"

    def __init__(self, sensor_id: int | None, radius: timedelta, start: datetime) -> None:
        of_sensor = f"for sensor {sensor_id} " if sensor_id is not None else ""
        super().__init__(
            f"No recent state-of-charge value found {of_sensor}within {radius} of schedule start {start.isoformat()}."
        )


class ConstraintsContradict(PlanImpossible):
    """Hard constraints exclude each other; one line for each finding."""

    code = "constraints_contradict"

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__(
            "The input data yields an infeasible problem. Constraint validation has found the following issues:\n"
            + "\n".join(findings)
        )
        self.findings = findings

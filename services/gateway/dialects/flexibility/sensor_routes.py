"""The routes of sensors, but for those of their data."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.flexibility import sensors
from services.gateway.dialects.flexibility.asset_request_schemas import ListSensors, NewSensor, SensorPatch
from services.gateway.dialects.flexibility.asset_schemas import SensorAnswer, SensorInfo, SensorPage
from services.gateway.dialects.flexibility.route_building import (
    GONE,
    INVALID,
    NO_PAGE,
    USUAL,
    answer,
    body_route,
    parameters_route,
)
from services.gateway.dialects.flexibility.schemas import ErrorAnswer
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import V3_ROOT
from services.gateway.http.routes import Route, plain_route

SENSORS = "Sensors"
TAGS = ((SENSORS, "Time series of assets: their units, resolutions and time zones. An unknown id is a 422."),)

_ONE = f"{V3_ROOT}/sensors/{{sensor_id}}"

# Any: routes differ in their queries and bodies.
SENSOR_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    parameters_route(
        f"{V3_ROOT}/sensors",
        sensors.list_sensors,
        ListSensors,
        "List sensors",
        SENSORS,
        (
            answer(200, "Those that were asked for.", SensorInfo, is_list=True),
            answer(200, "Where a page is asked for: that page.", SensorPage),
            NO_PAGE,
            answer(422, "The account and the asset do not belong together.", ErrorAnswer),
        ),
    ),
    body_route(
        "POST",
        f"{V3_ROOT}/sensors",
        sensors.create_sensor,
        NewSensor,
        "Make a sensor",
        SENSORS,
        (answer(201, "Made.", SensorInfo),),
    ),
    plain_route(
        "GET",
        _ONE,
        sensors.get_sensor,
        "Show a sensor",
        SENSORS,
        (answer(200, "The sensor.", SensorAnswer), INVALID, *USUAL),
    ),
    body_route(
        "PATCH",
        _ONE,
        sensors.change_sensor,
        SensorPatch,
        "Change a sensor",
        SENSORS,
        (answer(200, "The sensor as it is now.", SensorAnswer),),
    ),
    plain_route(
        "DELETE",
        _ONE,
        sensors.delete_sensor,
        "Delete a sensor and its data",
        SENSORS,
        (GONE, INVALID, *USUAL),
    ),
)

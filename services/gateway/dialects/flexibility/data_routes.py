"""The routes of the data of sensors."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.flexibility import data_reads, overviews, sensor_data, uploads
from services.gateway.dialects.flexibility.data_reading import JsonObject, parse_measured
from services.gateway.dialects.flexibility.data_request_schemas import (
    DeleteData,
    PostData,
    PostDataByAddress,
    ReadData,
    ReadDataByAddress,
)
from services.gateway.dialects.flexibility.data_schemas import (
    AlreadyReceived,
    DataAccepted,
    InvalidReplacement,
    Processed,
    SensorData,
)
from services.gateway.dialects.flexibility.overview_schemas import (
    GetStats,
    ListSources,
    SensorStatuses,
    Sources,
    Stats,
)
from services.gateway.dialects.flexibility.reading import ParametersInQuery
from services.gateway.dialects.flexibility.route_building import (
    BAD_REQUEST,
    GONE,
    INVALID,
    TOO_LARGE,
    USUAL,
    answer,
    parameters_route,
)
from services.gateway.dialects.flexibility.schemas import ErrorAnswer
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.upload_form import UploadForm
from services.gateway.dialects.flexibility.wire import V3_ROOT
from services.gateway.http.routes import Answer, NoQuery, Route, plain_route

DATA_TAG = "Data"
TAGS = ((DATA_TAG, "What is known of sensors: values, where they come from, and since when they are known."),)

NO_SENSOR = answer(404, "There is no such sensor.", ErrorAnswer)
STORED: tuple[Answer, ...] = (
    answer(200, "Stored.", Processed),
    answer(200, "Nothing of it was new.", AlreadyReceived),
    answer(202, "Safe, and to be stored.", DataAccepted),
    answer(403, "Something else was known as of the same moment.", InvalidReplacement),
)
_READ = (answer(200, "The values.", SensorData), NO_SENSOR)
_BODY = (NO_SENSOR, BAD_REQUEST, TOO_LARGE, INVALID, *USUAL)

# Any: routes differ in their queries and bodies.
DATA_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    parameters_route(
        f"{V3_ROOT}/sensors/data",
        data_reads.get_data_by_address,
        ReadDataByAddress,
        "Read values of a sensor by its entity address",
        DATA_TAG,
        _READ,
    ),
    Route(
        "POST",
        f"{V3_ROOT}/sensors/data",
        sensor_data.post_data_by_address,
        NoQuery(),
        JsonObject(PostDataByAddress, parse=parse_measured),
        "Post values to a sensor by its entity address",
        DATA_TAG,
        (*STORED, *_BODY),
    ),
    parameters_route(
        f"{V3_ROOT}/sensors/{{sensor_id}}/data",
        data_reads.get_data,
        ReadData,
        "Read values of a sensor",
        DATA_TAG,
        _READ,
    ),
    Route(
        "POST",
        f"{V3_ROOT}/sensors/{{sensor_id}}/data",
        sensor_data.post_data,
        NoQuery(),
        JsonObject(PostData, parse=parse_measured),
        "Post values to a sensor",
        DATA_TAG,
        (*STORED, *_BODY),
    ),
    Route(
        "DELETE",
        f"{V3_ROOT}/sensors/{{sensor_id}}/data",
        sensor_data.delete_data,
        ParametersInQuery(DeleteData),
        JsonObject(DeleteData, may_be_left_out=True),
        "Delete values of a sensor",
        DATA_TAG,
        (GONE, *_BODY),
    ),
    Route(
        "POST",
        f"{V3_ROOT}/sensors/{{sensor_id}}/data/upload",
        uploads.upload_data,
        NoQuery(),
        UploadForm(),
        "Upload files of values of a sensor",
        DATA_TAG,
        (*STORED, *_BODY),
    ),
    parameters_route(
        f"{V3_ROOT}/sensors/{{sensor_id}}/stats",
        overviews.get_stats,
        GetStats,
        "Figures of the data of a sensor",
        DATA_TAG,
        (answer(200, "By source.", Stats),),
    ),
    plain_route(
        "GET",
        f"{V3_ROOT}/sensors/{{sensor_id}}/status",
        overviews.get_status,
        "Whether the data of a sensor are up to date",
        DATA_TAG,
        (answer(200, "By kind of source.", SensorStatuses), INVALID, *USUAL),
    ),
    parameters_route(
        f"{V3_ROOT}/sources",
        overviews.list_sources,
        ListSources,
        "Who states values",
        DATA_TAG,
        (answer(200, "Those that the caller may know.", Sources),),
    ),
)

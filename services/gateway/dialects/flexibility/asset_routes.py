"""The routes of assets."""

from __future__ import annotations

from typing import Any

from services.gateway.dialects.flexibility import asset_copies, asset_jobs, asset_lists, assets, charts, kpis, sensors
from services.gateway.dialects.flexibility.annotation_schemas import AnnotationInfo
from services.gateway.dialects.flexibility.asset_jobs import AssetJobs
from services.gateway.dialects.flexibility.asset_request_schemas import (
    AssetEvents,
    AssetPatch,
    CopyTarget,
    ListAssets,
    ListPublicAssets,
    ListSensorsOfAsset,
    NewAsset,
)
from services.gateway.dialects.flexibility.asset_schemas import (
    AssetAnswer,
    AssetCopied,
    AssetInfo,
    AssetPage,
    AssetType,
    SensorPage,
)
from services.gateway.dialects.flexibility.chart_schemas import ChartRow, ChartSpecification, ChartWindow
from services.gateway.dialects.flexibility.kpis import Kpis, Period
from services.gateway.dialects.flexibility.reading import ParametersInBody, ParametersInQuery
from services.gateway.dialects.flexibility.route_building import (
    BAD_REQUEST,
    GONE,
    INVALID,
    NO_ASSET,
    TOO_LARGE,
    TOO_OFTEN,
    USUAL,
    answer,
    body_route,
    parameters_route,
)
from services.gateway.dialects.flexibility.schemas import ErrorAnswer, UserEventPage
from services.gateway.dialects.flexibility.service import Flexibility
from services.gateway.dialects.flexibility.wire import V3_ROOT
from services.gateway.http.routes import Route, plain_route

ASSETS = "Assets"
TAGS = ((ASSETS, "What consumes, produces, stores or measures, in trees; and how it may be scheduled."),)

_ONE = f"{V3_ROOT}/assets/{{asset_id}}"
_NO_PAGE = answer(404, "There is no such page.", ErrorAnswer)

# Any: routes differ in their queries and bodies.
ASSET_ROUTES: tuple[Route[Flexibility, Any, Any], ...] = (
    plain_route(
        "GET",
        f"{V3_ROOT}/assets/types",
        assets.list_asset_types,
        "The types of assets",
        ASSETS,
        (answer(200, "Those there are.", AssetType, is_list=True), TOO_OFTEN),
        is_public=True,
    ),
    parameters_route(
        f"{V3_ROOT}/assets/public",
        asset_lists.list_public_assets,
        ListPublicAssets,
        "List public assets",
        ASSETS,
        (
            answer(200, "All of them, with the fields that were asked for.", AssetInfo, is_list=True),
            answer(200, "Where a page is asked for: that page.", AssetPage),
            _NO_PAGE,
        ),
    ),
    parameters_route(
        f"{V3_ROOT}/assets",
        asset_lists.list_assets,
        ListAssets,
        "List assets",
        ASSETS,
        (
            answer(200, "Those that were asked for, with the fields that were asked for.", AssetInfo, is_list=True),
            answer(200, "Where a page is asked for: that page.", AssetPage),
            answer(404, "There is no such page, or account.", ErrorAnswer),
        ),
    ),
    body_route(
        "POST",
        f"{V3_ROOT}/assets",
        assets.create_asset,
        NewAsset,
        "Make an asset",
        ASSETS,
        (answer(201, "Made.", AssetInfo),),
    ),
    plain_route(
        "GET",
        _ONE,
        assets.get_asset,
        "Show an asset",
        ASSETS,
        (answer(200, "The asset.", AssetAnswer), NO_ASSET, INVALID, *USUAL),
    ),
    body_route(
        "PATCH",
        _ONE,
        assets.change_asset,
        AssetPatch,
        "Change an asset",
        ASSETS,
        (answer(200, "The asset as it is now.", AssetAnswer), NO_ASSET),
    ),
    plain_route(
        "DELETE",
        _ONE,
        assets.delete_asset,
        "Delete an asset with everything below it",
        ASSETS,
        (GONE, NO_ASSET, INVALID, *USUAL),
    ),
    Route(
        "POST",
        f"{_ONE}/copy",
        asset_copies.copy_asset,
        ParametersInQuery(CopyTarget),
        ParametersInBody(),
        "Copy an asset with everything below it, but for data",
        ASSETS,
        (
            answer(201, "Copied.", AssetCopied),
            answer(404, "There is no such asset, or account.", ErrorAnswer),
            BAD_REQUEST,
            TOO_LARGE,
            INVALID,
            *USUAL,
        ),
    ),
    parameters_route(
        f"{_ONE}/sensors",
        sensors.list_sensors_of_asset,
        ListSensorsOfAsset,
        "List the sensors of an asset",
        ASSETS,
        (answer(200, "A page of them.", SensorPage), NO_ASSET),
    ),
    parameters_route(
        f"{_ONE}/auditlog",
        assets.list_asset_events,
        AssetEvents,
        "What happened to an asset and to its sensors",
        ASSETS,
        (answer(200, "A page of it.", UserEventPage), NO_ASSET),
    ),
    parameters_route(
        f"{_ONE}/kpis",
        kpis.show_kpis,
        Period,
        "The key figures of an asset over a period",
        ASSETS,
        (answer(200, "Those of sensors that the caller may read.", Kpis), NO_ASSET),
    ),
    plain_route(
        "GET",
        f"{_ONE}/jobs",
        asset_jobs.list_asset_jobs,
        "The jobs about an asset and its sensors",
        ASSETS,
        (answer(200, "The newest hundred, the newest first.", AssetJobs), NO_ASSET, INVALID, *USUAL),
    ),
    parameters_route(
        f"{_ONE}/chart",
        charts.show_chart,
        ChartWindow,
        "The chart of an asset, as Vega-Lite",
        ASSETS,
        (answer(200, "A specification; its data are those of chart_data.", ChartSpecification), NO_ASSET),
    ),
    parameters_route(
        f"{_ONE}/chart_data",
        charts.show_chart_data,
        ChartWindow,
        "The values in the chart of an asset",
        ASSETS,
        (answer(200, "Those of sensors that the caller may read.", ChartRow, is_list=True), NO_ASSET),
    ),
    parameters_route(
        f"{_ONE}/chart_annotations",
        charts.show_chart_annotations,
        ChartWindow,
        "The notes about an asset, what it shows, and its account",
        ASSETS,
        (answer(200, "The first thousand, by their beginning.", AnnotationInfo, is_list=True), NO_ASSET),
    ),
)

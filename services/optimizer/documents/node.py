"""One node of a network document, in both directions."""

from __future__ import annotations

import math
from collections.abc import Container
from enum import StrEnum

from services.optimizer.documents.element import KILO, MEGA, Element, wire_number
from services.optimizer.documents.json_reader import JsonObject
from services.optimizer.reconfiguration.network import BusKind, ConsumerCategory, Node

# The fractions of a consumer's categories may miss one by this much.
_SUM_TOLERANCE = 1e-9
# What only providers may have, and the value that others may state.
_GENERATION = {"v_gen": 0.0, "p_gen_max": math.inf, "p_gen_min": 0.0, "q_gen_max": math.inf, "q_gen_min": 0.0}


class NodeType(StrEnum):
    """Kinds of buses that a document may call a node; those of transformers it lists by themselves."""

    TRANSITION = BusKind.TRANSITION
    PROVIDER = BusKind.PROVIDER
    CONSUMER = BusKind.CONSUMER


class ConsumerType(StrEnum):
    """What a document may call a consumer: of one of the categories, or of none that is known."""

    AGRICULTURE = ConsumerCategory.AGRICULTURE
    HOUSEHOLD = ConsumerCategory.HOUSEHOLD
    INDUSTRY = ConsumerCategory.INDUSTRY
    SERVICES = ConsumerCategory.SERVICES
    PUBLIC = ConsumerCategory.PUBLIC
    ELIND = ConsumerCategory.ELIND
    UNDEFINED = "undefined"


def read_node(fields: JsonObject, known_ids: Container[str]) -> Node:
    """A node with all rules that concern it alone."""
    element = Element("Node", fields, known_ids)
    kind = BusKind(fields.required_choice("type", NodeType))
    categories = _read_categories(element, kind)
    if kind is BusKind.PROVIDER:
        return _read_provider(element, categories)
    return _read_other(element, kind, categories)


def _read_categories(element: Element, kind: BusKind) -> dict[ConsumerCategory, float]:
    fields = element.fields
    category = _category(fields)
    fractions = fields.objects("consumer_type_fractions")
    if category is None and fractions is None:
        return {}
    if kind is not BusKind.CONSUMER:
        raise element.error(f"a {kind} can have neither consumer_type nor consumer_type_fractions")
    if fractions is None:
        return {category: 1.0} if category else {}
    if category:
        raise element.error("consumer_type and consumer_type_fractions cannot be given together")
    return _read_fractions(element, fractions)


def _category(fields: JsonObject) -> ConsumerCategory | None:
    given = fields.choice("consumer_type", ConsumerType)
    return None if given is None or given is ConsumerType.UNDEFINED else ConsumerCategory(given)


def _read_fractions(element: Element, entries: list[JsonObject]) -> dict[ConsumerCategory, float]:
    fractions: dict[ConsumerCategory, float] = {}
    for entry in entries:
        category, fraction = _category(entry), entry.number("power_fraction", 0.0)
        if category is None:
            raise element.error("an entry of consumer_type_fractions has the consumer_type undefined")
        if category in fractions:
            raise element.error(f"consumer_type_fractions has the consumer_type {category} twice")
        if not fraction > 0:
            raise element.error(f"the power_fraction {fraction:g} of the consumer_type {category} is not positive")
        fractions[category] = fraction
    total = sum(fractions.values())
    if not abs(total - 1.0) <= _SUM_TOLERANCE:
        raise element.error(f"the sum of consumer_type_fractions is {total:.12g} and must be 1")
    return fractions


def _read_provider(element: Element, categories: dict[ConsumerCategory, float]) -> Node:
    for limit, default in (("v_min", 0.0), ("v_max", math.inf)):
        if element.fields.number(limit, default) != default:
            raise element.error(f"a provider can have no voltage limits, so {limit} must be {wire_number(default)}")
    node = Node(
        id=element.id,
        kind=BusKind.PROVIDER,
        v_gen_v=element.quantity("v_gen", KILO),
        p_gen_min_w=element.quantity("p_gen_min", MEGA),
        p_gen_max_w=element.quantity("p_gen_max", MEGA, math.inf, infinity=math.inf),
        q_gen_min_var=element.quantity("q_gen_min", MEGA, infinity=-math.inf),
        q_gen_max_var=element.quantity("q_gen_max", MEGA, math.inf, infinity=math.inf),
        category_fractions=categories,
        coordinates=element.coordinates(),
    )
    if not node.v_gen_v > 0:
        raise element.error(f"the v_gen of a provider must be positive and is {node.v_gen_v / KILO:g} kV")
    if node.p_gen_min_w < 0:
        raise element.error(f"p_gen_min is negative: {node.p_gen_min_w / MEGA:g} MW")
    for power, minimum, maximum, unit in (
        ("p_gen", node.p_gen_min_w, node.p_gen_max_w, "MW"),
        ("q_gen", node.q_gen_min_var, node.q_gen_max_var, "MVAr"),
    ):
        if minimum > maximum:
            raise element.error(f"{power}_min {minimum / MEGA:g} {unit} is above {power}_max {maximum / MEGA:g} {unit}")
    return node


def _read_other(element: Element, kind: BusKind, categories: dict[ConsumerCategory, float]) -> Node:
    fields = element.fields
    for name, default in _GENERATION.items():
        if fields.number(name, default) != default:
            raise element.error(f"only a provider can have {name}, and this is a {kind}")
    node = Node(
        id=element.id,
        kind=kind,
        v_min_v=element.quantity("v_min", KILO),
        v_max_v=element.quantity("v_max", KILO, math.inf, infinity=math.inf),
        category_fractions=categories,
        coordinates=element.coordinates(),
    )
    if node.v_min_v > node.v_max_v:
        raise element.error(f"v_min {node.v_min_v / KILO:g} kV is above v_max {node.v_max_v / KILO:g} kV")
    return node


def node_document(node: Node) -> dict[str, object]:
    """The node with every property, in the order of the format."""
    fractions = node.category_fractions
    only = next(iter(fractions)) if len(fractions) == 1 else ConsumerType.UNDEFINED
    return {
        "id": node.id,
        "type": node.kind.value,
        "consumer_type": str(only),
        "consumer_type_fractions": [
            {"consumer_type": category.value, "power_fraction": fraction} for category, fraction in fractions.items()
        ]
        if len(fractions) > 1
        else None,
        "v_min": wire_number(node.v_min_v / KILO),
        "v_max": wire_number(node.v_max_v / KILO),
        "v_gen": node.v_gen_v / KILO,
        "p_gen_max": wire_number(node.p_gen_max_w / MEGA),
        "p_gen_min": node.p_gen_min_w / MEGA,
        "q_gen_max": wire_number(node.q_gen_max_var / MEGA),
        "q_gen_min": wire_number(node.q_gen_min_var / MEGA),
        "coordinates": node.coordinates,
    }

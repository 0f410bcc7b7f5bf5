"""The analysis report: labels that clients look for, and counts that can be checked by hand."""

from __future__ import annotations

from services.optimizer.reconfiguration.analysis import analysis_report
from services.optimizer.reconfiguration.reduction import reduce_network
from tests.support.grids import case


def report(*branches: str, verbose: bool = False) -> str:
    grid = case(*branches).grid
    return analysis_report(grid, reduce_network(grid), verbose=verbose)


def blocks(text: str) -> tuple[str, str]:
    """What is said of the input network and of the reduced one."""
    before, _, after = text.partition("The network after reduction")
    return before, after


class TestTwoNodes:
    def test_have_a_report_of_more_than_ten_lines(self) -> None:
        text = report("G 100V | L | C 1W")
        assert len(text.splitlines()) > 10
        assert text.count("Network properties:") == 2
        assert text.count("Number of nodes = 2\n") == 2
        assert "Potential for aggregation:" not in text

    def test_have_a_verbose_report_of_more_than_thirty_lines(self) -> None:
        text = report("G 100V | L | C 1W", verbose=True)
        assert len(text.splitlines()) > 30
        assert text.count("Potential for aggregation:") == 1


def test_counts_before_and_after_reduction() -> None:
    before, after = blocks(
        report("G 100V | A sw brk | T | B | U | D | C 1W", "C | E brk imax=0 | V 1W", "C | F sw | X", "V | H sw | G")
    )
    for label in (
        "Number of nodes = 6",
        "Number of consumers = 2 (33.3 % of 6)",
        "Number of providers = 1 (16.7 % of 6)",
        "Number of lines = 6",
        "Number of switches = 3",
        "Number of breakers = 2",
        "Number of switches that are breakers = 1",
        "Number of lines with imax = 0: 1",
        "Number of transition buses with a single line = 1, first: X",
    ):
        assert label in before
    for label in (
        "Number of nodes = 4",
        "Number of lines = 4",
        "Number of switches = 2",
        "Number of breakers = 2",
        "Number of lines with imax = 0: 1",
    ):
        assert label in after
    assert "single line" not in after


def test_merged_lines_have_no_capacity_if_a_part_has_none() -> None:
    _, after = blocks(report("G 100V | A imax=0 | T | B | C 1W", "G | D sw | C"))
    assert "Number of lines with imax = 0: 1" in after
    _, after = blocks(report("G 100V | A imax=0 r=5 | C 1W", "G | B r=0 | C"))
    assert "imax = 0" not in after


def test_five_single_transitions_are_shown() -> None:
    before, _ = blocks(report("G 100V | A | C 1W", *(f"C | L{k} | T{k}" for k in range(7))))
    assert "Number of transition buses with a single line = 7, first: T0, T1, T2, T3, T4\n" in before


def test_buses_with_two_lines_in_the_verbose_report() -> None:
    before, _ = blocks(report("G 100V | A sw | B 1W | D sw | C 1W | E | F 1W | H | I 1W", verbose=True))
    assert "two lines and no switch = 1\n    consumers among them = 1 (100.0 % of 1)" in before
    assert "two lines and two switches = 1\n    consumers among them = 1 (100.0 % of 1)" in before


def test_potential_counts_subtrees_that_hang_on_the_rest() -> None:
    text = report(
        "G 100V | A sw | B 1W | D sw | C 1W | E sw | F 1W | H sw | G",  # a ring
        "C | I sw | J 1W | K | L 1W",  # a subtree of two buses at C
        "J | M sw | N 1W",
        "G | O | P 1W",  # a subtree at the provider
        verbose=True,
    )
    _, _, potential = text.partition("Potential for aggregation:")
    for label in (
        "subtrees without switching alternatives = 2",
        "directly at providers = 1",
        "Buses in them: sum 4, average 2.00, maximum 3",
        "Consumers in them: sum 4, average 2.00, maximum 3",
        "Switches in them that must stay closed: sum 2, average 1.00, maximum 2",
        "remaining buses with exactly two lines = 3",
        "remaining consumers = 3",
    ):
        assert label in potential


def test_radial_grid_is_all_subtrees() -> None:
    text = report("G 100V | A sw | B 1W | D sw | C 1W", "H 100V | E sw | F 1W", verbose=True)
    assert "subtrees without switching alternatives = 2" in text
    assert "directly at providers = 2" in text
    assert "remaining consumers = 0" in text


def test_tie_between_providers_is_an_alternative() -> None:
    text = report("G 100V | A sw | B 1W | D sw | H 100V", verbose=True)
    assert "subtrees without switching alternatives = 0" in text


def test_unconnectable_buses_are_remarked_first() -> None:
    text = report("G 100V | L | C 1W", "X | K | Y")
    assert text.startswith("2 buses cannot be connected to any provider; reduction leaves them out: X, Y\n")


def test_unbreakable_cycles_take_the_place_of_the_report() -> None:
    text = report("G1 100V | Line1 | N | Line2 | G2 100V", "N | Line3 | C 1W")
    assert "cycles that no switch can break" in text
    assert "connects two providers counts as a cycle" in text
    assert "Line1, Line2" in text or "Line2, Line1" in text
    assert "nodes G1, N;" in text or "nodes G2, N;" in text
    assert "No further analysis is possible." in text
    assert "Network properties:" not in text


def test_grid_without_anything_has_a_report() -> None:
    text = report(verbose=True)
    assert "Number of nodes = 0" in text
    assert "Number of consumers = 0\n" in text

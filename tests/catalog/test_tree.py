from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.alstyle.schema import CategoryRow
from catalog.tree import PATH_LENGTH, build_tree


def category(number: int, left: int, right: int, name: str = "") -> CategoryRow:
    name = name or f"C{number}"
    return CategoryRow(id=str(number), name=name, left=left, right=right)


def parents(rows):
    nodes, _problems = build_tree(rows)
    return {node.id: node.parent for node in nodes.values()}


def test_the_parent_is_the_nearest_interval_around():
    rows = [
        category(1, 1, 10),
        category(2, 2, 7),
        category(3, 3, 4),
        category(4, 5, 6),
        category(5, 8, 9),
        category(6, 11, 12),
    ]
    nodes, problems = build_tree(reversed(rows))
    assert {node.id: node.parent for node in nodes.values()} == {
        "1": None,
        "2": "1",
        "3": "2",
        "4": "2",
        "5": "1",
        "6": None,
    }
    assert nodes["3"].path == "C1 / C2 / C3"
    assert [nodes[key].level for key in "1236"] == [1, 2, 3, 1]
    assert problems == []


def test_gaps_in_the_numbering_do_no_harm():
    assert parents([category(1, 10, 90), category(2, 20, 70)])["2"] == "1"


def test_equal_intervals_make_no_loop():
    nodes, problems = build_tree([category(1, 1, 4), category(2, 1, 4)])
    assert {node.parent for node in nodes.values()} == {None}
    assert [(p.key, p.reason) for p in problems] == [
        ("2", "its interval crosses that of category 1")
    ]


def test_crossing_intervals_hang_on_what_surrounds_them_wholly():
    rows = [
        category(1, 1, 20),
        category(2, 2, 8),
        category(3, 5, 12),
        category(4, 6, 7),
    ]
    nodes, problems = build_tree(rows)
    assert {key: node.parent for key, node in nodes.items()} == {
        "1": None,
        "2": "1",
        "3": "1",
        "4": "3",
    }
    assert [problem.key for problem in problems] == ["3"]


def test_a_category_without_an_interval_stands_alone():
    rows = [category(1, 0, 9), category(2, 0, 0), category(3, 1, 2)]
    assert parents(rows) == {"1": None, "2": None, "3": "1"}


def test_a_path_is_cut_to_its_column():
    rows = [category(n, n, 100 - n, name="N" * 250) for n in range(1, 9)]
    nodes, _problems = build_tree(rows)
    assert max(len(node.path) for node in nodes.values()) == PATH_LENGTH


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted), max_size=15)
)
def test_whatever_the_intervals_no_chain_of_parents_closes(intervals):
    rows = [category(n, *pair) for n, pair in enumerate(intervals, start=1)]
    nodes, _problems = build_tree(rows)
    assert len(nodes) == len(rows)
    seen: set[str] = set()
    for node in nodes.values():
        assert node.parent is None or node.parent in seen
        seen.add(node.id)

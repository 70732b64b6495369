"""Makes a tree of Al-Style's nested sets, which name no parents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from catalog.alstyle.schema import CategoryRow, Problem

PATH_LENGTH = 1000
PATH_SEPARATOR = " / "
# What PostgreSQL's smallint column takes.
DEEPEST_LEVEL = 32_767


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """A category with its place; `parent` is a supplier's id, None at the top."""

    id: str
    name: str
    parent: str | None
    path: str
    left: int
    right: int
    level: int


def build_tree(
    rows: Iterable[CategoryRow],
) -> tuple[dict[str, TreeNode], list[Problem]]:
    """Give each category the nearest interval around its own as its parent.

    Nodes come parents first. Intervals that cross or repeat another's are reported;
    such a category hangs on the nearest one that wholly surrounds it, so no chain of
    parents can close into a loop.
    """
    nodes: dict[str, TreeNode] = {}
    problems: list[Problem] = []
    around: list[CategoryRow] = []
    for row in sorted(rows, key=lambda row: (row.left, -row.right, int(row.id))):
        if not row.right:
            nodes[row.id] = _placed(row, None)
            continue
        while around and around[-1].right < row.left:
            around.pop()
        parent = next(
            (other for other in reversed(around) if _encloses(other, row)), None
        )
        crossed = next((other for other in around if _crosses(other, row)), None)
        if crossed:
            claim = _("its interval crosses that of category %(id)s")
            problems.append(Problem(row.id, claim % {"id": crossed.id}))
        nodes[row.id] = _placed(row, nodes[parent.id] if parent else None)
        around.append(row)
    return nodes, problems


def _encloses(outer: CategoryRow, inner: CategoryRow) -> bool:
    around = outer.left <= inner.left and inner.right <= outer.right
    return around and (outer.left, outer.right) != (inner.left, inner.right)


def _crosses(first: CategoryRow, second: CategoryRow) -> bool:
    """Tell whether `second`, which begins later, shares ground it is not inside of."""
    return first.right >= second.left and not _encloses(first, second)


def _placed(row: CategoryRow, parent: TreeNode | None) -> TreeNode:
    path = f"{parent.path}{PATH_SEPARATOR}{row.name}" if parent else row.name
    return TreeNode(
        id=row.id,
        name=row.name,
        parent=parent.id if parent else None,
        path=path[:PATH_LENGTH].rstrip(),
        left=row.left,
        right=row.right,
        level=min(parent.level + 1, DEEPEST_LEVEL) if parent else 1,
    )

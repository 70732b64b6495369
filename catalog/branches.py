"""Keeps the stored category tree like the supplier's."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from catalog.models import Category, Product
from catalog.tree import TreeNode
from catalog.writing import update_in_order
from plumbing.rows import update_rows

# Ids in one query; SQLite takes 999.
IDS_AT_ONCE = 500
COLUMNS = ("name", "path", "left", "right", "level", "parent")


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchDifferences:
    """What is to be written: Al-Style's ids, and the nodes to write them from."""

    nodes: dict[str, TreeNode]
    # Everything stored, gone or not, by Al-Style's id.
    stored: dict[str, int]
    new: list[str]
    changed: list[str]
    gone: list[str]
    # Their goods' prices may come from another rule now.
    moved: list[str]
    known: int
    sound: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    def names(self, supplier_id: str) -> bool:
        return supplier_id in self.nodes or supplier_id in self.stored


def compare_branches(
    nodes: dict[str, TreeNode], *, unsound: Set[str], nameless: int = 0
) -> BranchDifferences:
    """Compare the supplier's tree with the stored one.

    What came without its interval, and what hangs on it, stays where it was. So does
    what is missing while as many rows came that tell no id (`nameless`): it may be
    one of those.
    """
    stored: dict[str, int] = {}
    changed, gone, moved = [], [], []
    known = sound = 0
    known_ones = Category.objects.order_by("pk").values_list(
        "pk", "supplier_id", "gone_at", *COLUMNS[:-1], "parent__supplier_id"
    )
    rows: list[tuple[Any, ...]] = list(known_ones)
    lost: set[str] = set()
    if unsound or nameless:
        nodes = dict(nodes)
        missing = {row[1] for row in rows if row[2] is None} - nodes.keys()
        if len(missing) <= nameless:
            lost = missing
        _hold_still(nodes, rows, in_doubt=unsound | lost)
    for pk, supplier_id, gone_at, *old in rows:
        stored[supplier_id] = pk
        node = nodes.get(supplier_id)
        known += gone_at is None
        if node is None:
            if gone_at is None and supplier_id not in lost:
                gone.append(supplier_id)
            continue
        sound += gone_at is None and supplier_id not in unsound
        if gone_at is not None or old != _values(node):
            changed.append(supplier_id)
        if (old[1], old[-1]) != (node.path, node.parent):
            moved.append(supplier_id)
    return BranchDifferences(
        nodes=nodes,
        stored=stored,
        new=[supplier_id for supplier_id in nodes if supplier_id not in stored],
        changed=changed,
        gone=gone,
        moved=moved,
        known=known,
        sound=sound,
    )


def _hold_still(
    nodes: dict[str, TreeNode], rows: Iterable[tuple[Any, ...]], *, in_doubt: Set[str]
) -> None:
    """Put back where they were those in doubt, and all that is below or above them.

    All, so that what stays and what moves can close no loop between them.
    """
    parents = {row[1]: row[-1] for row in rows}
    held: set[str] = set()
    for supplier_id in parents:
        chain: list[str] = []
        above: str | None = supplier_id
        while above is not None and above not in chain:
            chain.append(above)
            above = parents.get(above)
        if supplier_id in in_doubt:
            held.update(chain)
        elif not in_doubt.isdisjoint(chain):
            held.add(supplier_id)
    for _pk, supplier_id, _gone_at, _name, path, left, right, level, parent in rows:
        node = nodes.get(supplier_id)
        # One that never had an interval stands alone, as before.
        if node is not None and supplier_id in held and right:
            node = replace(node, path=path, level=level, parent=parent)
            if not node.right:
                node = replace(node, left=left, right=right)
            nodes[supplier_id] = node


def write_branches(found: BranchDifferences, *, now: datetime) -> dict[str, int]:
    """Write the differences and return our ids of all categories by Al-Style's."""
    made = Category.objects.bulk_create(
        Category(supplier_id=supplier_id, name=found.nodes[supplier_id].name)
        for supplier_id in found.new
    )
    pks = found.stored | {category.supplier_id: category.pk for category in made}
    rows = []
    for supplier_id in [*found.new, *found.changed]:
        *values, parent = _values(found.nodes[supplier_id])
        parent_pk = pks[parent] if parent else None
        rows.append((*values, parent_pk, None, pks[supplier_id]))
    update_rows(Category, [*COLUMNS, "gone_at"], rows)
    update_rows(Category, ["gone_at"], [(now, pks[key]) for key in found.gone])
    # Other rules may fit the goods of moved branches: their prices are out of date.
    moved = [pks[supplier_id] for supplier_id in found.moved]
    for start in range(0, len(moved), IDS_AT_ONCE):
        goods = Product.objects.filter(
            category_id__in=moved[start : start + IDS_AT_ONCE]
        )
        update_in_order(goods.exclude(priced_with=""), priced_with="")
    return pks


def _values(node: TreeNode) -> list[Any]:
    return [node.name, node.path, node.left, node.right, node.level, node.parent]

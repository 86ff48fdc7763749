"""Puzzles of logic: orders that follow from pairs, and what is true."""

from ordercheck import check_order
from orders import order
from truthcheck import check_truth
from truths import truth

FAMILIES = {"order": order, "truth": truth}
CHECKS = {"order": check_order, "truth": check_truth}

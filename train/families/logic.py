"""Puzzles of logic: orders that follow from pairs, and what is true."""

from orders import check_order, order
from truths import check_truth, truth

FAMILIES = {"order": order, "truth": truth}
CHECKS = {"order": check_order, "truth": check_truth}

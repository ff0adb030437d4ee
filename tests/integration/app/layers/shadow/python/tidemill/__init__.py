"""Stands for a deployed layer: it must win over the checkout that the interpreter knows."""

"""The answer: findings as evidence, added to the prevalence; its range, its gate and its call."""

from gliotype.answer.answer import Settings, answer

__all__ = ["Settings", "answer"]

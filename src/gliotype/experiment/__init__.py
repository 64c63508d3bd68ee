"""Train and test methods on cohorts: protocol, splits, leakage, runs, tables."""

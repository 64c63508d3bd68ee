"""Train T2-net and TS-net."""

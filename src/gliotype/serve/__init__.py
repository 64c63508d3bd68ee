"""Services around `predict`: a durable queue of jobs, and what fills it from outside."""

"""Train Model 2, the hybrid of Choi 2021."""

"""Train the perfusion network, after Choi 2019."""

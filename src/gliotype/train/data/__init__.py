"""Patients to train on, and the examples made from them."""
